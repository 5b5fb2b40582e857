// What `telaio train` refuses: each in one line, before anything is written.
#ifdef TELAIO_PROGRAM

#include <cmath>

#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/model_file.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

class TrainErrors : public Program {
 protected:
  std::string message(const std::string& options) {
    const std::string line = refused("train --epochs 1 " + options);
    EXPECT_THAT(line, StartsWith("telaio train: "));
    return line.substr(line.find(": ") + 2);
  }
};

TEST_F(TrainErrors, Options) {
  const std::pair<const char*, const char*> cases[] = {
      {"--output tanh", "--output is 'tanh', expected softmax or sigmoid"},
      {"--batch-size 0", "--batch-size is 0, expected at least 1"},
      {"--batch-size 1.5", "the argument ('1.5') for option '--batch-size' is invalid (see telaio train --help)"},
      {"--limit 0", "--limit is 0, expected at least 1"},
      {"--early-stopping -1", "--early-stopping is -1, expected at least 0"},
      {"--validation-split 1", "--validation-split is 1, expected 0 or more and less than 1"},
      {"--validation-split nan", "--validation-split is nan, expected 0 or more and less than 1"},
      {"--dropout 1.5", "--dropout is 1.5, expected 0 or more and less than 1"},
      {"--lr -1", "--lr is -1, expected a number above 0 and below 1e9"},
      {"--lr nan", "--lr is nan, expected a number above 0 and below 1e9"},
      {"--lr 1e10", "--lr is 10000000000, expected a number above 0 and below 1e9"},
      {"--seed -1", "--seed is -1, expected a whole number of at least 0 (see telaio train --help)"},
      {"--threads 0", "--threads is 0, expected 1 … 1024 (see telaio train --help)"},
      {"--optimizer adan", "optimizer: 'adan' is unknown; expected sgd, adam, adamw, rmsprop, adagrad"},
      {"--optimizer sgd,learning_rate=3", "--optimizer: the learning rate is given by --lr"},
      {"--schedule linear", "schedule: 'linear' is unknown; expected constant, step, cosine, plateau"},
      {"--augment shft=2",
       "augmentation: unknown option 'shft', expected shift, rotate, zoom, shear, noise, erase, "
       "brightness, flip"},
      {"--augment-where hard", "--augment-where says where to augment, but there is no --augment that says how"},
      {"--standardize centre", "standardization: unknown option 'centre', expected center, deskew, pixels"},
      {"--data", "the required argument for option '--data' is missing (see telaio train --help)"},
      {"--lr 1 --lr 2", "option '--lr' cannot be specified more than once (see telaio train --help)"},
      {"--history model.telaio", "--history and --out are one file: model.telaio"},
      {"--history ./model.telaio", "--history and --out are one file: ./model.telaio"},
      {"--class-weight 11=2", "--class-weight: unknown class '11': the classes are 0 1 2 3 4 5 6 7 8 9"},
      {"--class-weight 1=x", "class weights: '1=x': expected balanced, or CLASS=WEIGHT with a weight of at least 0"},
      {"--augment shift=2 --augment-where classes=12",
       "--augment-where: unknown class '12': the classes are 0 1 2 3 4 5 6 7 8 9"},
      {"--thin 11=0.5", "--thin: unknown class '11': the classes are 0 1 2 3 4 5 6 7 8 9"},
      {"--thin 3=2", "--thin: 2 is more than all: expected a fraction up to 1"},
      {"--thin balanced", "--thin is 'balanced', expected CLASS=FRACTION,…"},
      {"--thin 3", "--thin: '3': expected CLASS=FRACTION,… with fractions from 0 to 1"},
      {"--limit 1 --thin 0=0,1=0,2=0,3=0,4=0,5=0,6=0,7=0,8=0,9=0", "--thin leaves no training images"},
      {"--validation-split 0.9999",
       "fit: validation_split 0.9999 of 50 samples leaves 0 for training and 50 for validation"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_EQ(message(fmt::format("{}{}", options, std::string(options) == "--data" ? "" : " --data digits:50,10")),
              expected);
  EXPECT_EQ(refused("train --epochs 0"), "telaio train: --epochs is 0, expected at least 1");
}

TEST_F(TrainErrors, Data) {
  folder_.put("nan.csv", "label,a,b\n0,1,nan\n1,2,3\n");
  folder_.put("ragged.csv", "label,a,b\n0,1\n1,2,3\n");
  folder_.put("labels.csv", "label,a,b\n0,1,2\n99999,2,3\n");
  folder_.put("empty.csv", "");
  folder_.put("file.txt", "hello");
  folder_.put("nothing/readme", "");
  const std::pair<const char*, const char*> cases[] = {
      {"nowhere", "nowhere: no such file or directory (nor a built-in data set: digits)"},
      {"digits:x", "digits:x: expected digits:TRAIN or digits:TRAIN,TEST, how many images of each"},
      {"digits:0,5", "digits: expected at least one training image and no negative number of test images, got 0 and 5"},
      {"nan.csv", "nan.csv: line 2, column 3: expected a finite number, found nan"},
      {"ragged.csv", "ragged.csv: line 2: 2 fields, expected 3"},
      {"labels.csv", "labels.csv: line 3, column 1: "},
      {"empty.csv", "empty.csv: "},
      {"file.txt",
       "file.txt: not a data set: expected a .csv file, an IDX file of images (…images-idx3-ubyte) or a directory"},
      {"nothing", "nothing: holds no data set: expected IDX files (train-images-idx3-ubyte), "},
  };
  for (const auto& [data, expected] : cases)
    EXPECT_THAT(message(fmt::format("--model linear --data {}", data)), StartsWith(expected));
}

TEST_F(TrainErrors, DamagedIdxFiles) {
  good("data --out idx --count 20 --test-count 10");
  const std::string images = read("idx/train-images-idx3-ubyte"), labels = read("idx/train-labels-idx1-ubyte");
  const auto with = [&](std::string_view name, std::string bytes) {
    const std::string before = read(name);
    folder_.put(name, bytes);
    const std::string line = message("--model linear --data idx");
    folder_.put(name, before);
    return line;
  };
  std::string bytes = images;
  bytes[2] = 7;
  EXPECT_THAT(with("idx/train-images-idx3-ubyte", bytes),
              StartsWith("idx/train-images-idx3-ubyte: byte 0: wrong magic number 00000703, expected an IDX file"));
  EXPECT_EQ(with("idx/train-images-idx3-ubyte", images.substr(0, 1000)),
            "idx/train-images-idx3-ubyte: byte 1000: the file ends, expected 15696 bytes for the 15680 elements of "
            "sizes [20,28,28]");
  EXPECT_THAT(with("idx/train-images-idx3-ubyte", ""), HasSubstr("byte 0: the file ends"));
  bytes = labels.substr(0, labels.size() - 1);
  bytes[7] = 19;
  EXPECT_EQ(with("idx/train-labels-idx1-ubyte", bytes),
            "idx/train-labels-idx1-ubyte: byte 4: 19 labels, but idx/train-images-idx3-ubyte has 20 images");
  bytes = read("idx/t10k-labels-idx1-ubyte");
  bytes[8 + 3] = 10;
  EXPECT_EQ(with("idx/t10k-labels-idx1-ubyte", bytes),
            "idx/t10k-labels-idx1-ubyte: byte 11: label 10 is out of range, the training data have 0 … 9");
  bytes = read("idx/t10k-images-idx3-ubyte");
  bytes[11] = 14;
  bytes[15] = 56;
  EXPECT_EQ(with("idx/t10k-images-idx3-ubyte", bytes),
            "idx/t10k-images-idx3-ubyte: byte 8: the images have sizes [14,56,1], those of "
            "idx/train-images-idx3-ubyte [28,28,1]");
  std::filesystem::remove(path("idx/train-labels-idx1-ubyte"));
  EXPECT_EQ(message("--model linear --data idx"),
            "idx: the labels are missing: expected a file like train-labels-idx1-ubyte beside train-images-idx3-ubyte");
}

TEST_F(TrainErrors, FoldersOfImages) {
  const nn::Image grey{10, 10, 1, std::vector<uint8_t>(100, 3)}, wide{10, 12, 1, std::vector<uint8_t>(120, 3)};
  nn::write_png(folder_ / "images/cat/1.png", grey);
  nn::write_png(folder_ / "images/dog/1.png", grey);
  nn::write_png(folder_ / "images/dog/2.png", wide);
  EXPECT_THAT(message("--model linear --data images"), HasSubstr("images/dog/2.png: "));
  EXPECT_THAT(message("--model linear --data images"), HasSubstr("12"));
  folder_.put("images/dog/2.png", nn::encode_png(grey).substr(0, 60));
  EXPECT_THAT(message("--model linear --data images"), HasSubstr("images/dog/2.png: "));
}

TEST_F(TrainErrors, Networks) {
  folder_.put("seven.json", R"({"layers": ["flatten", {"dense": 7}]})");
  folder_.put("type.json", R"({"layers": ["flatten", {"dens": 10}]})");
  folder_.put("field.json", R"({"layers": ["flatten", {"dense": {"unit": 10}}]})");
  folder_.put("cut.json", R"({"layers": ["flatten")");
  folder_.put("other.json", R"({"input": [32, 32, 3], "layers": ["flatten", {"dense": 10}]})");
  folder_.put("unfit.json", R"({"layers": ["flatten", {"conv2d": 3}]})");
  folder_.put("window.json", R"({"layers": [{"conv2d": {"filters": 4, "kernel": 30}}, "flatten", {"dense": 10}]})");
  good("train --data digits:20,0 --model linear --epochs 1 --out trained.telaio");
  std::filesystem::create_directories(folder_ / "directory/x");
  const std::pair<const char*, const char*> cases[] = {
      {"cn", "there is no model 'cn': expected cnn, dense, linear, lenet, or a file"},
      {"seven.json", "seven.json: the network's output has shape [7], digits:50,10 has 10 classes: expected [10]"},
      {"type.json", "type.json: layers[1]: there is no layer type 'dens'; expected one of dense, conv2d, "},
      {"field.json", "field.json: layers[1].dense: unknown field 'unit'; expected units, activation, "},
      {"cut.json", "cut.json: line 1, column 22: no JSON: incomplete JSON"},
      {"other.json", "other.json: the network is for samples of shape [32,32,3], those of digits:50,10 have [28,28,1]"},
      {"unfit.json", "unfit.json: conv1 (conv2d): expected images [N,H,W,C] (input f32[1,784])"},
      {"window.json", "window.json: conv1 (conv2d): the window's height 30 is more than the image's 28 ("},
      {"directory", "directory: cannot be read: Is a directory"},
      {"trained.telaio", "trained.telaio: is a trained model; expected a description of a network (JSON)"},
      {"other.json --dropout 0.5", "--dropout is for the built-in models: a model in a file has its own layers"},
  };
  for (const auto& [model, expected] : cases)
    EXPECT_THAT(message(fmt::format("--data digits:50,10 --model {}", model)), StartsWith(expected));
  folder_.put("table.csv", "0,1,2\n1,2,3\n");
  EXPECT_EQ(message("--data table.csv --model cnn"), "conv1 (conv2d): expected images [N,H,W,C] (input f32[1,2])")
      << "no line of the library";
  EXPECT_THAT(message("--data table.csv --model linear --augment shift=1"), HasSubstr("image"));
  EXPECT_THAT(message("--data table.csv --model linear --standardize deskew"), HasSubstr("image"));
}

TEST_F(TrainErrors, PlacesThatCannotBeWritten) {
  std::filesystem::create_directories(folder_ / "directory/x");
  const std::string options = "--data digits:50,10 --model linear ";
  EXPECT_EQ(message(options + "--out no/such/model"), "no/such/model: cannot be written: No such file or directory");
  EXPECT_EQ(message(options + "--out directory"), "directory: cannot be written: Is a directory");
  EXPECT_EQ(message(options + "--history no/curves.json"),
            "no/curves.json: cannot be written: No such file or directory");
  // What shows only when it is written.
  EXPECT_EQ(run("train --epochs 1 --out /dev/full " + options), 2);
  EXPECT_EQ(err_, "telaio train: /dev/full: cannot be written: No space left on device\n");
  EXPECT_EQ(run("train --epochs 1 --history /dev/full " + options), 2);
  EXPECT_EQ(err_,
            "telaio train: /dev/full: cannot be written: No space left on device (model.telaio holds the best model up "
            "to epoch 1)\n");
  nn::load_model(path("model.telaio"));
}

TEST_F(TrainErrors, WhatIsRefusedLeavesAnEarlierModelAlone) {
  good("train --data digits:50,10 --model linear --epochs 2 --out model.telaio");
  // refused() compares the files.
  message("--data digits:50,10 --model linear --validation-split 0.9999");
  message("--data digits:50,10 --batch-size 0");
  message("--data digits:50,10 --model cnn --resume");
}

TEST_F(TrainErrors, ALossThatIsNotFiniteStopsTheTraining) {
  const std::string options = "train --data digits:300,50 --optimizer sgd --lr 1e8 --schedule constant --epochs 3";
  EXPECT_EQ(run(options), 2);
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1);
  EXPECT_THAT(err_, testing::MatchesRegex("telaio train: epoch [0-9], batch [0-9] of 3: step [0-9]: the loss or a "
                                          "gradient is not finite, so nothing was updated: [a-z0-9_]+ of layer "
                                          "'[a-z0-9]+'( \\(its gradient\\))? gives (nan|an infinity) \\(model.telaio "
                                          "holds [a-z0-9 ]+\\)\n"));
  EXPECT_EQ(names(), std::vector<std::string>{"model.telaio"});
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  for (const Tensor& value : file.model.values())
    for (const double number : value.to_vector<double>()) ASSERT_TRUE(std::isfinite(number));
  good("evaluate --model model.telaio --data digits:20,10");
}

TEST_F(TrainErrors, ALossThatIsNotFiniteKeepsTheBestEpoch) {
  folder_.put("deep.json", R"({"layers": [{"conv2d": 8}, "flatten", {"dense": 64}, {"dense": 64}, {"dense": 64},
    {"dense": 64}, {"dense": 10}]})");
  // The rate rises from step to step: at first all is well, then it explodes.
  const std::string options =
      "train --data digits:300,50 --model deep.json --optimizer sgd --lr 1e5 --schedule constant,warmup=1000000 "
      "--epochs 30";
  EXPECT_EQ(run(options), 2);
  EXPECT_THAT(err_, testing::ContainsRegex("not finite.*\\(model.telaio holds the best model up to epoch [0-9]+\\)"));
  const std::string before = read("model.telaio");
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  for (const Tensor& value : file.model.values())
    for (const double number : value.to_vector<double>()) ASSERT_TRUE(std::isfinite(number));
  good("evaluate --model model.telaio --data digits:20,10");
  // Going on meets the same, and the file is still there.
  EXPECT_EQ(run(options + " --resume"), 2);
  EXPECT_THAT(err_, HasSubstr("not finite"));
  EXPECT_TRUE(read("model.telaio") == before);
}

TEST_F(TrainErrors, AFirstEpochThatFailsLeavesAnEarlierModelAlone) {
  good("train --data digits:300,50 --epochs 1");
  const std::string before = read("model.telaio");
  EXPECT_EQ(run("train --data digits:300,50 --optimizer sgd --lr 1e8 --epochs 3"), 2);
  EXPECT_THAT(err_, EndsWith(" (model.telaio is as it was)\n"));
  EXPECT_TRUE(read("model.telaio") == before);
}

TEST_F(TrainErrors, StandardisationIsKeptWithParametersFromBeforeAFailure) {
  EXPECT_EQ(run("train --data digits:300,50 --optimizer sgd --lr 1e8 --epochs 3 --standardize pixels"), 2);
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  EXPECT_TRUE(file.standardization.pixels && file.standardization.mean.defined());
}

}  // namespace
}  // namespace telaio::cli

#endif
