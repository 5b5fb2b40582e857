// `telaio train`: what it learns from, what it prints, which options there are.
#ifdef TELAIO_PROGRAM

#include <cmath>

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/model_file.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

class TrainCommand : public Program {
 protected:
  /// Digits as PNG files CLASS/N.png.
  void write_folder(const std::string& where, int64_t count) const {
    const nn::Samples digits = nn::make_digits({.train = count, .test = 0}).train;
    const std::vector<uint8_t> pixels = digits.inputs.to_vector<uint8_t>();
    const std::vector<int64_t> labels = nn::label_values(digits);
    for (size_t i = 0; i < labels.size(); ++i)
      folder_.put(fmt::format("{}/{}/{}.png", where, labels[i], i),
                  nn::encode_png({28, 28, 1, {pixels.begin() + 784 * i, pixels.begin() + 784 * (i + 1)}}));
  }
};

/// The numbers of a history that do not depend on the clock.
std::string curves(const json::value& history) {
  std::string text;
  for (const json::value& epoch : history.at("epochs").as_array())
    for (const char* name : {"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"})
      if (const json::value* value = epoch.as_object().if_contains(name)) text += json::serialize(*value) + " ";
  return text;
}

TEST_F(TrainCommand, LearnsAndSaysSo) {
  const std::string text =
      good("train --data digits:2000,500 --model dense --epochs 3 --validation-split 0.1 --threads 2");
  EXPECT_THAT(text,
              StartsWith("data      digits:2000,500: 2,000 training and 500 test images of 28×28×1, 10 classes\n"
                         "model     dense: 669,706 parameters, 668,672 multiply-adds an image, softmax at the end\n"
                         "training  3 epochs in batches of 128, adam, learning rate 0.002 (cosine), seed 1, 2 threads\n"
                         "epoch 1/3  loss "));
  EXPECT_THAT(text, testing::ContainsRegex("epoch 3/3  loss 0\\.[0-9]+  accuracy [0-9.]+%  val_loss [0-9.]+  "
                                           "val_accuracy [0-9.]+%  [0-9.]+s  [0-9]+ images/s\n"
                                           "test      loss [0-9.]+  accuracy [0-9.]+%  \\(parameters of epoch 3\\)\n\n"
                                           "class    precision   recall       F1  images\n"));
  EXPECT_THAT(text, EndsWith("The model is in model.telaio: telaio evaluate --model model.telaio --data "
                             "digits:2000,500\n"));
  EXPECT_EQ(text.find_first_of("\x1b\r"), std::string::npos) << "codes for a terminal";
  EXPECT_EQ(names(), std::vector<std::string>{"model.telaio"});

  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  EXPECT_EQ(file.model.name(), "dense");
  EXPECT_EQ(file.class_names, nn::numbered_classes(10));
  EXPECT_FALSE(file.training) << "it has ended";
  EXPECT_EQ(file.notes.at("data"), "digits:2000,500 (2000 images, thin none)");
  const json::value evaluated = good_json("evaluate --model model.telaio --data digits:2000,500 --json");
  EXPECT_GT(evaluated.at("accuracy").as_double(), 0.7);
}

