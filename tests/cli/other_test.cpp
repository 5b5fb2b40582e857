// `telaio evaluate`, `predict`, `summary`, `graph` and `data`.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/safetensors.hpp>

#include "program.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class TrainedProgram : public Program {
 protected:
  void SetUp() override {
    Program::SetUp();
    ASSERT_EQ(run("train --data digits:1500,10 --model dense --epochs 3 --quiet --standardize pixels"), 0) << err_;
  }
};

TEST_F(TrainedProgram, EvaluatePrintsEachClassAndTheConfusion) {
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:10,400"), 0) << err_;
  EXPECT_THAT(out_, AllOf(StartsWith("400 test images of digits:10,400: loss "), HasSubstr("precision   recall"),
                          HasSubstr("\nmean "), HasSubstr("< predicted")));
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:10,400 --json --threads 1"), 0) << err_;
  const auto result = json(out_);
  int64_t all = 0, right = 0;
  const auto& rows = result.at("confusion").as_array();
  ASSERT_EQ(rows.size(), 10u);
  for (size_t t = 0; t < 10; ++t)
    for (size_t p = 0; p < 10; ++p) {
      all += rows[t].as_array()[p].as_int64();
      right += t == p ? rows[t].as_array()[p].as_int64() : 0;
    }
  EXPECT_EQ(all, 400);
  EXPECT_DOUBLE_EQ(result.at("accuracy").as_double(), static_cast<double>(right) / 400);
  EXPECT_EQ(result.at("classes").as_array()[3].at("name").as_string(), "3");
  ASSERT_EQ(run("evaluate --model model.telaio --data digits:300,400 --part train --json"), 0) << err_;
  EXPECT_EQ(json(out_).at("samples").as_int64(), 300);
}

TEST_F(TrainedProgram, EvaluateRefuses) {
  expect_refused("evaluate", "'--model' is required");
  expect_refused("evaluate --model none.telaio", "none.telaio: cannot be read: No such file or directory");
  expect_refused("evaluate --model model.telaio --part half", "--part is 'half', expected test or train");
  write("other.csv", "label,a\ncat,1\ndog,2\n");
  expect_refused("evaluate --model model.telaio --data other.csv", "class 'cat' is none of the model's: 0 1 2");
  write("wide.csv", "label,a\n0,1.5\n1,2\n");
  expect_refused("evaluate --model model.telaio --data wide.csv",
                 "expected samples of shape [28,28,1], the data have [1]");
  // Files that were cut off at any place, or are none.
  const std::string whole = content(at("model.telaio"));
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, size_t{3000}, whole.size() / 2, whole.size() - 1}) {
    write("cut.telaio", whole.substr(0, length));
    expect_refused("evaluate --model cut.telaio", "cut.telaio: ");
  }
  write("text.telaio", "no model at all, but some text that goes on for a while");
  expect_refused("evaluate --model text.telaio", "text.telaio: ");
}

TEST_F(TrainedProgram, RefusesModelFilesThatDoNotBelongTogether) {
  const nn::SafeTensors good = nn::read_safetensors(at("model.telaio").string());
  const auto refused = [&](auto&& change, const std::string& expected) {
    nn::SafeTensors changed = good;
    change(changed);
    nn::write_safetensors(at("changed.telaio").string(), changed);
    expect_refused("evaluate --model changed.telaio", "changed.telaio: " + expected);
  };
  refused([](nn::SafeTensors& f) { f.metadata.clear(); }, "no model of Telaio");
  refused([](nn::SafeTensors& f) { f.metadata["format"] = "x"; }, "expected the format telaio-model-1, got 'x'");
  refused([](nn::SafeTensors& f) { f.metadata["network"] = "{"; }, "line 1, column 2: no JSON");
  refused([](nn::SafeTensors& f) { f.metadata["network"] = R"({"input": [2], "layers": [{"conv2d": 3}]})"; },
          "conv1 (conv2d): expected images");
  refused([](nn::SafeTensors& f) { f.tensors.erase(f.tensors.begin()); }, "the parameter 'dense1.weight' is missing");
  refused(
      [](nn::SafeTensors& f) {
        f.tensors[0].second = zeros({3, 4});
      },
      "'dense1.weight' is f32[3,4], the network needs f32[784,512]");
  refused([](nn::SafeTensors& f) { f.tensors.emplace_back("dense9.bias", zeros({3})); },
          "'dense9.bias' is no parameter");
  refused([](nn::SafeTensors& f) { f.metadata["classes"] = "3"; }, "the classes are no list of names");
  refused([](nn::SafeTensors& f) { f.metadata["standardization"] = "shrink"; },
          "standardization: unknown option 'shrink'");
}

