#include <telaio/nn/io/file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

/// An open file that is closed at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  /// Some file systems report a full disk only here.
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

/// A file that is removed unless it was renamed.
class Temporary {
 public:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  bool rename_to(const std::string& path) {
    if (std::rename(path_.c_str(), path.c_str()) != 0) return false;
    path_.clear();
    return true;
  }

 private:
  std::string path_;
};

[[noreturn]] void cannot_read(const std::string& path, int error) {
  throw Error(fmt::format("{}: cannot be read: {}", path, reason(error)));
}
[[noreturn]] void cannot_write(const std::string& path, int error) {
  throw Error(fmt::format("{}: cannot be written: {}", path, reason(error)));
}

std::filesystem::file_status status_of(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  // Of type not_found where there is nothing: that is known.
  if (status.type() == std::filesystem::file_type::none) cannot_read(path, error.value());
  return status;
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool write_all(int file, std::span<const std::string_view> pieces) {
  for (const std::string_view piece : pieces)
    if (!write_all(file, piece)) return false;
  return true;
}

/// The path that a rename must replace: where a chain of symbolic links ends.
std::string end_of_links(const std::string& path) {
  std::error_code error;
  std::filesystem::path end = path;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(end, error); ++links)
    end = end.parent_path() / std::filesystem::read_symlink(end, error);
  return end.string();
}

/// Creates a file beside `path` that nobody else uses. mkstemp would do, but for its permissions (0600).
int create_beside(const std::string& path, std::string& name) {
  static std::atomic<unsigned> counter{0};
  const std::filesystem::path target = path;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto file = fmt::format(".{}.{}-{}", target.filename().string(), ::getpid(), counter.fetch_add(1));
    name = (target.parent_path() / file).string();
    const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

/// Without this a power cut could undo the rename. Best effort: some file systems refuse it.
void sync_directory(const std::string& path) {
  const auto directory = std::filesystem::path(path).parent_path();
  const Descriptor file(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.number() >= 0) ::fsync(file.number());
}

}  // namespace

bool path_exists(const std::string& path) { return std::filesystem::exists(status_of(path)); }

bool directory_exists(const std::string& path) { return std::filesystem::is_directory(status_of(path)); }

std::string read_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) cannot_read(path, errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) cannot_read(path, errno);
  if (S_ISDIR(status.st_mode)) cannot_read(path, EISDIR);

  // One byte more than the size, so that the end is seen without growing; pipes have size 0 and do grow.
  std::string bytes(static_cast<size_t>(status.st_size) + 1, '\0');
  size_t size = 0;
  while (true) {
    if (size == bytes.size()) bytes.resize(2 * bytes.size() + 4096);
    const ssize_t got = ::read(file.number(), bytes.data() + size, bytes.size() - size);
    if (got < 0) {
      if (errno == EINTR) continue;
      cannot_read(path, errno);
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

void write_file(const std::string& path, std::span<const std::string_view> pieces) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) cannot_write(path, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.number() < 0 || !write_all(file.number(), pieces) || !file.close()) cannot_write(path, errno);
    return;
  }

  const std::string target = end_of_links(path);
  std::string name;
  Descriptor file(create_beside(target, name));
  if (file.number() < 0) cannot_write(path, errno);
  Temporary temporary(name);
  if (exists && ::fchmod(file.number(), status.st_mode & 07777) != 0) cannot_write(path, errno);
  if (!write_all(file.number(), pieces) || ::fsync(file.number()) != 0 || !file.close()) cannot_write(path, errno);
  if (!temporary.rename_to(target)) cannot_write(path, errno);
  sync_directory(target);
}

void check_writable(const std::string& path) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) cannot_write(path, EISDIR);
  if (exists && !S_ISREG(status.st_mode)) {
    if (::access(path.c_str(), W_OK) != 0) cannot_write(path, errno);
    return;
  }
  std::string name;
  const Descriptor file(create_beside(end_of_links(path), name));
  if (file.number() < 0) cannot_write(path, errno);
  const Temporary temporary(name);
}

void write_file(const std::string& path, std::string_view bytes) { write_file(path, std::span(&bytes, 1)); }

}  // namespace telaio::nn
