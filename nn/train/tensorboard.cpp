#include <telaio/nn/train/tensorboard.hpp>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include <boost/crc.hpp>
#include <boost/endian/conversion.hpp>

#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

namespace {

// Fields of Event, of Summary, of Summary.Value and of SessionLog.
constexpr int event_wall_time = 1, event_step = 2, event_file_version = 3, event_summary = 5, event_session_log = 7;
constexpr int summary_value = 1, value_tag = 1, value_simple_value = 2;
constexpr int session_status = 1, session_start = 1;

enum class Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, int field, Wire wire) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(wire));
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, Wire::bytes);
  put_varint(out, bytes.size());
  out += bytes;
}

template <class T>
void put_little_endian(std::string& out, T value) {
  unsigned char bytes[sizeof(T)];
  boost::endian::endian_store<T, sizeof(T), boost::endian::order::little>(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

/// CRC-32C (RFC 3720, appendix B.4) in the form that TFRecords have it: so that the checksum of bytes which contain
/// checksums is nothing special.
uint32_t masked_checksum(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  const uint32_t sum = crc.checksum();
  return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

std::chrono::microseconds now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
}

std::string new_file_in(const std::string& directory) {
  make_directories(directory);
  char host[256] = "";
  if (::gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') host[0] = '-';
  const int64_t time = now().count(), second = 1'000'000;
  const std::string name =
      fmt::format("events.out.tfevents.{:010}.{}.{:06}.{}", time / second, host, time % second, ::getpid());
  return (std::filesystem::path(directory) / name).string();
}

}  // namespace

EventFile::EventFile(const std::string& directory) : file_(new_file_in(directory)) {
  append(0, event_file_version, "brain.Event:2");
}

void EventFile::append(int64_t step, int field, std::string_view content) {
  std::string event;
  put_key(event, event_wall_time, Wire::fixed64);
  put_little_endian(event, static_cast<double>(now().count()) / 1e6);
  if (step != 0) {  // what is zero is left out
    put_key(event, event_step, Wire::varint);
    put_varint(event, static_cast<uint64_t>(step));
  }
  put_bytes(event, field, content);

  std::string record;
  put_little_endian(record, static_cast<uint64_t>(event.size()));
  put_little_endian(record, masked_checksum(record));
  record += event;
  put_little_endian(record, masked_checksum(event));
  file_.append(record);
}

void EventFile::start(int64_t step) {
  std::string log;
  put_key(log, session_status, Wire::varint);
  put_varint(log, session_start);
  append(step, event_session_log, log);
}

void EventFile::write(int64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    put_bytes(value, value_tag, scalar.tag);
    put_key(value, value_simple_value, Wire::fixed32);
    put_little_endian(value, static_cast<float>(scalar.value));
    put_bytes(summary, summary_value, value);
  }
  append(step, event_summary, summary);
}

TensorBoard::TensorBoard(std::string directory) : directory_(std::move(directory)) {
  if (directory_.empty()) throw Error("TensorBoard: the path of the directory is empty");
  for (const std::string& place : {directory_, run("train"), run("validation")}) check_writable_directory(place);
}

std::string TensorBoard::run(const char* name) const { return (std::filesystem::path(directory_) / name).string(); }

void TensorBoard::on_train_begin(Training& training) {
  started_ = false;
  train_.emplace(run("train"));
  validation_.reset();
  if (training.validation_samples() > 0) validation_.emplace(run("validation"));
}

void TensorBoard::on_epoch_end(Training& training) {
  const EpochRecord& e = training.history().epochs.back();
  const auto write = [&](EventFile& file, double loss, const std::optional<double>& accuracy, bool of_training) {
    // Only here is it known which epoch is the first: one that was killed may not have told of its last.
    if (!started_) file.start(e.epoch);
    std::vector<Scalar> scalars{{"epoch_loss", loss}};
    if (accuracy) scalars.push_back({"epoch_accuracy", *accuracy});
    if (of_training) {
      scalars.push_back({"epoch_learning_rate", e.learning_rate});
      scalars.push_back({"epoch_images_per_second", e.images_per_second});
    }
    file.write(e.epoch, scalars);
  };
  write(*train_, e.loss, e.accuracy, true);
  if (validation_ && e.val_loss) write(*validation_, *e.val_loss, e.val_accuracy, false);
  started_ = true;
}

void TensorBoard::on_train_end(Training&) {
  train_.reset();
  validation_.reset();
}

}  // namespace telaio::nn
