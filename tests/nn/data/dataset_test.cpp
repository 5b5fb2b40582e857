#include <telaio/nn/data/dataset.hpp>

#include <unistd.h>

#include <filesystem>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/io/file.hpp>

#include "../temp_dir.hpp"
#include "samples_testing.hpp"

namespace telaio::nn {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Samples, TakeRows) {
  const Samples samples = counting_images(10, 1, 2, 1, 3);
  const std::vector<int64_t> rows{7, 0, 7};
  const Samples taken = take(samples, rows);
  EXPECT_EQ(to_string(taken.inputs.spec()), "u8[3,1,2,1]");
  EXPECT_THAT(ints(taken.inputs), ElementsAre(7, 10, 0, 3, 7, 10));
  EXPECT_THAT(ints(taken.labels), ElementsAre(1, 0, 1));
  EXPECT_EQ(taken.class_names, samples.class_names);
  EXPECT_THAT(ints(take(samples, 8, 2).inputs), ElementsAre(8, 11, 9, 12));
  EXPECT_EQ(take(samples, 10, 0).size(), 0);
  EXPECT_EQ(take(samples, std::vector<int64_t>{}).size(), 0);

  const std::vector<int64_t> beyond{0, 10}, below{-1};
  EXPECT_EQ(message_of([&] { take(samples, beyond); }), "take: row 10 of a set with 10 samples");
  EXPECT_EQ(message_of([&] { take(samples, below); }), "take: row -1 of a set with 10 samples");
  EXPECT_EQ(message_of([&] { take(samples, 9, 2); }), "take: rows 9 to 11 of a set with 10 samples");
}

TEST(Samples, TakeFloats) {
  const Samples samples{from_data(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}),
                        from_data(std::vector<int64_t>{0, 1, 0}, {3}), numbered_classes(2)};
  const std::vector<int64_t> rows{2, 1};
  EXPECT_THAT(take(samples, rows).inputs.to_vector<float>(), ElementsAre(5, 6, 3, 4));
}

