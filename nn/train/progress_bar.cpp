#include <unistd.h>

#include <string>

#include <fmt/format.h>

#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

namespace {

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}s", s);
}

std::string measured(double loss, std::optional<double> accuracy, std::string_view prefix) {
  std::string text = fmt::format("{}loss {:.4f}", prefix, loss);
  if (accuracy) text += fmt::format("  {}accuracy {:.2f}%", prefix, 100 * *accuracy);
  return text;
}

}  // namespace

ProgressBar::ProgressBar(std::FILE* out) : out_(out), terminal_(isatty(STDERR_FILENO) != 0) {}
ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (terminal_ && shown_at_ >= 0) fmt::print(stderr, "\r\033[K");
  shown_at_ = -1;
}

void ProgressBar::on_train_begin(Training&) { clear(); }

void ProgressBar::on_batch_end(Training& training) {
  const double now = training.seconds();
  if (!terminal_ || (shown_at_ >= 0 && now >= shown_at_ && now < shown_at_ + 0.1)) return;
  shown_at_ = now;
  constexpr int64_t cells = 24;
  const int64_t full = cells * training.images() / training.images_in_epoch();
  const double rate = training.images_per_second();
  const double left = static_cast<double>(training.images_in_epoch() - training.images()) / rate;
  fmt::print(stderr, "\r\033[Kepoch {}/{} [{}{}] {} left  {}  {:.0f} images/s", training.epoch(),
             training.options().epochs, std::string(static_cast<size_t>(full), '#'),
             std::string(static_cast<size_t>(cells - full), '.'), duration(left),
             measured(training.loss(), training.accuracy(), ""), rate);
  std::fflush(stderr);
}

void ProgressBar::on_epoch_end(Training& training) {
  clear();
  const EpochRecord& e = training.history().epochs.back();
  std::string text =
      fmt::format("epoch {}/{}  {}", e.epoch, training.options().epochs, measured(e.loss, e.accuracy, ""));
  if (e.val_loss) text += fmt::format("  {}", measured(*e.val_loss, e.val_accuracy, "val_"));
  fmt::print(out_, "{}  {:.1f}s  {:.0f} images/s\n", text, e.seconds, e.images_per_second);
  std::fflush(out_);
}

void ProgressBar::on_train_end(Training&) { clear(); }

}  // namespace telaio::nn