TEST_F(TrainedProgram, PredictsImages) {
  const nn::Samples digits = nn::make_digits({.train = 1, .test = 20}).test;
  const std::vector<uint8_t> pixels = digits.inputs.to_vector<uint8_t>();
  std::string images;
  for (size_t i = 0; i < 20; ++i) {
    const auto first = pixels.begin() + static_cast<int64_t>(i * 784);
    nn::write_png(at(fmt::format("{}.png", i)).string(), {28, 28, 1, std::vector<uint8_t>(first, first + 784)});
    images += fmt::format(" {}.png", i);
  }
  ASSERT_EQ(run("predict --model model.telaio --json" + images), 0) << err_;
  const auto answers = boost::json::parse(out_).as_array();
  ASSERT_EQ(answers.size(), 20u);
  const std::vector<int64_t> labels = nn::label_values(digits);
  int right = 0;
  for (size_t i = 0; i < 20; ++i) {
    double sum = 0;
    for (const auto& [name, probability] : answers[i].at("probabilities").as_object()) sum += probability.as_double();
    EXPECT_NEAR(sum, 1, 1e-5);
    right += answers[i].at("class").as_string() == std::to_string(labels[i]);
  }
  EXPECT_GT(right, 12) << "the pixels reach the model as they did in training";

  for (const auto& [option, classes] : {std::pair{"", 3}, {"--top 1", 1}, {"--top 10", 10}}) {
    ASSERT_EQ(run(fmt::format("predict --model model.telaio {} 0.png", option)), 0) << err_;
    EXPECT_EQ(std::count(out_.begin(), out_.end(), '%'), classes);
  }
  EXPECT_THAT(out_, StartsWith("0.png"));

  // In colour, and black on white, it is the same picture.
  const auto expect_the_same = [&] {
    const auto answer = boost::json::parse(out_).as_array()[0].at("probabilities").as_object();
    for (const auto& [name, probability] : answers[0].at("probabilities").as_object())
      EXPECT_NEAR(answer.at(name).as_double(), probability.as_double(), 1e-5);  // another batch size rounds otherwise
  };
  nn::Image colour{28, 28, 3, {}}, inverse{28, 28, 1, {}};
  for (size_t p = 0; p < 784; ++p) {
    for (int c = 0; c < 3; ++c) colour.pixels.push_back(pixels[p]);
    inverse.pixels.push_back(static_cast<uint8_t>(255 - pixels[p]));
  }
  nn::write_png(at("colour.png").string(), colour);
  nn::write_png(at("inverse.png").string(), inverse);
  ASSERT_EQ(run("predict --model model.telaio --json colour.png"), 0) << err_;
  expect_the_same();
  ASSERT_EQ(run("predict --model model.telaio --json --invert inverse.png"), 0) << err_;
  expect_the_same();

  expect_refused("predict --model model.telaio", "'--image' is required");
  expect_refused("predict --model model.telaio none.png", "none.png: cannot be read: No such file or directory");
  expect_refused("predict --model model.telaio --top 11 0.png", "--top is 11, expected 1 … 10");
  nn::write_png(at("small.png").string(), {2, 3, 1, {1, 2, 3, 4, 5, 6}});
  expect_refused("predict --model model.telaio 0.png small.png",
                 "small.png: the image has 2×3 pixels, the model takes 28×28");
  write("broken.png", content(at("0.png")).substr(0, 60));
  expect_refused("predict --model model.telaio broken.png", "broken.png: ");
}

class LookProgram : public Program {};