TEST(Samples, ValidationTail) {
  const auto sizes = [](int64_t n, double fraction) {
    const auto [train, validation] = split_tail(counting_images(n, 1, 1, 1, 2), fraction);
    return std::vector<int64_t>{train.size(), validation.size()};
  };
  EXPECT_THAT(sizes(1000, 0.9), ElementsAre(99, 901));  // 1000·(1−0.9) is 99.99… in double
  EXPECT_THAT(sizes(60000, 0.1), ElementsAre(54000, 6000));
  EXPECT_THAT(sizes(2, 0.5), ElementsAre(1, 1));
  const Samples samples = counting_images(10, 1, 1, 1, 10);
  const auto [train, validation] = split_tail(samples, 0.25);
  EXPECT_THAT(ints(train.labels), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(ints(validation.labels), ElementsAre(7, 8, 9));

  for (const double bad : {0.0, 1.0, -0.1, 1.5, std::numeric_limits<double>::quiet_NaN()})
    EXPECT_THAT(message_of([&] { split_tail(samples, bad); }), HasSubstr("expected a fraction between 0 and 1"));
  EXPECT_EQ(message_of([&] { split_tail(samples, 0.95); }),
            "validation_split: 0.95 of 10 samples leaves 0 to train with and 10 to validate with");
  EXPECT_THAT(message_of([&] { split_tail(samples, 1e-18); }), HasSubstr("leaves 10 to train with and 0 to validate"));
}

TEST(Samples, ClassCountsAndWeights) {
  Samples samples = counting_images(8, 1, 1, 1, 3);
  samples.class_names = {"a", "b", "c", "d"};
  EXPECT_THAT(count_per_class(samples), ElementsAre(3, 3, 2, 0));
  const std::vector<int64_t> counts{30, 10, 0, 40};
  EXPECT_THAT(balanced_weights(counts), ElementsAre(DoubleEq(80.0 / 120), 2, 1, 0.5));
  EXPECT_EQ(class_index(samples.class_names, "c"), 2);
  EXPECT_EQ(class_index(samples.class_names, "3"), 3);
  EXPECT_EQ(message_of([&] { class_index(samples.class_names, "e"); }), "unknown class 'e': the classes are a b c d");
  EXPECT_EQ(message_of([&] { class_index(samples.class_names, "4"); }), "unknown class '4': the classes are a b c d");
  samples.class_names = {"1", "0", "x"};
  EXPECT_EQ(class_index(samples.class_names, "0"), 1) << "a name goes before a number";
}

TEST(Samples, Check) {
  const Samples good = counting_images(4, 2, 2, 1, 2);
  check(good, "s");
  const auto error = [&](auto&& change) {
    Samples samples = good;
    change(samples);
    return message_of([&] { check(samples, "s"); });
  };
  EXPECT_EQ(error([](Samples& s) { s.inputs = Tensor(); }), "s: no samples: expected inputs [N, …] and labels [N]");
  EXPECT_EQ(error([](Samples& s) { s.inputs = zeros({4}, i32); }), "s: the inputs are i32[4], expected u8 or f32");
  EXPECT_EQ(error([](Samples& s) { s.labels = zeros({4}, i32); }), "s: the labels are i32[4], expected i64[N]");
  EXPECT_EQ(error([](Samples& s) { s.labels = zeros({5}, i64); }), "s: 4 samples, but 5 labels");
  EXPECT_EQ(error([](Samples& s) {
              s.inputs = zeros({0, 2}, u8), s.labels = zeros({0}, i64);
            }),
            "s: the set is empty, expected at least one sample");
  EXPECT_EQ(error([](Samples& s) { s.inputs = zeros({4, 0}, u8); }), "s: the samples are empty: u8[4,0]");
  EXPECT_EQ(error([](Samples& s) { s.class_names.pop_back(); }), "s: sample 1 has label 1, expected 0 … 0");
  EXPECT_EQ(error([](Samples& s) { s.labels = full({4}, -1, i64); }), "s: sample 0 has label -1, expected 0 … 1");
  EXPECT_EQ(
      error([](Samples& s) {
        s.inputs = from_data(std::vector<float>{0, 1, 2, 3, 4, std::numeric_limits<float>::quiet_NaN(), 6, 7}, {4, 2});
      }),
      "s: sample 2 holds nan");
}

TEST(Dataset, CheckComparesTheParts) {
  Dataset data{counting_images(4, 2, 2, 1, 2), counting_images(4, 2, 2, 1, 2), "s"};
  check(data);
  data.test = counting_images(4, 2, 3, 1, 2);
  EXPECT_EQ(message_of([&] { check(data); }),
            "s: the samples of the training part are u8[4,2,2,1], those of the test part u8[4,2,3,1]");
  data.test = counting_images(4, 2, 2, 1, 3);
  EXPECT_EQ(message_of([&] { check(data); }),
            "s: the classes of the training part are 0 1, those of the test part 0 1 2");
  data.test.class_names = {"0"};
  EXPECT_EQ(message_of([&] { check(data); }), "s, test part: sample 1 has label 1, expected 0 … 0");
  data.test = {};
  check(data);
}

TEST(Dataset, PlacesThatHoldNone) {
  const TempDir dir;
  const std::string missing = dir / "missing";
  EXPECT_EQ(message_of([&] { load_dataset(missing); }),
            missing + ": no such file or directory (nor a built-in data set: digits)");
  EXPECT_THAT(message_of([&] { load_dataset(dir.path()); }),
              HasSubstr(dir.path() + ": holds no data set: expected IDX"));
  const std::string other = dir.put("model.bin", "x");
  EXPECT_THAT(message_of([&] { load_dataset(other); }), HasSubstr(other + ": not a data set: expected a .csv file"));
  EXPECT_THAT(message_of([&] { load_dataset(""); }), HasSubstr("no such file or directory"));
}

/// While it lives, what nobody may read cannot be read: the superuser, whom no permission stops, becomes another user.
class Unprivileged {
 public:
  Unprivileged() {
    if (user_ == 0 && seteuid(65534) != 0) throw std::runtime_error("seteuid");
  }
  ~Unprivileged() {
    if (user_ == 0) static_cast<void>(!seteuid(user_));
  }
  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  uid_t user_ = geteuid();
};

TEST(Dataset, PlacesThatMayNotBeRead) {
  using std::filesystem::perms;
  const TempDir dir;
  std::filesystem::permissions(dir.path(), perms(0755));
  if (const Unprivileged user; message_of([&] { path_exists(dir / "x"); }) != "no error")
    GTEST_SKIP() << "the directory for temporary files is closed to other users";
  const std::string table = dir.put("table.csv", "1,2\n"), inside = dir.put("closed/data.csv", "1,2\n"),
                    closed = dir / "closed", listed = dir / "listed";
  std::filesystem::create_directories(listed + "/class");
  std::filesystem::permissions(table, perms(0));
  std::filesystem::permissions(closed, perms(0));
  std::filesystem::permissions(listed, perms(0444));
  const auto error = [](const std::string& where) {
    const Unprivileged user;
    return message_of([&] { load_dataset(where); });
  };
  EXPECT_EQ(error(table), table + ": cannot be read: Permission denied");
  EXPECT_EQ(error(inside), inside + ": cannot be read: Permission denied");
  EXPECT_EQ(error(closed), closed + ": the directory cannot be read: Permission denied");
  EXPECT_EQ(error(listed), listed + "/class: cannot be read: Permission denied");
  // So that the directory can be removed.
  std::filesystem::permissions(closed, perms(0755));
  std::filesystem::permissions(listed, perms(0755));

  const std::string loop = dir / "loop";
  std::filesystem::create_symlink("loop", loop);
  EXPECT_EQ(error(loop), loop + ": cannot be read: Too many levels of symbolic links");
}

}  // namespace
}  // namespace telaio::nn
