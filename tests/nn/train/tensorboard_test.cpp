#include <telaio/nn/train/tensorboard.hpp>

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <regex>

#include <fmt/format.h>

#include "event_files.hpp"
#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> tags_of(const Curves& curves) {
  std::vector<std::string> tags;
  for (const auto& [tag, values] : curves) tags.push_back(tag);
  return tags;
}

std::map<int64_t, float> by_epoch(const History& history, std::optional<double> (*value)(const EpochRecord&)) {
  std::map<int64_t, float> values;
  for (const EpochRecord& e : history.epochs) values[e.epoch] = static_cast<float>(value(e).value());
  return values;
}

void expect_curves(const std::string& directory, const History& history, bool classes, bool validation) {
  Curves train{
      {"epoch_loss", by_epoch(history, [](const EpochRecord& e) { return std::optional(e.loss); })},
      {"epoch_learning_rate", by_epoch(history, [](const EpochRecord& e) { return std::optional(e.learning_rate); })},
      {"epoch_images_per_second",
       by_epoch(history, [](const EpochRecord& e) { return std::optional(e.images_per_second); })}};
  if (classes) train["epoch_accuracy"] = by_epoch(history, [](const EpochRecord& e) { return e.accuracy; });
  EXPECT_EQ(curves_in(directory + "/train"), train);
  Curves held_back;
  if (validation) held_back["epoch_loss"] = by_epoch(history, [](const EpochRecord& e) { return e.val_loss; });
  if (validation && classes)
    held_back["epoch_accuracy"] = by_epoch(history, [](const EpochRecord& e) { return e.val_accuracy; });
  EXPECT_EQ(curves_in(directory + "/validation"), held_back);
  EXPECT_EQ(std::filesystem::exists(directory + "/validation"), validation);
}

/// The reader of these tests itself, by published values and by a record that TensorFlow wrote (the tests of
/// TensorBoard's reader have it).
TEST(EventFiles, TheReaderKnowsTheFormat) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  const std::string start = bytes(0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22);
  const std::string event = bytes(9, 0, 0, 0, 0x27, 0xe6, 0xb3, 0xd5, 0x41, 0x1a, 13) + "brain.Event:2";
  const auto records = records_of(start + event + bytes(0x6a, 0x4d, 0x0b, 0x15));
  ASSERT_THAT(records, ElementsAre(event));
  EXPECT_EQ(event_of(records[0]).file_version, "brain.Event:2");
  EXPECT_EQ(event_of(records[0]).wall_time, 1456445596.0);
}

TEST(EventFile, BeginsAsTensorFlowsDo) {
  const TempDir dir;
  const auto seconds = [] {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  };
  const double before = seconds();
  const EventFile file(dir.path() + "/a/b");
  const double after = seconds();
  EXPECT_THAT(files_in(dir.path() + "/a/b"), ElementsAre(file.path()));
  const std::string begin = bytes(0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 9);
  EXPECT_EQ(content(file.path()).substr(0, 13), begin);
  const std::vector<RecordedEvent> events = events_in(file.path());
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[0].step, 0);
  EXPECT_GE(events[0].wall_time, before - 1e-5);
  EXPECT_LE(events[0].wall_time, after + 1e-5);

  std::string host(256, '\0');
  ASSERT_EQ(gethostname(host.data(), host.size()), 0);
  host.resize(host.find('\0'));
  const std::string name = std::filesystem::path(file.path()).filename().string();
  std::smatch parts;
  ASSERT_TRUE(std::regex_match(name, parts, std::regex(R"(events\.out\.tfevents\.(\d{10})\.(.+)\.(\d{6})\.(\d+))")))
      << name;
  EXPECT_NEAR(std::stod(parts[1]), before, 1.5);
  EXPECT_EQ(parts[2], host);
  EXPECT_EQ(std::stol(parts[4]), getpid());
}

TEST(EventFile, NumbersAreThereAtOnceAndInOrder) {
  const TempDir dir;
  EventFile file(dir.path());
  const std::string long_name(200, 'x');
  const Scalar several[] = {{"a", 0.1}, {long_name, -1e30}};
  const int64_t steps[] = {1, 127, 128, int64_t{1} << 40, -1};
  for (size_t i = 0; i < std::size(steps); ++i) {
    file.write(steps[i], several);
    ASSERT_THAT(events_in(file.path()), SizeIs(i + 2));
    const RecordedEvent event = events_in(file.path()).back();
    EXPECT_EQ(event.step, steps[i]);
    EXPECT_EQ(event.scalars, (std::map<std::string, float>{{"a", 0.1f}, {long_name, -1e30f}}));
  }
  const std::vector<RecordedEvent> events = events_in(file.path());
  for (size_t i = 1; i < events.size(); ++i) EXPECT_GE(events[i].wall_time, events[i - 1].wall_time);
  file.start(7);
  EXPECT_TRUE(events_in(file.path()).back().start);
  EXPECT_EQ(events_in(file.path()).back().step, 7);
}

