#include <telaio/nn/io/gzip.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <zlib.h>
#include <boost/endian/conversion.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace {

/// What zlib takes at a time is counted in an `unsigned`, larger than which files may be.
uInt piece(size_t size) { return static_cast<uInt>(std::min<size_t>(size, std::numeric_limits<uInt>::max())); }

/// zlib with the gzip format about it: from `in`, of which it takes away what has been read, to the end of `out`.
class Stream {
 public:
  Stream(std::string_view in, std::string& out, size_t expected) : in_(in), out_(out) { out_.resize(expected); }

  bool at_end() const { return in_.empty(); }
  size_t size() const { return size_; }

  /// One call of deflate or inflate, with room for something to come out.
  template <class Call>
  int run(z_stream& z, const Call& call) {
    if (size_ == out_.size()) out_.resize(2 * out_.size() + 4096);
    // zlib only reads there; its type has no const unless a macro asks for it.
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in_.data()));
    z.avail_in = piece(in_.size());
    z.next_out = reinterpret_cast<Bytef*>(out_.data() + size_);
    z.avail_out = piece(out_.size() - size_);
    const uInt given = z.avail_in, room = z.avail_out;
    const bool last = given == in_.size();
    const int result = call(&z, last);
    in_.remove_prefix(given - z.avail_in);
    size_ += room - z.avail_out;
    return result;
  }

 private:
  std::string_view in_;
  std::string& out_;
  size_t size_ = 0;
};

constexpr int gzip_format = 16 + MAX_WBITS;

std::string_view meaning(const z_stream& z, int result) {
  if (result == Z_BUF_ERROR) return "the data are cut off";
  const std::string_view message = z.msg == nullptr ? "" : z.msg;
  if (message == "incorrect data check") return "the checksum is wrong";
  if (message == "incorrect header check") return "no gzip header where one must be";
  return "the data are damaged";
}

/// Room for what will come out. A gzip file of one piece ends with that number (RFC 1952, modulo 2³²); one more byte
/// shows the end. In damaged files it may be any number, so not too much is believed.
size_t unpacked_room(std::string_view bytes) {
  if (bytes.size() < 18) return 64;  // header and footer
  const char* footer = bytes.data() + bytes.size() - 4;
  const size_t said = boost::endian::load_little_u32(reinterpret_cast<const unsigned char*>(footer));
  return std::min(said, 16 * bytes.size()) + 1;
}

/// Ends what Init began, however the work ends.
template <int (*End)(z_streamp)>
struct State : z_stream {
  State() : z_stream{} {}
  ~State() { End(this); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, const std::string& name) {
  std::string out;
  Stream stream(bytes, out, unpacked_room(bytes));
  State<inflateEnd> z;
  if (inflateInit2(&z, gzip_format) != Z_OK) throw std::bad_alloc();
  while (true) {
    const int result = stream.run(z, [](z_streamp p, bool) { return inflate(p, Z_NO_FLUSH); });
    if (result == Z_OK) continue;
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    if (result != Z_STREAM_END) {
      throw Error(fmt::format("{}: bad gzip data after {} unpacked bytes: {}", name, stream.size(), meaning(z, result)));
    }
    if (stream.at_end()) break;
    inflateReset(&z);
  }
  out.resize(stream.size());
  return out;
}

std::string gzip(std::string_view bytes) {
  std::string out;
  Stream stream(bytes, out, bytes.size() / 2);
  State<deflateEnd> z;
  constexpr int memory = 8;  // zlib's default
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_format, memory, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  while (stream.run(z, [](z_streamp p, bool last) { return deflate(p, last ? Z_FINISH : Z_NO_FLUSH); }) != Z_STREAM_END) {
  }
  out.resize(stream.size());
  return out;
}

std::string read_file_unpacked(const std::string& path) {
  std::string bytes = read_file(path);
  return is_gzip(bytes) ? gunzip(bytes, path) : bytes;
}

}  // namespace telaio::nn