TEST_F(TrainCommand, JsonIsNothingButTheHistory) {
  const json::value history = good_json(
      "train --data digits:600,200 --model linear --epochs 2 --validation-split 0.25 --seed 7 --threads 1 --json "
      "--history curves.json");
  EXPECT_EQ(json::parse(read("curves.json")), history);
  EXPECT_EQ(names(), (std::vector<std::string>{"curves.json", "model.telaio"}));
  const json::array& epochs = history.at("epochs").as_array();
  ASSERT_EQ(epochs.size(), 2u);
  std::vector<std::string> fields;
  for (const auto& [name, value] : epochs[1].as_object()) fields.emplace_back(name);
  EXPECT_EQ(fields, (std::vector<std::string>{"epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
                                              "seconds", "images_per_second"}));
  EXPECT_EQ(epochs[1].at("epoch").as_int64(), 2);
  EXPECT_LT(epochs[1].at("loss").as_double(), epochs[0].at("loss").as_double());
  EXPECT_GT(epochs[1].at("images_per_second").as_double(), 0);
  EXPECT_EQ(history.at("parameters").as_int64(), 7850);
  EXPECT_EQ(history.at("multiply_adds").as_int64(), 7840);
  EXPECT_EQ(history.at("seed").as_int64(), 7);
  EXPECT_EQ(history.at("threads").as_int64(), 1);
  EXPECT_EQ(history.at("model").as_string(), "linear");
  EXPECT_EQ(history.at("data").as_string(), "digits:600,200");
  EXPECT_EQ(history.at("output").as_string(), "softmax");
  EXPECT_EQ(history.at("best_epoch").as_int64(), 2);
  // The test results are those of the model in the file.
  const json::value evaluated = good_json("evaluate --model model.telaio --data digits:600,200 --json");
  EXPECT_EQ(evaluated.at("loss"), history.at("test").at("loss"));
  EXPECT_EQ(evaluated.at("accuracy"), history.at("test").at("accuracy"));
}

TEST_F(TrainCommand, WithoutATestPartThereIsNoTest) {
  const json::value history = good_json("train --data digits:300,0 --model linear --epochs 1 --json");
  EXPECT_FALSE(history.as_object().contains("test"));
  EXPECT_FALSE(history.at("epochs").at(0).as_object().contains("val_loss"));
  const std::string text = good("train --data digits:300,0 --model linear --epochs 1");
  EXPECT_THAT(text, HasSubstr("digits:300,0: 300 training images of 28×28×1"));
  EXPECT_THAT(text, HasSubstr("training  1 epoch in"));
  EXPECT_THAT(text, Not(HasSubstr("test")));
}

TEST_F(TrainCommand, QuietPrintsNothing) {
  EXPECT_THAT(good("train --data digits:300,100 --model linear --epochs 1 --quiet --history curves.csv"), IsEmpty());
  const std::string table = read("curves.csv");
  EXPECT_THAT(table,
              StartsWith("epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds,images_per_second\n1,"));
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 2);
}

TEST_F(TrainCommand, EachNetworkAndEachEnding) {
  for (const char* model : {"cnn", "lenet"}) {
    const json::value history =
        good_json(fmt::format("train --data digits:256,50 --model {} --epochs 1 --json --output sigmoid", model));
    EXPECT_EQ(history.at("output").as_string(), "sigmoid");
    EXPECT_LT(history.at("epochs").at(0).at("loss").as_double(), 0.9) << "the mean over the outputs";
    EXPECT_EQ(nn::load_model(path("model.telaio")).model.ending(), nn::Ending::sigmoid);
  }
  const json::value sigmoid =
      good_json("train --data digits:1000,200 --model linear --output sigmoid --epochs 4 --lr 0.02 --json");
  EXPECT_GT(sigmoid.at("test").at("accuracy").as_double(), 0.4);
}

TEST_F(TrainCommand, NetworksFromFiles) {
  folder_.put("net.json", R"({"layers": [{"conv2d": {"filters": 4, "activation": "relu"}}, {"max_pool2d": 4},
    "flatten", {"dense": 10}]})");
  folder_.put("closed.json", R"({"name": "small", "input": [28, 28, 1], "layers": ["flatten",
    {"dense": {"units": 10, "activation": "sigmoid"}}]})");
  json::value history = good_json("train --data digits:300,100 --model net.json --epochs 1 --json");
  EXPECT_EQ(history.at("model").as_string(), "net") << "after the file";
  EXPECT_EQ(history.at("output").as_string(), "softmax") << "where the file does not say";
  history = good_json("train --data digits:300,100 --model net.json --epochs 1 --output sigmoid --json");
  EXPECT_EQ(history.at("output").as_string(), "sigmoid");
  history = good_json("train --data digits:300,100 --model closed.json --epochs 1 --json");
  EXPECT_EQ(history.at("model").as_string(), "small");
  EXPECT_EQ(history.at("output").as_string(), "sigmoid") << "as the file says";
  EXPECT_EQ(refused("train --data digits:300,100 --model closed.json --output softmax"),
            "telaio train: --output is softmax, but closed.json ends with sigmoid");
}