TEST(EventFile, ALaterFileIsReadLater) {
  const TempDir dir;
  std::vector<std::string> paths;
  for (int i = 0; i < 20; ++i) paths.push_back(EventFile(dir.path()).path());
  EXPECT_EQ(files_in(dir.path()), paths);
}

TEST(EventFile, ProtocReadsIt) {
#ifndef TELAIO_PROTOC
  GTEST_SKIP() << "protoc is not installed";
#else
  const TempDir dir;
  // What tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto say, of the fields in question.
  dir.put("event.proto", R"(syntax = "proto3";
    message Summary {
      message Value {
        string tag = 1;
        oneof value { float simple_value = 2; }
      }
      repeated Value value = 1;
    }
    message SessionLog {
      enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; STOP = 2; CHECKPOINT = 3; }
      SessionStatus status = 1;
    }
    message Event {
      double wall_time = 1;
      int64 step = 2;
      oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
    })");
  EventFile file(dir / "run");
  file.start(4);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  file.write(4, std::vector<Scalar>{{"epoch_loss", 0.5}, {"epoch_accuracy", 1}});
  file.write(int64_t{1} << 40, std::vector<Scalar>{{"nan", NAN}, {"large", infinity}, {"zero", 0}});
  file.write(-2, {});
  const std::vector<std::string> records = records_of(content(file.path()));
  std::string all;
  for (const std::string& record : records) {
    dir.put("record", record);
    const std::string command = fmt::format("{} --proto_path={} --decode=Event event.proto < {} > {} 2>&1",
                                            TELAIO_PROTOC, dir.path(), dir / "record", dir / "text");
    ASSERT_EQ(std::system(command.c_str()), 0) << content(dir / "text");
    all += content(dir / "text");
  }
  // The times are checked elsewhere; here there is one in each.
  const std::regex time("wall_time: [0-9.e+]+\n");
  EXPECT_EQ(std::distance(std::sregex_iterator(all.begin(), all.end(), time), std::sregex_iterator()), 5) << all;
  EXPECT_EQ(std::regex_replace(all, time, ""),
            "file_version: \"brain.Event:2\"\n"
            "step: 4\nsession_log {\n  status: START\n}\n"
            "step: 4\nsummary {\n  value {\n    tag: \"epoch_loss\"\n    simple_value: 0.5\n  }\n"
            "  value {\n    tag: \"epoch_accuracy\"\n    simple_value: 1\n  }\n}\n"
            "step: 1099511627776\nsummary {\n  value {\n    tag: \"nan\"\n    simple_value: nan\n  }\n"
            "  value {\n    tag: \"large\"\n    simple_value: inf\n  }\n"
            "  value {\n    tag: \"zero\"\n    simple_value: 0\n  }\n}\n"
            "step: -2\nsummary {\n}\n");
#endif
}

/// A training of three classes with what is asked of it; the state after each epoch, where it is asked for.
FitResult train(FitOptions options, std::vector<TrainingState>* states = nullptr) {
  const Model model(dense_net({8, 3}, "softmax"), {2}, {.seed = 5});
  Trainer trainer(model, {.optimizer = {.rule = Adam{}, .learning_rate = 0.05}});
  options.batch_size = 16;
  options.schedule = {.kind = Schedule::Kind::cosine};
  if (states) options.callbacks.push_back(at_epoch_end([=](Training& t) { states->push_back(t.state()); }));
  return fit(trainer, clouds(80, 3), options);
}

TEST(TensorBoard, WritesTheHistoryEpochByEpoch) {
  const TempDir dir;
  const auto board = std::make_shared<TensorBoard>(dir / "runs");
  EXPECT_FALSE(std::filesystem::exists(dir / "runs")) << "before there is anything to write";
  size_t epochs = 0;
  const FitResult result = train(
      {.epochs = 4, .validation_split = 0.25, .callbacks = {board, at_epoch_end([&](Training& t) {
                                                              ++epochs;
                                                              expect_curves(dir / "runs", t.history(), true, true);
                                                            })}});
  EXPECT_EQ(epochs, 4u);
  expect_curves(dir / "runs", result.history, true, true);
  EXPECT_THAT(tags_of(curves_in(dir / "runs/train")),
              ElementsAre("epoch_accuracy", "epoch_images_per_second", "epoch_learning_rate", "epoch_loss"));
  EXPECT_THAT(tags_of(curves_in(dir / "runs/validation")), ElementsAre("epoch_accuracy", "epoch_loss"));
  EXPECT_THAT(files_in(dir / "runs/train"), SizeIs(1));
  EXPECT_THAT(files_in(dir / "runs/validation"), SizeIs(1));
}

