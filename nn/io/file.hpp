// Files: whether they are there, read at once, and written so that one is either all there or as it was before; and
// those that grow.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace telaio::nn {

/// Whether there is something at the path, links followed; and whether that is a directory. Error "PATH: cannot be
/// read: …" where that cannot be told, such as in a directory that may not be entered.
bool path_exists(const std::string& path);
bool directory_exists(const std::string& path);

/// The bytes of a file. Error "PATH: cannot be read: …" when there is none, or it is a directory.
std::string read_file(const std::string& path);

/// Writes beside the file (a name of its own in the same directory), brings the bytes to the disk and renames: whoever
/// reads sees the old file or the new one, and when anything fails, such as a full disk, the old one stays and nothing
/// else is left. A symbolic link stays one, and an existing file keeps its permissions. What is no regular file, such
/// as a pipe or a device, is written to directly. Error "PATH: cannot be written: …".
void write_file(const std::string& path, std::string_view bytes);
/// The same for bytes in several pieces.
void write_file(const std::string& path, std::span<const std::string_view> pieces);
/// The Error of write_file, as far as it can be told before there is anything to write: for long work that ends in a
/// file.
void check_writable(const std::string& path);

/// Makes a directory, with those it is in, where there is none. Error "PATH: cannot be written: …".
void make_directories(const std::string& path);
/// The Error of that, or of making files in the directory, as far as it can be told before.
void check_writable_directory(const std::string& path);

/// A new file that grows by pieces, for whoever reads it meanwhile. A piece that cannot be written leaves what was
/// there before it, and a program that is killed leaves whole pieces. Errors "PATH: cannot be written: …"; a file that
/// is there already is one.
class GrowingFile {
 public:
  explicit GrowingFile(std::string path);
  ~GrowingFile();
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;
  void append(std::string_view piece);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int file_;
  int64_t size_ = 0;
};

}  // namespace telaio::nn
