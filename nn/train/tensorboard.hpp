// The curves of a training as TensorBoard reads them: tensorboard --logdir DIR.
//
// An event file is a row of TFRecords (https://www.tensorflow.org/tutorials/load_data/tfrecord, "TFRecords format
// details"), each of which is an Event in the wire format of protocol buffers
// (https://protobuf.dev/programming-guides/encoding). The numbers of its fields are those of
// tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <telaio/nn/io/file.hpp>
#include <telaio/nn/train/callback.hpp>

namespace telaio::nn {

/// A number under the name of its chart. TensorBoard keeps it as f32.
struct Scalar {
  std::string_view tag;
  double value = 0;
};

/// A new event file, which grows by whole records: TensorBoard can read it meanwhile. Errors are those of GrowingFile.
class EventFile {
 public:
  /// Makes the directory, with those it is in, and the file events.out.tfevents.SECONDS.HOST.MICROSECONDS.PID: time of
  /// day since 1970, so that TensorBoard, which reads the files of a directory by name, takes later ones later.
  explicit EventFile(const std::string& directory);

  /// Whatever the directory's earlier files say of this step and later ones does not hold any more.
  void start(int64_t step);
  /// The numbers of a step, in one record.
  void write(int64_t step, std::span<const Scalar> scalars);
  const std::string& path() const { return file_.path(); }

 private:
  void append(int64_t step, int field, std::string_view content);
  GrowingFile file_;
};

/// Writes the history to DIR/train and, with validation data, to DIR/validation, after each epoch. The tags are those
/// of Keras's TensorBoard, so that both runs are in the same charts: epoch_loss, and with classes epoch_accuracy; of
/// the training also epoch_learning_rate and epoch_images_per_second. Steps are epochs: 1, 2, … A training that is
/// resumed goes on in a new file, from its next epoch; one that begins anew in the same directory takes the place of
/// the former.
class TensorBoard final : public Callback {
 public:
  /// Error when the path is empty, or the directories cannot be made or written to, as far as that can be told; nothing
  /// is made yet.
  explicit TensorBoard(std::string directory);
  void on_train_begin(Training& training) override;
  void on_epoch_end(Training& training) override;
  void on_train_end(Training& training) override;

 private:
  std::string run(const char* name) const;
  std::string directory_;
  bool started_ = false;
  std::optional<EventFile> train_, validation_;
};

}  // namespace telaio::nn
