// A model file during the training.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <telaio/nn/train/callback.hpp>

namespace telaio::nn {

/// After each epoch, and when the training is stopped, writes a model file (io/model_file.hpp): the parameters of the
/// best epoch so far (before the end of the first epoch the present ones), and the state to go on from. When the last
/// epoch has ended, the state is left out unless keep_state.
class ModelCheckpoint final : public Callback {
 public:
  struct Options {
    std::string path;
    std::vector<std::string> class_names = {};
    std::map<std::string, std::string> notes = {};  ///< further metadata
    bool keep_state = false;
  };
  explicit ModelCheckpoint(Options options) : options_(std::move(options)) {}

  void on_epoch_end(Training& training) override;
  void on_train_end(Training& training) override;

 private:
  void write(const Training& training, bool finished) const;
  Options options_;
};

}  // namespace telaio::nn
