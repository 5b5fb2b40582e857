// A history as a table and as JSON, and the callbacks that write them.
#include <cmath>

#include <fmt/format.h>

#include <boost/json.hpp>

#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/history.hpp>
#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

namespace json = boost::json;

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

void CSVLogger::on_epoch_end(Training& training) { write_file(path_, to_csv(training.history())); }
void JSONLogger::on_epoch_end(Training& training) { write_file(path_, to_json(training.history())); }

}  // namespace telaio::nn
