// What a training reported, epoch by epoch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace telaio::nn {

struct EpochRecord {
  int64_t epoch = 0;                    ///< 1, 2, …
  double loss = 0;                      ///< mean over the training samples, weighted as the training was
  std::optional<double> accuracy = {};  ///< of classifiers, in 0…1
  std::optional<double> val_loss = {};  ///< with validation data; never weighted
  std::optional<double> val_accuracy = {};
  double learning_rate = 0;      ///< of the last step
  double seconds = 0;            ///< training and validation
  double images_per_second = 0;  ///< of the training
};

/// The value of a record by its name: loss, accuracy, val_loss, val_accuracy. Nothing where the record has none. Error
/// that lists the names.
std::optional<double> value_of(const EpochRecord& record, const std::string& name);
/// Whether more is better.
bool is_accuracy(const std::string& name);

struct History {
  std::vector<EpochRecord> epochs;
};

/// A table with a header line: epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second.
std::string to_csv(const History& history);
/// {"epochs": [{"epoch": 1, "loss": …, "accuracy": …, "val_loss": …, "val_accuracy": …, "learning_rate": …, "seconds":
/// …, "images_per_second": …}, …]}; what there is none of is left out, and what is not finite is null.
std::string to_json(const History& history);

}  // namespace telaio::nn
