// `telaio train --tensorboard`: event files that hold the history, whatever happens to the training.
#ifdef TELAIO_PROGRAM

#include "../nn/train/event_files.hpp"
#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::SizeIs;

class TensorBoardCommand : public Program {
 protected:
  static constexpr const char* base = "train --data digits:400,50 --model linear ";

  std::string message(const std::string& options) {
    const std::string line = refused(base + options);
    EXPECT_THAT(line, StartsWith("telaio train: "));
    return line.substr(line.find(": ") + 2);
  }
  nn::Curves run_of(const std::string& name) const { return nn::curves_in(folder_.path() + "/" + name); }
};

/// Of each epoch what the history has under a name, as f32.
std::map<int64_t, float> column(const json::value& history, const char* name) {
  std::map<int64_t, float> values;
  for (const json::value& epoch : history.at("epochs").as_array())
    values[epoch.at("epoch").as_int64()] = static_cast<float>(epoch.at(name).as_double());
  return values;
}

TEST_F(TensorBoardCommand, HoldsTheHistory) {
  const json::value history =
      good_json(std::string(base) + "--epochs 3 --validation-split 0.25 --tensorboard runs/a --json");
  const nn::Curves train{{"epoch_loss", column(history, "loss")},
                         {"epoch_accuracy", column(history, "accuracy")},
                         {"epoch_learning_rate", column(history, "learning_rate")},
                         {"epoch_images_per_second", column(history, "images_per_second")}};
  const nn::Curves validation{{"epoch_loss", column(history, "val_loss")},
                              {"epoch_accuracy", column(history, "val_accuracy")}};
  EXPECT_THAT(train.at("epoch_loss"), SizeIs(3));
  EXPECT_EQ(run_of("runs/a/train"), train);
  EXPECT_EQ(run_of("runs/a/validation"), validation);
  EXPECT_EQ(names(), (std::vector<std::string>{"model.telaio", "runs"}));
  for (const char* run : {"runs/a/train", "runs/a/validation"}) {
    const auto files = nn::files_in(path(run));
    ASSERT_THAT(files, SizeIs(1));
    EXPECT_THAT(files[0], testing::ContainsRegex("/events\\.out\\.tfevents\\.[0-9]{10}\\..+"));
    EXPECT_EQ(nn::events_in(files[0])[0].file_version, "brain.Event:2");
  }
}

TEST_F(TensorBoardCommand, SaysHowToLookAtIt) {
  EXPECT_THAT(good(std::string(base) + "--epochs 1 --tensorboard runs"),
              HasSubstr("\ncurves    tensorboard --logdir runs\nepoch 1/1"));
  EXPECT_FALSE(exists("runs/validation")) << "there is none";
  EXPECT_THAT(run_of("runs/train"), SizeIs(4));
  EXPECT_THAT(good(std::string(base) + "--epochs 1 --tensorboard runs --quiet"), IsEmpty());
  EXPECT_THAT(good("train --help"), HasSubstr("--tensorboard DIR"));
}

TEST_F(TensorBoardCommand, ChangesNothingElse) {
  good(std::string(base) + "--epochs 2 --quiet --out a");
  good(std::string(base) + "--epochs 2 --quiet --out b --tensorboard runs");
  EXPECT_TRUE(read("a") == read("b")) << "every byte";
}

TEST_F(TensorBoardCommand, KilledAndResumedItHoldsTheWholeTraining) {
  const std::string options = "train --data digits:1000,50 --model dense --epochs 12 --validation-split 0.1 ";
  const json::value whole = good_json(options + "--out whole --json");
  const std::string run = folder_.path() + "/runs/train";
  int kills = 0;
  while (true) {
    // Every other time by Ctrl-C, which leaves a state inside an epoch; when an epoch has ended in a file of its own.
    const int signal = kills % 2 ? SIGINT : SIGKILL;
    const size_t known = nn::files_in(run).size();
    const pid_t child = start(options + "--tensorboard runs --resume");
    const auto running = [&] {
      siginfo_t info{};
      return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
    };
    const auto grown = [&] {
      const auto all = nn::files_in(run);
      return all.size() > known && std::filesystem::file_size(all.back()) > 100;
    };
    while (kills < 5 && running() && !grown()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (kills < 5) kill(child, signal);
    const int code = finish(child);
    if (code == 0) break;
    ASSERT_EQ(code, signal == SIGINT ? 130 : -SIGKILL) << err_;
    ++kills;
  }
  EXPECT_GE(kills, 1);
  EXPECT_EQ(nn::files_in(run).size(), static_cast<size_t>(kills) + 1);
  for (const auto& [tag, name] : {std::pair{"epoch_loss", "loss"}, {"epoch_learning_rate", "learning_rate"}})
    EXPECT_EQ(run_of("runs/train").at(tag), column(whole, name)) << kills;
  EXPECT_EQ(run_of("runs/validation").at("epoch_loss"), column(whole, "val_loss"));

  // It has finished: there is nothing to write.
  const auto before = files();
  good(options + "--tensorboard runs --resume");
  EXPECT_TRUE(files() == before);
}

TEST_F(TensorBoardCommand, RefusesPlacesThatCannotBeWritten) {
  folder_.put("file", "x");
  folder_.put("half/train", "x");
  EXPECT_EQ(message("--tensorboard file"), "file: cannot be written: Not a directory");
  EXPECT_EQ(message("--tensorboard file/runs"), "file/runs: cannot be written: Not a directory");
  EXPECT_EQ(message("--tensorboard half"), "half/train: cannot be written: Not a directory");
  EXPECT_THAT(message("--tensorboard /proc/runs"), StartsWith("/proc/runs: cannot be written: "));
  EXPECT_EQ(message("--tensorboard ''"), "TensorBoard: the path of the directory is empty");
  EXPECT_EQ(message("--tensorboard"),
            "the required argument for option '--tensorboard' is missing (see telaio train --help)");
  EXPECT_EQ(message("--tensorboard a/b --out a"), "--out is a directory of --tensorboard a/b: a");
  EXPECT_EQ(message("--tensorboard a --out a/train"), "--out is a directory of --tensorboard a: a/train");
  EXPECT_EQ(message("--tensorboard ./a/b --out a"), "--out is a directory of --tensorboard ./a/b: a");
  EXPECT_EQ(message("--tensorboard a/ --out ./a/train"), "--out is a directory of --tensorboard a/: ./a/train");
  EXPECT_EQ(message("--tensorboard a --history a"), "--history is a directory of --tensorboard a: a");
  // What is refused for another reason makes no directory.
  EXPECT_EQ(message("--tensorboard runs --validation-split 0.9999"),
            "fit: validation_split 0.9999 of 400 samples leaves 0 for training and 400 for validation");
  EXPECT_EQ(names(), (std::vector<std::string>{"file", "half"}));
  // A name that begins alike is another.
  good(std::string(base) + "--epochs 1 --quiet --tensorboard runs/a --out run");
}

}  // namespace
}  // namespace telaio::cli

#endif