TEST_F(TrainCommand, IdxFilesAreTheDigitsThatTheyWereMadeOf) {
  good("data --out idx --count 300 --test-count 100");
  const json::value built_in = good_json("train --data digits:300,100 --model linear --epochs 2 --json");
  const json::value files = good_json("train --data idx --model linear --epochs 2 --json");
  EXPECT_EQ(curves(files), curves(built_in));
  EXPECT_EQ(files.at("test"), built_in.at("test"));
  EXPECT_EQ(files.at("data").as_string(), "idx");
  // One file alone is a training part.
  const json::value one = good_json("train --data idx/train-images-idx3-ubyte --model linear --epochs 2 --json");
  EXPECT_EQ(curves(one), curves(built_in));
  EXPECT_FALSE(one.as_object().contains("test"));
}

TEST_F(TrainCommand, FoldersOfImages) {
  write_folder("images/train", 200);
  write_folder("images/test", 50);
  const json::value history = good_json("train --data images --model linear --epochs 3 --batch-size 20 --json");
  EXPECT_GT(history.at("epochs").at(2).at("accuracy").as_double(), 0.25);
  EXPECT_TRUE(history.as_object().contains("test"));
  const std::string text = good("train --data images/train --model linear --epochs 1");
  EXPECT_THAT(text, StartsWith("data      images/train: 200 training images of 28×28×1, 10 classes\n"));
}

TEST_F(TrainCommand, TablesOfNumbersWithNamedClasses) {
  std::string table = "class,length,width\n";
  for (int i = 0; i < 60; ++i)
    table += fmt::format("{},{},{}\n", i % 2 ? "long" : "wide", i % 2 ? 2 : 0.1 * (i % 5), i % 2 ? 0.1 * (i % 7) : 2);
  folder_.put("table.csv", table);
  const std::string text = good("train --data table.csv --model linear --epochs 20 --lr 0.1 --batch-size 10");
  EXPECT_THAT(text, StartsWith("data      table.csv: 60 training images of 2, 2 classes\n"));
  EXPECT_THAT(text, HasSubstr("The training accuracy is 100.0%: the model is large enough."));
  EXPECT_EQ(nn::load_model(path("model.telaio")).class_names, (std::vector<std::string>{"long", "wide"}));
  EXPECT_THAT(good("evaluate --model model.telaio --data table.csv"), HasSubstr("\nlong "));
  good("train --data table.csv --model linear --epochs 1 --class-weight long=2 --thin wide=0.5");
}

TEST_F(TrainCommand, Cifar) {
  for (const char* name : {"data_batch_1.bin", "test_batch.bin"}) {
    std::string bytes;
    for (int i = 0; i < 20; ++i) {
      bytes += static_cast<char>(i % 10);
      for (int p = 0; p < 3072; ++p) bytes += static_cast<char>((i % 10) * 20 + p % 7);
    }
    folder_.put(fmt::format("cifar/{}", name), bytes);
  }
  const std::string text = good("train --data cifar --model cnn --epochs 1");
  EXPECT_THAT(text, StartsWith("data      cifar: 20 training and 20 test images of 32×32×3, 10 classes\n"));
  EXPECT_THAT(text, HasSubstr("\nairplane "));
  EXPECT_EQ(nn::load_model(path("model.telaio")).class_names[3], "cat");
}

TEST_F(TrainCommand, ANetworkThatScalesBytesItselfGetsBytes) {
  folder_.put("a.json", R"({"name": "n", "layers": ["rescaling", "flatten", {"dense": 10}]})");
  folder_.put("b.json", R"({"name": "n", "layers": ["flatten", {"dense": 10}]})");
  const json::value a = good_json("train --data digits:300,100 --model a.json --epochs 2 --json");
  good("evaluate --model model.telaio --data digits:10,100");
  const json::value b = good_json("train --data digits:300,100 --model b.json --epochs 2 --json");
  EXPECT_NEAR(a.at("test").at("loss").as_double(), b.at("test").at("loss").as_double(), 1e-4);
}

