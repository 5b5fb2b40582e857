// `telaio train`: what it keeps, what it says, what it refuses, and that it can be stopped anywhere.
#ifdef TELAIO_PROGRAM

#include <cmath>

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/io/safetensors.hpp>

#include "program.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class TrainProgram : public Program {
 protected:
  /// All tensors of a file, bit for bit.
  std::map<std::string, std::string> bits(const std::string& file) const {
    std::map<std::string, std::string> all;
    for (const auto& [name, tensor] : nn::read_safetensors(at(file).string()).tensors) {
      const Array value = tensor.value();
      all[name].assign(reinterpret_cast<const char*>(value.bytes()), static_cast<size_t>(value.spec().bytes()));
    }
    return all;
  }
};

// Small enough to train in a moment, with everything in it that a resumed training must restore.
constexpr const char* all_options =
    "--data digits:600,100 --model lenet --epochs 3 --batch-size 50 --optimizer sgd,momentum=0.9,nesterov,clip_norm=5 "
    "--lr 0.05 --schedule plateau,patience=1,factor=0.5 --validation-split 0.2 --class-weight 3=2,8=0.5 "
    "--augment shift=1,rotate=5 --augment-where hard --standardize center,pixels --dropout 0.1 --early-stopping 5";

TEST_F(TrainProgram, KeepsAModelAndReportsIt) {
  ASSERT_EQ(run("train --data digits:2000,500 --model dense --epochs 2 --validation-split 0.1 --history h.json"), 0)
      << err_;
  EXPECT_THAT(err_, IsEmpty()) << "the progress bar is for terminals";
  EXPECT_THAT(out_, Not(HasSubstr("\033"))) << "no control codes in a pipe";
  EXPECT_THAT(out_, Not(HasSubstr("\r")));
  for (const char* part :
       {"2,000 training and 500 test images of 28×28×1, 10 classes", "dense: 669,706 parameters, 668,672 multiply-adds",
        "2 epochs in batches of 128, adam, learning rate 0.002 (cosine), seed 1", "\nepoch 1/2  loss ",
        "\nepoch 2/2  loss ", "  val_loss ", "  val_accuracy ", " images/s\n", "\ntest      loss ",
        "precision   recall", "accuracy is", "telaio evaluate --model model.telaio --data digits:2000,500"})
    EXPECT_THAT(out_, HasSubstr(part));
  EXPECT_EQ(files(), (std::set<std::string>{"h.json", "model.telaio"}));

  const auto history = json(content(at("h.json")));
  ASSERT_EQ(history.at("epochs").as_array().size(), 2u);
  for (size_t e = 0; e < 2; ++e) {
    const auto& epoch = history.at("epochs").as_array()[e].as_object();
    EXPECT_EQ(epoch.at("epoch").as_int64(), static_cast<int64_t>(e) + 1);
    for (const char* name :
         {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds", "images_per_second"})
      EXPECT_GT(epoch.at(name).as_double(), 0) << name;
  }
  EXPECT_EQ(history.at("parameters").as_int64(), 669'706);
  EXPECT_EQ(history.at("multiply_adds").as_int64(), 668'672);
  EXPECT_EQ(history.at("seed").as_int64(), 1);
  EXPECT_GE(history.at("threads").as_int64(), 1);
  // What was kept is what was measured at the end.
  const double accuracy = history.at("test").as_object().at("accuracy").as_double();
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:10,500 --json"), 0) << err_;
  EXPECT_EQ(json(out_).at("accuracy").as_double(), accuracy);
  EXPECT_EQ(json(out_).at("loss").as_double(), history.at("test").as_object().at("loss").as_double());
  EXPECT_GT(accuracy, 0.3);
}

TEST_F(TrainProgram, PrintsOnlyJsonOrNothing) {
  ASSERT_EQ(run("train --data digits:200,50 --model linear --epochs 2 --json --history h.csv"), 0) << err_;
  const auto history = json(out_);
  EXPECT_EQ(history.at("epochs").as_array().size(), 2u);
  EXPECT_TRUE(history.contains("test"));
  EXPECT_THAT(content(at("h.csv")), StartsWith("epoch,loss,accuracy,"));
  ASSERT_EQ(run("train --data digits:200,50 --model linear --epochs 1 --quiet"), 0);
  EXPECT_THAT(out_ + err_, IsEmpty());
}

TEST_F(TrainProgram, KeepsTheEpochWithTheLowestLossOfValidationNotOfTheTestData) {
  // A rate that grows too large: the last epochs are worse than the first.
  ASSERT_EQ(
      run("train --data digits:1000,200 --model linear --epochs 6 --optimizer sgd --schedule constant,warmup=6 --lr 30 "
          "--validation-split 0.3 --history h.json --quiet"),
      0)
      << err_;
  const auto history = json(content(at("h.json")));
  int64_t best = 0;
  double least = INFINITY;
  for (const auto& epoch : history.at("epochs").as_array())
    if (const double loss = epoch.at("val_loss").as_double(); loss < least) {
      least = loss;
      best = epoch.at("epoch").as_int64();
    }
  EXPECT_EQ(history.at("best_epoch").as_int64(), best);
  EXPECT_LT(best, 6) << "the test needs a training that gets worse";
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:1000,200 --json"), 0);
  EXPECT_EQ(json(out_).at("accuracy").as_double(), history.at("test").at("accuracy").as_double());
}

TEST_F(TrainProgram, TheSameBitsOnAnyNumberOfThreads) {
  ASSERT_EQ(run(fmt::format("train {} --quiet --threads 1 --out one.telaio", all_options)), 0) << err_;
  ASSERT_EQ(run(fmt::format("train {} --quiet --threads 4 --out four.telaio", all_options)), 0) << err_;
  EXPECT_EQ(content(at("one.telaio")), content(at("four.telaio")));
  ASSERT_EQ(run(fmt::format("train {} --quiet --out other.telaio --seed 8", all_options)), 0) << err_;
  EXPECT_NE(bits("one.telaio"), bits("other.telaio"));
}

TEST_F(TrainProgram, KilledAnywhereAndResumedTheBitsAreTheSame) {
  ASSERT_EQ(run(fmt::format("train {} --quiet --threads 1 --out whole.telaio --history whole.json", all_options)), 0)
      << err_;
  // Killed after ever longer times, until it gets through; on as many threads as there are tries, by turns.
  int tries = 0, killed = 0;
  for (double seconds = 0.02; tries < 200; seconds *= 1.15, ++tries) {
    const int code = run(fmt::format("train {} --quiet --resume --threads {} --out killed.telaio --history killed.json",
                                     all_options, 1 + tries % 2),
                         fmt::format("timeout -s KILL {:.3f}", seconds));
    if (code == 0) break;
    ASSERT_EQ(code, 137) << err_;  // 128 + SIGKILL
    ++killed;
  }
  EXPECT_GT(killed, 3);
  EXPECT_EQ(content(at("whole.telaio")), content(at("killed.telaio")));
  const auto without_times = [&](const std::string& file) {
    boost::json::object history = json(content(at(file)));
    history.erase("threads");
    for (auto& epoch : history.at("epochs").as_array())
      for (const char* name : {"seconds", "images_per_second"}) epoch.as_object().erase(name);
    return boost::json::serialize(history);
  };
  EXPECT_EQ(without_times("whole.json"), without_times("killed.json"));
  for (const std::string& name : files()) EXPECT_THAT(name, Not(StartsWith("."))) << "left by a killed run";
}

TEST_F(TrainProgram, InterruptedItKeepsTheBestModelAndGoesOnFromThere) {
  ASSERT_EQ(run(fmt::format("train {} --quiet --out whole.telaio", all_options)), 0) << err_;
  int interrupted = 0;
  for (double seconds = 0.1; seconds < 60; seconds *= 1.3) {
    const int code = run(fmt::format("train {} --resume --out stopped.telaio", all_options),
                         fmt::format("timeout -s INT --preserve-status {:.3f}", seconds));
    if (code == 0) break;
    if (out_.empty()) continue;  // before the training had begun
    ASSERT_EQ(code, 130) << err_;
    EXPECT_THAT(out_, HasSubstr("stopped; stopped.telaio holds the best model so far, and --resume goes on from here"));
    EXPECT_EQ(run("evaluate --model stopped.telaio --data digits:10,100 --json"), 0) << err_;
    ++interrupted;
  }
  EXPECT_GT(interrupted, 0);
  EXPECT_EQ(bits("whole.telaio"), bits("stopped.telaio"));
}

TEST_F(TrainProgram, ResumesTheSameTrainingOnly) {
  const std::string options = "train --data digits:400,50 --model linear --epochs 300 --quiet --resume --lr 0.001";
  // Without a file it begins; stopped, the file has a state.
  for (double seconds = 0.3; !std::filesystem::exists(at("model.telaio")); seconds *= 1.5)
    run(options, fmt::format("timeout -s INT --preserve-status {:.3f}", seconds));
  ASSERT_TRUE(nn::load_model(at("model.telaio").string()).training) << "it got through too fast to be stopped";
  expect_refused(options + " --batch-size 64", "batch size is 64, the saved training had 128");
  expect_refused(options + " --seed 2", "seed is 2, the saved training had 1");
  expect_refused("train --data digits:400,50 --model linear --epochs 300 --resume --lr 0.002", "learning_rate=0.002");
  expect_refused("train --data digits:300,50 --model linear --epochs 300 --resume --lr 0.001", "digits:300,50");
  expect_refused("train --data digits:400,50 --model dense --epochs 300 --resume --lr 0.001", "another network");
  // One that has ended has nothing to go on with.
  ASSERT_EQ(run("train --data digits:200,50 --model linear --epochs 1 --out done.telaio --quiet"), 0);
  const std::string done = content(at("done.telaio"));
  EXPECT_EQ(run("train --data digits:200,50 --model linear --epochs 1 --out done.telaio --resume"), 0);
  EXPECT_THAT(out_, HasSubstr("has finished"));
  EXPECT_EQ(content(at("done.telaio")), done);
}

TEST_F(TrainProgram, StopsBeforeWhatIsNotFiniteReachesTheParameters) {
  EXPECT_EQ(run("train --data digits:2000,10 --epochs 2 --optimizer sgd --lr 1e8"), 2);
  EXPECT_TRUE(std::count(err_.begin(), err_.end(), '\n') == 1) << err_;
  EXPECT_THAT(err_, AllOf(HasSubstr("epoch 1, batch "), HasSubstr("not finite"), HasSubstr(" of layer '"),
                          HasSubstr("model.telaio holds the parameters from before that step")));
  const nn::ModelFile kept = nn::load_model(at("model.telaio").string());
  for (const Variable& parameter : kept.model.parameters())
    for (const double value : parameter.read().to_vector<double>())
      ASSERT_TRUE(std::isfinite(value)) << parameter.name();
}

TEST_F(TrainProgram, KeepsTheLastGoodModelWhenALaterEpochFails) {
  // Each step makes the parameters 99 times as large.
  EXPECT_EQ(run("train --data digits:300,10 --model linear --epochs 20 --optimizer sgd,weight_decay=1 --lr 100 "
                "--schedule constant"),
            2);
  EXPECT_THAT(out_, HasSubstr("epoch 1/20"));
  EXPECT_THAT(err_, AllOf(HasSubstr("not finite"), HasSubstr("model.telaio holds the best model up to epoch ")));
  for (const Variable& parameter : nn::load_model(at("model.telaio").string()).model.parameters())
    for (const double value : parameter.read().to_vector<double>())
      ASSERT_TRUE(std::isfinite(value)) << parameter.name();
}

TEST_F(TrainProgram, LearnsFromEveryKindOfData) {
  ASSERT_EQ(run("data --out idx --count 300 --test-count 100"), 0) << err_;
  ASSERT_EQ(run("train --data idx --model linear --epochs 1 --out a.telaio"), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("300 training and 100 test images of 28×28×1, 10 classes"));
  ASSERT_EQ(run("train --data digits:300,100 --model linear --epochs 1 --out b.telaio"), 0) << err_;
  EXPECT_EQ(bits("a.telaio"), bits("b.telaio")) << "the files hold what is built in";

  // Folders of PNG with names for classes; the model keeps the names.
  for (int i = 0; i < 12; ++i) {
    nn::Image image{9, 7, 3, std::vector<uint8_t>(9 * 7 * 3)};
    for (size_t p = 0; p < image.pixels.size(); ++p)
      image.pixels[p] = static_cast<uint8_t>(p % 3 == (i % 2 ? 0u : 2u) ? 220 : 10 + i);
    const std::string folder = i % 2 ? "png/red" : "png/blue";
    std::filesystem::create_directories(at(folder));
    nn::write_png((at(folder) / fmt::format("{}.png", i)).string(), image);
  }
  ASSERT_EQ(run("train --data png --model linear --epochs 30 --lr 0.05 --out c.telaio"), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("12 training images of 9×7×3, 2 classes"), HasSubstr("accuracy 100.00%")));
  ASSERT_EQ(run("predict --model c.telaio png/red/1.png png/blue/2.png --json"), 0) << err_;
  const auto answers = boost::json::parse(out_).as_array();
  EXPECT_EQ(answers[0].at("class").as_string(), "red");
  EXPECT_EQ(answers[1].at("class").as_string(), "blue");
  EXPECT_GT(answers[0].at("probabilities").at("red").as_double(), 0.5);

  // A table, with a network from a file.
  std::string table = "label,a,b\n";
  for (int i = 0; i < 40; ++i) table += fmt::format("{},{},{}\n", i % 2 ? "up" : "down", i % 2 ? 1.5 : -1.5, i * 0.01);
  write("points.csv", table);
  write("net.json", R"({"name": "tiny", "layers": [{"dense": {"units": 4, "activation": "tanh"}}, {"dense": 2}]})");
  ASSERT_EQ(run("train --data points.csv --model net.json --epochs 40 --lr 0.05 --out d.telaio"), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("tiny: 22 parameters"), HasSubstr("accuracy 100.00%")));
}

TEST_F(TrainProgram, ANetworkThatScalesBytesItselfGetsBytes) {
  write("a.json", R"({"name": "n", "layers": ["rescaling", "flatten", {"dense": 10}]})");
  write("b.json", R"({"name": "n", "layers": ["flatten", {"dense": 10}]})");
  ASSERT_EQ(run("train --data digits:300,100 --model a.json --epochs 2 --history a.history --quiet"), 0) << err_;
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:10,100"), 0) << err_;
  ASSERT_EQ(run("train --data digits:300,100 --model b.json --epochs 2 --history b.history --quiet"), 0) << err_;
  EXPECT_NEAR(json(content(at("a.history"))).at("test").at("loss").as_double(),
              json(content(at("b.history"))).at("test").at("loss").as_double(), 1e-4);
}

TEST_F(TrainProgram, TrainsBothEndings) {
  for (const char* ending : {"softmax", "sigmoid"}) {
    ASSERT_EQ(
        run(fmt::format("train --data digits:2000,300 --model dense --output {} --epochs 3 --history h.json", ending)),
        0)
        << err_;
    EXPECT_THAT(out_, HasSubstr(fmt::format("{} at the end", ending)));
    EXPECT_GT(json(content(at("h.json"))).at("test").at("accuracy").as_double(), 0.5) << ending;
  }
}

TEST_F(TrainProgram, RefusesWrongInput) {
  const std::string small = "train --data digits:100,10 --model linear ";
  expect_refused(small + "--epochs 0", "epochs: expected at least 1, got 0");
  expect_refused(small + "--batch-size 0", "batch_size: expected at least 1, got 0");
  expect_refused(small + "--batch-size x", "--batch-size");
  expect_refused(small + "--validation-split 1", "validation_split");
  expect_refused(small + "--validation-split 0.999",
                 "validation_split 0.999 of 100 samples leaves 0 for training and 100");
  expect_refused(small + "--optimizer adm", "'adm' is unknown; expected sgd, adam, adamw, rmsprop, adagrad");
  expect_refused(small + "--optimizer adam,beta1=1", "beta1");
  expect_refused(small + "--lr 0", "--lr is 0");
  expect_refused(small + "--schedule fast", "'fast' is unknown; expected constant, step, cosine, plateau");
  expect_refused(small + "--class-weight 12=2", "unknown class '12': the classes are 0 1 2");
  expect_refused(small + "--class-weight 1=-2", "'1=-2'");
  expect_refused(small + "--augment spin=2", "unknown option 'spin'");
  expect_refused(small + "--augment-where hard", "there is no --augment");
  expect_refused(small + "--augment shift=1 --augment-where classes=x", "unknown class 'x'");
  expect_refused(small + "--standardize upside", "'upside'");
  expect_refused(small + "--dropout 1", "rate");
  expect_refused(small + "--output tanh", "--output is 'tanh', expected softmax or sigmoid");
  expect_refused(small + "--thin 3=2", "--thin: 2 is more than all");
  expect_refused(small + "--limit 0", "--limit is 0");
  expect_refused(small + "--threads 0", "--threads is 0");
  expect_refused(small + "--seed -3", "--seed is -3");
  expect_refused(small + "--early-stopping -1", "--early-stopping is -1");
  expect_refused(small + "--out no/such/dir.telaio", "no/such/dir.telaio: cannot be written: No such file");
  expect_refused(small + "--history no/such/dir.json", "no/such/dir.json: cannot be written: No such file");
  expect_refused(small + "--out .", "cannot be written: Is a directory");
  expect_refused("train --data nowhere", "nowhere: no such file or directory");
  expect_refused("train --data digits:0", "digits");
  expect_refused("train --data digits:many", "expected digits:TRAIN or digits:TRAIN,TEST");
  expect_refused("train --data digits:100,10 --model resnet",
                 "there is no model 'resnet': expected cnn, dense, linear, lenet, or a file");
  expect_refused(small + "surplus", "");

  EXPECT_EQ(run(small + "--epochs 1 --history /dev/full --quiet"), 2) << "a full disk";
  EXPECT_THAT(err_, HasSubstr("/dev/full: cannot be written: No space left on device"));
}

TEST_F(TrainProgram, RefusesNetworksThatDoNotFit) {
  const auto refused = [&](const std::string& network, const std::string& expected) {
    write("net.json", network);
    expect_refused("train --data digits:100,10 --model net.json", expected);
  };
  refused("{", "net.json: line 1, column 2: no JSON");
  refused(R"({"layers": [{"conv3d": 3}]})",
          "net.json: layers[0]: there is no layer type 'conv3d'; expected one of dense, conv2d");
  refused(R"({"layers": [{"dense": {"unit": 3}}]})", "net.json: layers[0].dense: unknown field 'unit'; expected units");
  refused(R"({"layers": [{"dense": 10}]})", "output has shape [28,28,10]");
  refused(R"({"layers": ["flatten", {"conv2d": 3}, {"dense": 10}]})", "conv1 (conv2d): expected images");
  refused(R"({"layers": ["flatten", {"dense": 7}]})",
          "output has shape [7], digits:100,10 has 10 classes: expected [10]");
  refused(R"({"input": [32, 32, 3], "layers": ["flatten", {"dense": 10}]})",
          "net.json: the network is for samples of shape [32,32,3], those of digits:100,10 have [28,28,1]");
  write("net.json", R"({"layers": ["flatten", {"dense": 10}, "softmax"]})");
  expect_refused("train --data digits:100,10 --model net.json --output sigmoid",
                 "--output is sigmoid, but net.json ends with softmax");
  expect_refused("train --data digits:100,10 --model net.json --dropout 0.5", "--dropout is for the built-in models");
}

TEST_F(TrainProgram, RefusesDamagedData) {
  ASSERT_EQ(run("data --out good --count 20 --test-count 10"), 0) << err_;
  const std::string images = content(at("good/train-images-idx3-ubyte")),
                    labels = content(at("good/train-labels-idx1-ubyte"));
  ASSERT_EQ(images.size(), 16u + 20 * 784);
  ASSERT_EQ(labels.size(), 8u + 20);
  const auto refused = [&](const std::string& new_images, const std::string& new_labels, const std::string& expected) {
    std::filesystem::create_directories(at("bad"));
    write("bad/train-images-idx3-ubyte", new_images);
    write("bad/train-labels-idx1-ubyte", new_labels);
    expect_refused("train --data bad --model linear", expected);
  };
  refused(images.substr(0, 5000), labels, "bad/train-images-idx3-ubyte: ");
  refused("\x01" + images.substr(1), labels, "bad/train-images-idx3-ubyte: byte 0");
  refused(images, labels.substr(0, 10), "bad/train-labels-idx1-ubyte: ");
  std::string fewer = labels;
  fewer[7] = 19;
  refused(images, fewer.substr(0, 27), "20");
  write("nan.csv", "label,a\n0,1\n1,nan\n");
  expect_refused("train --data nan.csv --model linear", "nan.csv: line 3, column 2: ");
  std::filesystem::create_directories(at("png/a"));
  nn::write_png(at("png/a/1.png").string(), {2, 2, 1, {1, 2, 3, 4}});
  nn::write_png(at("png/a/2.png").string(), {2, 3, 1, {1, 2, 3, 4, 5, 6}});
  expect_refused("train --data png --model linear", "2.png: ");
}

}  // namespace
}  // namespace telaio

#endif
