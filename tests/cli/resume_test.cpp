// `telaio train --resume`: a training that was killed or stopped at any moment ends with the same bits.
#ifdef TELAIO_PROGRAM

#include <random>

#include <telaio/nn/io/model_file.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class ResumeCommand : public Program {
 protected:
  static bool wait_until(const std::function<bool()>& condition) {
    const auto end = steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }
  bool printed(std::string_view text) const { return nn::content(out_file()).find(text) != std::string::npos; }

  /// Everything that makes the state of a training large: states of layers, random numbers, losses of single samples.
  std::string options(std::string_view name) const {
    return fmt::format(
        "train --data digits:800,50 --model net.json --epochs 4 --validation-split 0.1 --optimizer adamw --lr 0.005 "
        "--augment shift=2,noise=0.1 --augment-where hard --class-weight balanced --standardize pixels "
        "--early-stopping 9 --schedule cosine,warmup=1 --out {}",
        name);
  }
  void SetUp() override {
    folder_.put("net.json", R"({"layers": [{"conv2d": {"filters": 8, "activation": "relu"}}, "batch_norm",
      {"max_pool2d": 4}, "flatten", {"dropout": 0.2}, {"dense": 10}]})");
  }
};

TEST_F(ResumeCommand, AfterKillsAtAnyMomentTheSameBits) {
  good(options("whole") + " --threads 2");
  std::mt19937 random(7);
  for (int round = 0; round < 3; ++round) {
    const std::string name = fmt::format("killed{}", round);
    int kills = 0;
    // The first time once there is a file, then after any time; on other numbers of threads.
    while (true) {
      const pid_t child = start(fmt::format("{} --resume --threads {}", options(name), 1 + (kills + round) % 2));
      if (kills == 0 && round == 0) ASSERT_TRUE(wait_until([&] { return exists(name); }));
      else std::this_thread::sleep_for(milliseconds(std::uniform_int_distribution<int>(20, 400)(random)));
      if (kills < 6) kill(child, SIGKILL);
      const int code = finish(child);
      if (code == 0) break;
      ASSERT_EQ(code, -SIGKILL) << err_;
      ++kills;
    }
    EXPECT_TRUE(tensors(name) == tensors("whole")) << "after " << kills << " kills";
    EXPECT_TRUE(read(name) == read("whole")) << "every byte";
  }
}

TEST_F(ResumeCommand, AfterCtrlCTheSameBits) {
  good(options("whole"));
  // In the first epoch, when there is no best one yet, and later.
  for (const char* moment : {"training  4 epochs", "epoch 1/4", "epoch 3/4"}) {
    SCOPED_TRACE(moment);
    std::filesystem::remove(path("stopped"));
    for (const char* resume : {"", " --resume"}) {
      const pid_t child = start(options("stopped") + " --threads 1" + resume);
      ASSERT_TRUE(wait_until([&] { return printed(*resume ? "resumed" : moment); }));
      kill(child, *resume ? SIGTERM : SIGINT);
      const int code = finish(child);
      if (code == 0) break;  // the last epoch had ended by then
      ASSERT_EQ(code, 130) << err_;
      EXPECT_THAT(out_, EndsWith("stopped; stopped holds the best model so far, and --resume goes on from here\n"));
      EXPECT_THAT(err_, IsEmpty());
      const nn::ModelFile file = nn::load_model(path("stopped"));
      EXPECT_TRUE(file.training);
      good("evaluate --model stopped --data digits:10,50");
    }
    EXPECT_THAT(good(options("stopped") + " --resume"), HasSubstr("stopped"));
    EXPECT_TRUE(read("stopped") == read("whole"));
  }
}

