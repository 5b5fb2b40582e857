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

std::string to_csv(const History& history) {
  const auto cell = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  std::string text = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n";
  for (const EpochRecord& e : history.epochs)
    text += fmt::format("{},{},{},{},{},{},{:.3f},{:.1f}\n", e.epoch, e.loss, cell(e.accuracy), cell(e.val_loss),
                        cell(e.val_accuracy), e.learning_rate, e.seconds, e.images_per_second);
  return text;
}

}  // namespace telaio::nn