TEST_F(LookProgram, SummaryCountsParametersAndArithmetic) {
  struct Expected {
    const char* model;
    int64_t parameters, multiply_adds;
  };
  for (const auto& [model, parameters, macs] : {Expected{"cnn", 61'482, 1'361'664}, Expected{"dense", 669'706, 668'672},
                                                Expected{"linear", 7'850, 7'840}, Expected{"lenet", 61'706, 416'520}}) {
    ASSERT_EQ(run(fmt::format("summary --model {} --json", model)), 0) << err_;
    EXPECT_EQ(json(out_).at("parameters").as_int64(), parameters) << model;
    EXPECT_EQ(json(out_).at("multiply_adds").as_int64(), macs) << model;
  }
  ASSERT_EQ(run("summary"), 0);
  EXPECT_EQ(out_, R"(Model: "cnn"
Layer (type)            Output Shape        Param #       MACs  Dense equivalent
--------------------------------------------------------------------------------
conv1 (conv2d)          (None, 26, 26, 32)      320    194,688        16,981,120
max_pool1 (max_pool2d)  (None, 13, 13, 32)        0          0                  
conv2 (conv2d)          (None, 11, 11, 32)    9,248  1,115,136        20,943,648
max_pool2 (max_pool2d)  (None, 5, 5, 32)          0          0                  
flatten1 (flatten)      (None, 800)               0          0                  
dense1 (dense)          (None, 64)           51,264     51,200            51,264
dense2 (dense)          (None, 10)              650        640               650
softmax1 (softmax)      (None, 10)                0          0                  
--------------------------------------------------------------------------------
Total params: 61,482 (240.16 KB)
Trainable params: 61,482 (240.16 KB)
Non-trainable params: 0 (0 B)
Multiply-adds per sample: 1,361,664
)");
  ASSERT_EQ(run("summary --model cnn --input 32,32,3 --json"), 0);
  EXPECT_EQ(json(out_).at("layers").as_array()[0].at("parameters").as_int64(), 3 * 3 * 3 * 32 + 32);
  expect_refused("summary --input 28,x", "'28,x' is no shape");
  expect_refused("summary --input 2,2,1", "conv1 (conv2d): ");
  expect_refused("summary --model nothing", "there is no model 'nothing'");
}

TEST_F(LookProgram, GraphDrawsForwardAndBackward) {
  ASSERT_EQ(run("graph --model linear --out forward.dot"), 0) << err_;
  const std::string forward = content(at("forward.dot"));
  EXPECT_THAT(forward, AllOf(StartsWith("digraph"), HasSubstr("matmul"), HasSubstr("dense1"), HasSubstr("f32[1,28,28,1]")));
  ASSERT_EQ(run("graph --model linear --backward --out backward.dot --json"), 0) << err_;
  EXPECT_GT(content(at("backward.dot")).size(), forward.size());
  EXPECT_EQ(json(out_).at("file").as_string(), "backward.dot");
  EXPECT_GT(json(out_).at("nodes").as_int64(), 10);
  const int code = run("graph --model cnn --out cnn.svg");
  if (std::system("command -v dot >/dev/null 2>&1") == 0) {
    EXPECT_EQ(code, 0) << err_;
    EXPECT_THAT(content(at("cnn.svg")), AllOf(HasSubstr("<svg"), HasSubstr("conv1"), HasSubstr("</svg>")));
  } else {
    EXPECT_EQ(code, 2);
    EXPECT_THAT(err_, HasSubstr("install graphviz"));
  }
  expect_refused("graph --out cnn.png", "cnn.png: expected a name that ends in .dot or .svg");
  expect_refused("graph", "'--out' is required");
  expect_refused("graph --out no/such/a.dot", "no/such/a.dot: cannot be written");
}

TEST_F(LookProgram, DataWritesTheBuiltInDigits) {
  ASSERT_EQ(run("data --out a/b --count 30 --test-count 7 --seed 5 --json"), 0) << err_;
  EXPECT_EQ(json(out_).at("train").as_int64(), 30);
  const nn::Dataset made = nn::make_digits({.train = 30, .test = 7, .seed = 5});
  const nn::Dataset read = nn::load_dataset(at("a/b").string());
  EXPECT_EQ(read.train.inputs.to_vector<uint8_t>(), made.train.inputs.to_vector<uint8_t>());
  EXPECT_EQ(nn::label_values(read.train), nn::label_values(made.train));
  EXPECT_EQ(read.test.inputs.to_vector<uint8_t>(), made.test.inputs.to_vector<uint8_t>());
  expect_refused("data", "'--out' is required");
  expect_refused("data --out x --count 0", "expected at least one training image");
  write("file", "");
  expect_refused("data --out file", "file");
}

}  // namespace
}  // namespace telaio

#endif
