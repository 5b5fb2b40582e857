#include <telaio/nn/train/history.hpp>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

std::optional<double> value_of(const EpochRecord& record, const std::string& name) {
  if (name == "loss") return record.loss;
  if (name == "accuracy") return record.accuracy;
  if (name == "val_loss") return record.val_loss;
  if (name == "val_accuracy") return record.val_accuracy;
  throw Error(fmt::format("monitor: '{}' is unknown; expected loss, accuracy, val_loss, val_accuracy", name));
}

bool is_accuracy(const std::string& name) { return name.ends_with("accuracy"); }

}  // namespace telaio::nn
