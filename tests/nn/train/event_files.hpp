// TensorBoard's event files, read by nothing of the library: records, checksums and messages.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "../temp_dir.hpp"

namespace telaio::nn {

/// CRC-32C, bit by bit (RFC 3720, appendix B.4).
inline uint32_t crc32c(std::string_view data) {
  uint32_t crc = 0xffffffff;
  for (const char c : data) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

/// A number of so many bytes, the lowest first; 0 where the data end before.
inline uint64_t little_endian(std::string_view data, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size && at + i < data.size(); ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(data[at + i])) << 8 * i;
  return value;
}

/// What the records of a file hold. Failure of the test when one is cut off, or a checksum is another.
inline std::vector<std::string> records_of(std::string_view file) {
  const auto masked = [](uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8u; };
  std::vector<std::string> records;
  while (!file.empty()) {
    const uint64_t size = little_endian(file, 0, 8);
    if (file.size() < 16 || size > file.size() - 16) {
      ADD_FAILURE() << "record " << records.size() << " is cut off";
      break;
    }
    EXPECT_EQ(little_endian(file, 8, 4), masked(crc32c(file.substr(0, 8)))) << "record " << records.size();
    EXPECT_EQ(little_endian(file, 12 + size, 4), masked(crc32c(file.substr(12, size)))) << "record " << records.size();
    records.emplace_back(file.substr(12, size));
    file.remove_prefix(16 + size);
  }
  return records;
}

/// A field of a message of protocol buffers: a number, or bytes.
struct ProtoField {
  uint64_t number = 0, value = 0;
  std::string bytes;
};
inline std::vector<ProtoField> fields_of(std::string_view message) {
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; !message.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(message[0]);
      message.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  std::vector<ProtoField> fields;
  while (!message.empty()) {
    const uint64_t key = varint();
    ProtoField field{key >> 3, 0, ""};
    size_t size = 0;
    switch (key & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        size = 8;
        break;
      case 2:
        size = varint();
        break;
      case 5:
        size = 4;
        break;
      default:
        ADD_FAILURE() << "field " << field.number << " has wire type " << (key & 7);
        return fields;
    }
    if (size > message.size()) {
      ADD_FAILURE() << "field " << field.number << " is cut off";
      return fields;
    }
    field.bytes = message.substr(0, size);
    if ((key & 7) % 4 == 1) field.value = little_endian(field.bytes, 0, size);
    message.remove_prefix(size);
    fields.push_back(std::move(field));
  }
  return fields;
}

struct RecordedEvent {
  double wall_time = 0;
  int64_t step = 0;
  std::string file_version;
  bool start = false;  ///< of a session
  std::map<std::string, float> scalars;
};

inline RecordedEvent event_of(std::string_view record) {
  RecordedEvent event;
  for (const ProtoField& field : fields_of(record)) {
    if (field.number == 1) event.wall_time = std::bit_cast<double>(field.value);
    else if (field.number == 2) event.step = static_cast<int64_t>(field.value);
    else if (field.number == 3) event.file_version = field.bytes;
    else if (field.number == 5)
      for (const ProtoField& value : fields_of(field.bytes)) {
        EXPECT_EQ(value.number, 1u);
        const std::vector<ProtoField> parts = fields_of(value.bytes);
        if (parts.size() == 2 && parts[0].number == 1 && parts[1].number == 2)
          event.scalars[parts[0].bytes] = std::bit_cast<float>(static_cast<uint32_t>(parts[1].value));
        else ADD_FAILURE() << "a value has other fields than tag and simple_value";
      }
    else if (field.number == 7) event.start = field.bytes == std::string("\x08\x01", 2);
    else ADD_FAILURE() << "an event has a field " << field.number;
  }
  return event;
}

inline std::vector<RecordedEvent> events_in(const std::string& path) {
  std::vector<RecordedEvent> events;
  for (const std::string& record : records_of(content(path))) events.push_back(event_of(record));
  return events;
}

/// The files of a directory in the order in which TensorBoard reads them.
inline std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> all;
  if (std::filesystem::is_directory(directory))
    for (const auto& entry : std::filesystem::directory_iterator(directory)) all.push_back(entry.path().string());
  std::sort(all.begin(), all.end());
  return all;
}

/// Tag → step → value of a run, as TensorBoard shows it: the start of a session takes away its step and later ones.
/// Failure of the test where a step has a value already.
using Curves = std::map<std::string, std::map<int64_t, float>>;
inline Curves curves_in(const std::string& directory) {
  Curves curves;
  for (const std::string& path : files_in(directory))
    for (const RecordedEvent& event : events_in(path)) {
      if (event.start)
        for (auto& [tag, values] : curves) values.erase(values.lower_bound(event.step), values.end());
      for (const auto& [tag, value] : event.scalars)
        EXPECT_TRUE(curves[tag].emplace(event.step, value).second) << tag << " has two values of step " << event.step;
    }
  return curves;
}

}  // namespace telaio::nn
