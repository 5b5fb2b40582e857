#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/gzip.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(File, RoundTrip) {
  const TempDir dir;
  for (const std::string& data : {std::string(), std::string("a\0b\n", 4), std::string(1'000'003, 'x')}) {
    write_file(dir / "file", data);
    EXPECT_EQ(read_file(dir / "file"), data);
  }
  const std::array<std::string_view, 3> pieces{"one ", "", "two"};
  write_file(dir / "file", pieces);
  EXPECT_EQ(read_file(dir / "file"), "one two");
  EXPECT_THAT(dir.names(), ElementsAre("file"));
}

TEST(File, ReadErrorsSayWhich) {
  const TempDir dir;
  const std::string missing = dir / "missing";
  EXPECT_EQ(message_of([&] { read_file(missing); }), missing + ": cannot be read: No such file or directory");
  EXPECT_EQ(message_of([&] { read_file(dir.path()); }), dir.path() + ": cannot be read: Is a directory");
}

TEST(File, WhatIsThere) {
  const TempDir dir;
  const std::string file = dir.put("file", "x");
  EXPECT_TRUE(path_exists(file));
  EXPECT_FALSE(directory_exists(file));
  EXPECT_TRUE(path_exists(dir.path()));
  EXPECT_TRUE(directory_exists(dir.path()));
  EXPECT_FALSE(path_exists(dir / "missing"));
  EXPECT_FALSE(directory_exists(dir / "missing"));
  EXPECT_FALSE(path_exists(file + "/inside"));
  std::filesystem::create_symlink("missing", dir / "dangling");
  EXPECT_FALSE(path_exists(dir / "dangling"));
  const std::string loop = dir / "loop";
  std::filesystem::create_symlink("loop", loop);
  EXPECT_EQ(message_of([&] { path_exists(loop); }), loop + ": cannot be read: Too many levels of symbolic links");
  EXPECT_EQ(message_of([&] { directory_exists(loop); }), loop + ": cannot be read: Too many levels of symbolic links");
}

TEST(File, ReadsPipes) {
  const TempDir dir;
  const std::string pipe = dir / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const std::string data(200'000, 'p');
  std::thread writer([&] { write_file(pipe, data); });
  EXPECT_EQ(read_file(pipe), data);
  writer.join();
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST(File, WriteErrorsSayWhich) {
  const TempDir dir;
  const std::string nowhere = dir.path() + "/no/file";
  EXPECT_EQ(message_of([&] { write_file(nowhere, "x"); }), nowhere + ": cannot be written: No such file or directory");
  EXPECT_EQ(message_of([&] { write_file(dir.path(), "x"); }), dir.path() + ": cannot be written: Is a directory");
  EXPECT_EQ(message_of([&] { write_file("/dev/full", "x"); }), "/dev/full: cannot be written: No space left on device");
}

/// While it lives, files of this process cannot grow beyond so many bytes: a disk that is full.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t most) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit small{most, limit_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit limit_{};
  void (*signal_)(int);
};

TEST(File, FullDiskLeavesTheOldFileAndNothingElse) {
  const TempDir dir;
  const std::string file = dir.put("file", "old");
  const std::string data(10'000, 'x');
  std::string message;
  {
    const SmallDisk full(5000);
    message = message_of([&] { write_file(file, data); });
  }
  EXPECT_EQ(message, file + ": cannot be written: File too large");
  EXPECT_EQ(content(file), "old");
  EXPECT_THAT(dir.names(), ElementsAre("file"));
  {
    const SmallDisk full(5000);
    message = message_of([&] { write_file(dir / "new", data); });
  }
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_THAT(dir.names(), ElementsAre("file"));
}

TEST(GrowingFile, IsReadWhileItGrows) {
  const TempDir dir;
  const std::string path = dir / "file";
  GrowingFile file(path);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(content(path), "");
  file.append("one ");
  EXPECT_EQ(content(path), "one ");
  file.append(std::string("t\0o", 3));
  EXPECT_EQ(content(path), std::string("one t\0o", 7));
  EXPECT_EQ(message_of([&] { GrowingFile again(path); }), path + ": cannot be written: File exists");
  const std::string nowhere = dir.path() + "/no/file";
  EXPECT_EQ(message_of([&] { GrowingFile none(nowhere); }), nowhere + ": cannot be written: No such file or directory");
}

TEST(GrowingFile, AFullDiskLeavesWholePieces) {
  const TempDir dir;
  GrowingFile file(dir / "file");
  const std::string piece(3000, 'x');
  file.append(piece);
  std::string message;
  {
    const SmallDisk full(5000);
    message = message_of([&] { file.append(piece); });
  }
  EXPECT_EQ(message, dir / "file" + ": cannot be written: File too large");
  EXPECT_EQ(content(dir / "file"), piece);
  file.append("more");
  EXPECT_EQ(content(dir / "file"), piece + "more");
}

TEST(Directories, AreMadeWithThoseTheyAreIn) {
  const TempDir dir;
  const std::string file = dir.put("file", "x");
  for (const std::string& place : {dir.path(), dir.path() + "/a/b", dir.path() + "/c/"}) {
    check_writable_directory(place);
    EXPECT_EQ(std::filesystem::exists(place), place == dir.path()) << "nothing is made";
    make_directories(place);
    EXPECT_TRUE(directory_exists(place));
    make_directories(place);
  }
  check_writable_directory("a name that nothing has");
  for (const std::string& place : {file, file + "/a"})
    for (const auto& function : {make_directories, check_writable_directory})
      EXPECT_EQ(message_of([&] { function(place); }), place + ": cannot be written: Not a directory");
  EXPECT_THAT(message_of([] { check_writable_directory("/proc/a/b"); }), StartsWith("/proc/a/b: cannot be written: "));
  EXPECT_EQ(dir.names().size(), 3u);
}

TEST(File, KeepsLinksAndPermissions) {
  const TempDir dir;
  const std::string file = dir.put("deep/file", "old");
  std::filesystem::permissions(file, std::filesystem::perms(0640));
  std::filesystem::create_symlink("deep/file", dir / "link");
  std::filesystem::create_symlink("link", dir / "second");
  write_file(dir / "second", "new");
  EXPECT_EQ(content(file), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "second"));
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0640));
}

