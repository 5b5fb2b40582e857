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
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int number() const { return number_; }
  /// Some file systems report a full disk only here.
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
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

/// A new file in the directory of `target`, which takes target's place when it is done. Until then it has no name where
/// the file system allows that (O_TMPFILE): a program that is killed leaves nothing. Elsewhere it has one that nobody
/// else uses, and is removed unless it took its place.
class FileBeside {
 public:
  explicit FileBeside(const std::string& target) : target_(target), file_(open_unnamed()) {
    if (file_.number() < 0)
      file_ = Descriptor(
          with_free_name([](const char* name) { return ::open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
  }
  ~FileBeside() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }
  FileBeside(const FileBeside&) = delete;
  FileBeside& operator=(const FileBeside&) = delete;

  /// Negative when it could not be made.
  int number() const { return file_.number(); }
  bool take_place() {
    if (name_.empty()) {
      const std::string unnamed = fmt::format("/proc/self/fd/{}", file_.number());
      if (with_free_name([&](const char* name) {
            return ::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
          }) != 0)
        return false;
    }
    if (!file_.close() || std::rename(name_.c_str(), target_.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  int open_unnamed() const {
#ifdef O_TMPFILE
    const std::string directory = std::filesystem::path(target_).parent_path().string();
    if (::access("/proc/self/fd", X_OK) == 0)
      return ::open(directory.empty() ? "." : directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
#endif
    return -1;
  }
  /// Tries `make` with names that should be free, until one is.
  template <class Make>
  int with_free_name(Make&& make) {
    static std::atomic<unsigned> counter{0};
    const std::filesystem::path target = target_;
    for (int attempt = 0; attempt < 1000; ++attempt) {
      const auto file = fmt::format(".{}.{}-{}", target.filename().string(), ::getpid(), counter.fetch_add(1));
      const std::string name = (target.parent_path() / file).string();
      const int made = make(name.c_str());
      if (made >= 0) name_ = name;
      if (made >= 0 || errno != EEXIST) return made;
    }
    return -1;
  }

  std::string target_, name_;
  Descriptor file_;
};

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
  FileBeside file(target);
  if (file.number() < 0) cannot_write(path, errno);
  if (exists && ::fchmod(file.number(), status.st_mode & 07777) != 0) cannot_write(path, errno);
  if (!write_all(file.number(), pieces) || ::fsync(file.number()) != 0 || !file.take_place()) cannot_write(path, errno);
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
  const FileBeside file(end_of_links(path));
  if (file.number() < 0) cannot_write(path, errno);
}

void write_file(const std::string& path, std::string_view bytes) { write_file(path, std::span(&bytes, 1)); }

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) cannot_write(path, error.value());
}

void check_writable_directory(const std::string& path) {
  // What is to be made has its first name in the nearest that is there.
  std::filesystem::path place = path;
  struct stat status {};
  while (!place.empty() && ::stat(place.c_str(), &status) != 0) {
    if (errno != ENOENT) cannot_write(path, errno);
    place = place.parent_path();
  }
  const FileBeside file((place / "file").string());
  if (file.number() < 0) cannot_write(path, errno);
}

GrowingFile::GrowingFile(std::string path)
    : path_(std::move(path)), file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) cannot_write(path_, errno);
}

GrowingFile::~GrowingFile() { ::close(file_); }

void GrowingFile::append(std::string_view piece) {
  if (!write_all(file_, piece)) {
    const int error = errno;
    // Of a piece that did not fit on the disk a part may be there. Where even this fails there is no more to be done.
    [[maybe_unused]] const int cut = ::ftruncate(file_, size_);
    cannot_write(path_, error);
  }
  size_ += static_cast<int64_t>(piece.size());
}

}  // namespace telaio::nn