TEST(TensorBoard, WhatThereIsNoneOfIsLeftOut) {
  const TempDir dir;
  const FitResult result = train({.epochs = 2, .callbacks = {std::make_shared<TensorBoard>(dir / "alone")}});
  expect_curves(dir / "alone", result.history, true, false);
  Scripted regression({3, 1, NAN});
  const FitResult scripted = regression.run({std::make_shared<TensorBoard>(dir / "regression")});
  EXPECT_THAT(tags_of(curves_in(dir / "regression/train")),
              ElementsAre("epoch_images_per_second", "epoch_learning_rate", "epoch_loss"));
  const Curves validation = curves_in(dir / "regression/validation");
  EXPECT_THAT(tags_of(validation), ElementsAre("epoch_loss"));
  EXPECT_EQ(validation.at("epoch_loss").at(1), 3);
  EXPECT_EQ(validation.at("epoch_loss").at(2), 1);
  EXPECT_TRUE(std::isnan(validation.at("epoch_loss").at(3)));
}

TEST(TensorBoard, AResumedTrainingGoesOnInANewFile) {
  // The state is saved before the event file hears of the epoch, or after it: then the epoch is written once more.
  for (const bool before : {false, true}) {
    SCOPED_TRACE(before);
    const TempDir dir;
    std::vector<TrainingState> states;
    FitOptions options{.epochs = 5, .validation_split = 0.25};
    const auto board = std::make_shared<TensorBoard>(dir / "runs");
    if (before) options.callbacks.push_back(at_epoch_end([&](Training& t) { states.push_back(t.state()); }));
    options.callbacks.push_back(board);
    options.callbacks.push_back(at_epoch_end([&](Training& t) {
      if (!before) states.push_back(t.state());
      if (t.epoch() == 3) t.stop("enough");
    }));
    train(options);
    options.callbacks.back() = at_epoch_end([](Training&) {});
    options.resume = states.at(before ? 2 : 1);  // of what was written after that, nothing is known
    const FitResult result = train(options);
    EXPECT_THAT(result.history.epochs, SizeIs(5));
    for (const char* run : {"runs/train", "runs/validation"}) {
      const std::vector<std::string> files = files_in(dir / run);
      ASSERT_THAT(files, SizeIs(2));
      std::vector<int64_t> steps, starts;
      for (const RecordedEvent& event : events_in(files[1])) {
        if (event.start) starts.push_back(event.step);
        else if (event.file_version.empty()) steps.push_back(event.step);
      }
      EXPECT_THAT(starts, ElementsAre(3));
      EXPECT_THAT(steps, ElementsAre(3, 4, 5));
      EXPECT_THAT(events_in(files[0]), SizeIs(5)) << "is as it was";
    }
    Curves train_curves = curves_in(dir / "runs/train");
    EXPECT_EQ(train_curves.at("epoch_loss"),
              by_epoch(result.history, [](const EpochRecord& e) { return std::optional(e.loss); }));
    EXPECT_EQ(curves_in(dir / "runs/validation").at("epoch_accuracy"),
              by_epoch(result.history, [](const EpochRecord& e) { return e.val_accuracy; }));
  }
}

TEST(TensorBoard, ATrainingThatBeginsAnewTakesThePlaceOfTheFormer) {
  const TempDir dir;
  const auto board = std::make_shared<TensorBoard>(dir / "runs");
  train({.epochs = 4, .callbacks = {board}});
  const FitResult result = train({.epochs = 2, .callbacks = {board}});
  expect_curves(dir / "runs", result.history, true, false);
}

TEST(TensorBoard, PlacesThatCannotBeWritten) {
  const TempDir dir;
  const std::string file = dir.put("file", "x");
  dir.put("half/validation", "x");
  EXPECT_EQ(message_of([&] { TensorBoard{file}; }), file + ": cannot be written: Not a directory");
  EXPECT_EQ(message_of([&] { TensorBoard{file + "/a/b"}; }), file + "/a/b: cannot be written: Not a directory");
  EXPECT_EQ(message_of([&] { TensorBoard{dir / "half"}; }),
            dir / "half/validation" + ": cannot be written: Not a directory");
  EXPECT_EQ(message_of([&] { TensorBoard{dir / "new/new"}; }), "no error");
  EXPECT_EQ(message_of([&] { TensorBoard{"new"}; }), "no error");
  EXPECT_EQ(message_of([&] { TensorBoard{""}; }), "TensorBoard: the path of the directory is empty");
  // What shows only when the training begins: it does not.
  const auto board = std::make_shared<TensorBoard>(dir / "late");
  dir.put("late/train", "x");
  EXPECT_EQ(message_of([&] { train({.callbacks = {board}}); }),
            dir / "late/train" + ": cannot be written: Not a directory");
}

}  // namespace
}  // namespace telaio::nn