TEST_F(TrainCommand, EachOption) {
  const char* sets[] = {
      "--optimizer sgd,momentum=0.9,nesterov,clip_norm=1 --lr 0.05 --schedule constant",
      "--optimizer adamw,weight_decay=0.01 --schedule step,every=1,factor=0.5 --batch-size 50",
      "--optimizer rmsprop --schedule plateau,patience=1 --validation-split 0.2",
      "--optimizer adagrad,clip_value=0.1 --schedule cosine,warmup=1 --seed 9",
      "--class-weight balanced --thin 3=0.1,7=0",
      "--class-weight 3=2,7=0.5 --early-stopping 1",
      "--augment shift=2,rotate=10,zoom=0.1,shear=5,flip,noise=0.1,erase=0.2,brightness=0.2",
      "--augment shift=2 --augment-where classes=4,9",
      "--augment rotate=10 --augment-where hard,copies=0.5",
      "--standardize center,deskew,pixels",
      "--standardize none --augment none --class-weight none --thin none --augment-where all",
      "--dropout 0.3 --threads 2",
      "--limit 100 --out named.model",
  };
  // Each does something: no two give the same curves.
  std::map<std::string, const char*> seen;
  for (const char* options : sets) {
    const json::value history =
        good_json(fmt::format("train --data digits:300,50 --model linear --epochs 2 --json {}", options));
    const auto [other, fresh] = seen.emplace(curves(history), options);
    EXPECT_TRUE(fresh) << options << " is as " << other->second;
  }
  EXPECT_TRUE(exists("named.model"));
  EXPECT_EQ(nn::load_model(path("named.model")).notes.at("data"), "digits:300,50 (100 images, thin none)");
}

TEST_F(TrainCommand, TheSameSeedGivesTheSameFileOnAnyNumberOfThreads) {
  const std::string options =
      "train --data digits:500,100 --model cnn --epochs 2 --dropout 0.2 --augment shift=2,noise=0.1 --standardize "
      "pixels "
      "--validation-split 0.1 --quiet";
  good(options + " --out a --threads 1");
  good(options + " --out b --threads 2");
  good(options + " --out c --threads 2 --seed 2");
  EXPECT_TRUE(read("a") == read("b")) << "every byte";
  EXPECT_FALSE(tensors("a") == tensors("c"));
}

TEST_F(TrainCommand, EarlyStoppingEndsTheTraining) {
  // The learning rate is too small for anything to change.
  const std::string options = "train --data digits:200,50 --model linear --epochs 9 --early-stopping 0 --lr 1e-30";
  const std::string text = good(options);
  EXPECT_THAT(text, HasSubstr("epoch 2/9"));
  EXPECT_THAT(text, Not(HasSubstr("epoch 4/9")));
  EXPECT_THAT(text, HasSubstr("\nstopped   loss has not improved since epoch "));
  EXPECT_FALSE(nn::load_model(path("model.telaio")).training) << "there is nothing to go on with";
  EXPECT_EQ(good(options + " --resume"),
            "The training in model.telaio has finished; there is nothing to go on with.\n");
}

TEST_F(TrainCommand, KeepsTheBestEpochByValidation) {
  // Fits 40 images until it knows them by heart: the validation loss has its minimum before the end.
  const json::value history = good_json(
      "train --data digits:50,300 --model dense --epochs 25 --validation-split 0.2 --schedule constant --lr 0.01 "
      "--json");
  const json::array& epochs = history.at("epochs").as_array();
  size_t best = 0;
  for (size_t i = 0; i < epochs.size(); ++i)
    if (epochs[i].at("val_loss").as_double() < epochs[best].at("val_loss").as_double()) best = i;
  ASSERT_LT(best + 1, epochs.size());
  EXPECT_EQ(history.at("best_epoch").as_int64(), static_cast<int64_t>(best) + 1);
  EXPECT_EQ(good_json("evaluate --model model.telaio --data digits:50,300 --json").at("loss"),
            history.at("test").at("loss"));
}

}  // namespace
}  // namespace telaio::cli

#endif