TEST_F(ResumeCommand, HistoryIsThatOfTheWholeTraining) {
  int code = 0;
  for (int tries = 0; code == 0 && tries < 20; ++tries) {  // until the signal comes before the end
    std::filesystem::remove(path("model.telaio"));
    const pid_t child = start(options("model.telaio") + " --history curves.json");
    ASSERT_TRUE(wait_until([&] { return printed("epoch 1/4"); }));
    kill(child, SIGINT);
    code = finish(child);
  }
  ASSERT_EQ(code, 130);
  EXPECT_GE(boost::json::parse(read("curves.json")).at("epochs").as_array().size(), 1u);
  const boost::json::value history = good_json(options("model.telaio") + " --history curves.json --resume --json");
  EXPECT_EQ(history.at("epochs").as_array().size(), 4u);
  EXPECT_EQ(boost::json::parse(read("curves.json")), history);

  // Once more: it has finished, and says so; JSON is the same but for the times.
  const std::string before = read("model.telaio");
  EXPECT_EQ(good(options("model.telaio") + " --resume"),
            "The training in model.telaio has finished; there is nothing to go on with.\n");
  EXPECT_THAT(good(options("model.telaio") + " --resume --quiet"), IsEmpty());
  const boost::json::value again = good_json(options("model.telaio") + " --resume --json");
  EXPECT_EQ(again.at("test"), history.at("test"));
  EXPECT_EQ(again.at("epochs").at(3).at("val_loss"), history.at("epochs").at(3).at("val_loss"));
  EXPECT_TRUE(read("model.telaio") == before);
}

TEST_F(ResumeCommand, WithoutAFileItBegins) {
  EXPECT_THAT(good("train --data digits:100,10 --model linear --epochs 1 --resume"), Not(HasSubstr("resumed")));
  EXPECT_TRUE(exists("model.telaio"));
}

TEST_F(ResumeCommand, NamesWhatIsNotTheSame) {
  const std::string base = "train --data digits:1200,10 --model cnn --epochs 99 --validation-split 0.1";
  const pid_t child = start(base);
  ASSERT_TRUE(wait_until([&] { return printed("epoch 1/99"); }));
  kill(child, SIGINT);
  ASSERT_EQ(finish(child), 130);

  const auto with = [&](const std::string& from, const std::string& to) {
    std::string options = base;
    options.replace(options.find(from), from.size(), to);
    return options + " --resume";
  };
  const std::pair<std::string, std::string> cases[] = {
      {base + " --resume --seed 2", "resume: seed is 2, the saved training had 1"},
      {base + " --resume --batch-size 64", "resume: batch size is 64, the saved training had 128"},
      {base + " --resume --optimizer sgd", "resume: optimizer is sgd,"},
      {base + " --resume --lr 0.1", "resume: optimizer is adam,beta1=0.9,beta2=0.999,epsilon=1e-07,learning_rate=0.1,"},
      {base + " --resume --schedule constant", "resume: schedule is constant, the saved training had cosine"},
      {base + " --resume --class-weight balanced", "resume: class weights is balanced, the saved training had none"},
      {base + " --resume --augment flip", "resume: augmentation is flip, the saved training had none"},
      {base + " --resume --standardize pixels", "resume: standardization is pixels, the saved training had none"},
      {with("--epochs 99", "--epochs 98"), "resume: epochs is 98, the saved training had 99"},
      {with("--validation-split 0.1", "--validation-split 0.2"),
       "resume: training samples is 960, the saved training had 1080"},
      {base + " --resume --early-stopping 2",
       "--resume: the file was trained with early stopping none, not after 2 epochs"},
      {base + " --resume --limit 1000",
       "--resume: the file was trained with data digits:1200,10 (1200 images, thin none), not digits:1200,10 (1000 "
       "images, thin none)"},
      {base + " --resume --dropout 0.2",
       "--resume: the file holds another network than --model cnn with these options"},
      {base + " --resume --output sigmoid",
       "--resume: the file holds another network than --model cnn with these options"},
      {with("--model cnn", "--model lenet"),
       "--resume: the file holds another network than --model lenet with these options"},
      {with("digits:1200,10", "digits:1201,10"),
       "--resume: the file was trained with data digits:1200,10 (1200 images, thin none), not digits:1201,10 (1201 "
       "images, thin none)"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_THAT(refused(options), StartsWith("telaio train: model.telaio: " + expected));

  // A file that is none.
  const std::string whole = read("model.telaio");
  folder_.put("model.telaio", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(refused(base + " --resume"), StartsWith("telaio train: model.telaio: cut off: expected "));
  folder_.put("model.telaio", "no model");
  EXPECT_THAT(refused(base + " --resume"), StartsWith("telaio train: model.telaio: not a safetensors file"));
}

}  // namespace
}  // namespace telaio::cli

#endif