TEST(File, NewFilesHaveTheUsualPermissions) {
  const TempDir dir;
  const mode_t mask = umask(022);
  write_file(dir / "file", "x");
  umask(mask);
  EXPECT_EQ(std::filesystem::status(dir / "file").permissions(), std::filesystem::perms(0644));
}

TEST(File, BareNamesAreInTheCurrentDirectory) {
  const TempDir dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  write_file("bare", "x");
  const std::string read = read_file("bare");
  std::filesystem::current_path(before);
  EXPECT_EQ(read, "x");
  EXPECT_THAT(dir.names(), ElementsAre("bare"));
}

TEST(File, ReadersSeeOneOrTheOther) {
  const TempDir dir;
  const std::string file = dir.put("file", std::string(300'000, 'a'));
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) write_file(file, std::string(300'000, i % 2 == 0 ? 'b' : 'a'));
  });
  for (int i = 0; i < 50; ++i) {
    const std::string data = read_file(file);
    EXPECT_EQ(data, std::string(300'000, data.at(0)));
  }
  writer.join();
}

TEST(Gzip, RoundTrip) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{5000}, size_t{3'000'000}}) {
    std::string data(size, '\0');
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * i % 251 < 60 ? i * 7 : 0);
    const std::string packed = gzip(data);
    EXPECT_TRUE(is_gzip(packed));
    EXPECT_EQ(gunzip(packed, "x.gz"), data);
  }
  EXPECT_FALSE(is_gzip(""));
  EXPECT_FALSE(is_gzip("\x1f"));
}

TEST(Gzip, SeveralMembersFollowOneAnother) { EXPECT_EQ(gunzip(gzip("one ") + gzip("two"), "x.gz"), "one two"); }

TEST(Gzip, AnyDamageIsAnError) {
  // Noise, which does not pack, so that the whole length matters.
  std::string data;
  uint32_t state = 1;
  for (int i = 0; i < 20'000; ++i) data += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  const std::string packed = gzip(data);
  ASSERT_GT(packed.size(), 20'000u);
  const auto error = [](const std::string& bytes) { return message_of([&] { gunzip(bytes, "x.gz"); }); };
  for (size_t size = 2; size < packed.size(); size += size < 40 || size + 40 > packed.size() ? 1 : 997)
    EXPECT_THAT(error(packed.substr(0, size)), StartsWith("x.gz: bad gzip data after "))
        << size << " of " << packed.size() << " bytes";
  EXPECT_THAT(error(packed.substr(0, packed.size() / 2)), HasSubstr("cut off"));
  std::string changed = packed;
  changed[packed.size() - 6] = static_cast<char>(changed[packed.size() - 6] ^ 1);
  EXPECT_THAT(error(changed), HasSubstr("unpacked bytes: the checksum is wrong"));
  changed = packed;
  for (size_t i = 5000; i < 5020; ++i) changed[i] = static_cast<char>(~changed[i]);
  EXPECT_THAT(error(changed), StartsWith("x.gz: bad gzip data after "));
  EXPECT_THAT(error(packed + "something else"), StartsWith("x.gz: bad gzip data after "));
}

TEST(Gzip, FilesByTheirContent) {
  const TempDir dir;
  EXPECT_EQ(read_file_unpacked(dir.put("packed", gzip("content"))), "content");
  EXPECT_EQ(read_file_unpacked(dir.put("plain.gz", "content")), "content");
  const std::string bad = dir.put("bad.gz", gzip("content").substr(0, 12));
  EXPECT_THAT(message_of([&] { read_file_unpacked(bad); }),
              StartsWith(bad + ": bad gzip data after 1 unpacked bytes: the data are cut off"));
}

}  // namespace
}  // namespace telaio::nn
