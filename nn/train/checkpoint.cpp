#include <telaio/nn/train/checkpoint.hpp>

#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

void ModelCheckpoint::write(const Training& training, bool finished) const {
  ModelFile file{training.trainer().model(), options_.class_names, training.standardization()};
  file.notes = options_.notes;
  if (!finished || options_.keep_state) file.training = training.state();
  save_model(options_.path, file, training.best().epoch > 0 ? &training.best().values : nullptr);
}

void ModelCheckpoint::on_epoch_end(Training& training) {
  write(training, training.epoch() == training.options().epochs);
}

void ModelCheckpoint::on_train_end(Training& training) {
  if (training.stopping()) write(training, false);
}

}  // namespace telaio::nn
