#include <telaio/nn/train/history.hpp>

#include <cmath>

#include <fmt/format.h>

#include <boost/json.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/json.hpp>

namespace telaio::nn {

namespace json = boost::json;

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

std::string to_json(const History& history) {
  const auto number = [](double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); };
  json::array epochs;
  for (const EpochRecord& e : history.epochs) {
    json::object record;
    record["epoch"] = e.epoch;
    record["loss"] = number(e.loss);
    if (e.accuracy) record["accuracy"] = number(*e.accuracy);
    if (e.val_loss) record["val_loss"] = number(*e.val_loss);
    if (e.val_accuracy) record["val_accuracy"] = number(*e.val_accuracy);
    record["learning_rate"] = number(e.learning_rate);
    record["seconds"] = number(e.seconds);
    record["images_per_second"] = number(e.images_per_second);
    epochs.push_back(std::move(record));
  }
  json::object root;
  root["epochs"] = std::move(epochs);
  return pretty(root);
}

}  // namespace telaio::nn
