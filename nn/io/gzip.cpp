#include <telaio/nn/io/gzip.hpp>

#include <algorithm>

#include <fmt/format.h>
// g++ 12 sees overlapping copies in Boost's inserts into a string (GCC bug 105329).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wrestrict"
#endif
#include <boost/endian/conversion.hpp>
#include <boost/iostreams/device/array.hpp>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_streambuf.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace io = boost::iostreams;

namespace {

// Boost's own buffers hold 128 bytes: a call of zlib for each of these costs more than its work.
constexpr std::streamsize piece = 1 << 16;

std::string_view meaning(const io::gzip_error& error) {
  switch (error.error()) {
    case io::gzip::bad_crc:
      return "the checksum is wrong";
    case io::gzip::bad_header:
      return "no gzip header where one must be";
    case io::gzip::bad_footer:
      return "the data are cut off";
    default:
      return error.zlib_error_code() == io::zlib::buf_error ? "the data are cut off" : "the data are damaged";
  }
}

/// Room for what will come out. A gzip file of one piece ends with that number (RFC 1952, modulo 2³²); one more byte
/// shows the end. In damaged files it may be any number, so not too much is believed.
size_t unpacked_room(std::string_view bytes) {
  if (bytes.size() < 18) return 64;  // header and footer
  const char* footer = bytes.data() + bytes.size() - 4;
  const size_t said = boost::endian::load_little_u32(reinterpret_cast<const unsigned char*>(footer));
  return std::min(said, 16 * bytes.size()) + 1;
}

/// What comes out when the bytes go through a filter; `size` counts along, for messages.
template <class Filter>
std::string filtered(const Filter& filter, std::string_view bytes, size_t expected, size_t& size) {
  io::filtering_streambuf<io::input> stream;
  stream.push(filter, piece);
  stream.push(io::array_source(bytes.data(), bytes.size()));
  std::string out(expected, '\0');
  while (true) {
    if (size == out.size()) out.resize(2 * out.size() + 4096);
    const std::streamsize got = stream.sgetn(out.data() + size, static_cast<std::streamsize>(out.size() - size));
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  out.resize(size);
  return out;
}

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, const std::string& name) {
  size_t size = 0;
  const auto bad = [&](std::string_view problem) {
    return Error(fmt::format("{}: bad gzip data after {} unpacked bytes: {}", name, size, problem));
  };
  try {
    return filtered(io::gzip_decompressor(io::gzip::default_window_bits, piece), bytes, unpacked_room(bytes), size);
  } catch (const io::gzip_error& error) {
    throw bad(meaning(error));
  } catch (const std::ios_base::failure& error) {
    throw bad(error.what());
  }
}

std::string gzip(std::string_view bytes) {
  size_t size = 0;
  return filtered(io::gzip_compressor(), bytes, bytes.size() / 2, size);
}

std::string read_file_unpacked(const std::string& path) {
  std::string bytes = read_file(path);
  return is_gzip(bytes) ? gunzip(bytes, path) : bytes;
}

}  // namespace telaio::nn
