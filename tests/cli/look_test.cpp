// The commands that show things: `telaio summary`, `telaio graph`, and `telaio data`.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

using SummaryCommand = Program;
using GraphCommand = Program;
using DataCommand = Program;

TEST_F(SummaryCommand, IsKerassTable) {
  EXPECT_EQ(good("summary"), good("summary --model cnn --input 28,28,1"));
  EXPECT_EQ(out_,
            R"(Model: "cnn"
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
}

TEST_F(SummaryCommand, Json) {
  const std::pair<const char*, std::pair<int64_t, int64_t>> networks[] = {{"cnn", {61'482, 1'361'664}},
                                                                          {"dense", {669'706, 668'672}},
                                                                          {"linear", {7'850, 7'840}},
                                                                          {"lenet", {61'706, 416'520}}};
  for (const auto& [name, numbers] : networks) {
    const json::value summary = good_json(fmt::format("summary --model {} --json", name));
    EXPECT_EQ(summary.at("model").as_string(), name);
    EXPECT_EQ(json::serialize(summary.at("input")), "[28,28,1]");
    EXPECT_EQ(summary.at("parameters").as_int64(), numbers.first);
    EXPECT_EQ(summary.at("trainable_parameters").as_int64(), numbers.first);
    EXPECT_EQ(summary.at("multiply_adds").as_int64(), numbers.second);
    int64_t parameters = 0, multiply_adds = 0;
    for (const json::value& layer : summary.at("layers").as_array()) {
      parameters += layer.at("parameters").as_int64();
      multiply_adds += layer.at("multiply_adds").as_int64();
    }
    EXPECT_EQ(parameters, numbers.first);
    EXPECT_EQ(multiply_adds, numbers.second);
  }
  const json::value cnn = good_json("summary --json");
  EXPECT_EQ(json::serialize(cnn.at("layers").at(0)),
            R"({"name":"conv1","type":"conv2d","output":[26,26,32],"parameters":320,"multiply_adds":194688,)"
            R"("dense_equivalent":16981120})");
  EXPECT_EQ(cnn.at("layers").at(2).at("dense_equivalent").as_int64(), 20'943'648);
  EXPECT_FALSE(cnn.at("layers").at(1).as_object().contains("dense_equivalent"));
}

TEST_F(SummaryCommand, OfFilesAndOtherShapes) {
  EXPECT_THAT(good("summary --model linear --input 32x32x3"), HasSubstr("Total params: 30,730"));
  folder_.put("net.json", R"({"input": [8, 8, 2], "layers": [{"conv2d": 3}, "batch_norm", "flatten", {"dense": 2}]})");
  EXPECT_THAT(good("summary --model net.json"), HasSubstr("conv1 (conv2d)"));
  EXPECT_THAT(out_, HasSubstr("Model: \"net\"\n"));
  EXPECT_THAT(out_, HasSubstr("Non-trainable params: 6 (24 B)\n")) << "mean and variance of three channels";
  good("train --data digits:50,10 --model linear --epochs 1 --quiet");
  EXPECT_EQ(good("summary --model model.telaio"), good("summary --model linear"));
  good("summary --model model.telaio --input 28,28,1");
}

TEST_F(SummaryCommand, RefusesWrongInput) {
  folder_.put("net.json", R"({"input": [8, 8, 2], "layers": ["flatten", {"conv2d": 2}]})");
  good("train --data digits:50,10 --model linear --epochs 1 --quiet");
  const std::pair<const char*, const char*> cases[] = {
      {"--model cn", "there is no model 'cn': expected cnn, dense, linear, lenet, or a file"},
      {"--input 0", "'0' is no shape: expected sizes of 1 or more, as in 28,28,1 (see telaio summary --help)"},
      {"--input 1,,2", "'1,,2' is no shape: "},
      {"--input 1,2,", "'1,2,' is no shape: "},
      {"--input abc", "'abc' is no shape: "},
      {"--input 1,1,1,1,1,1,1,1,1", "'1,1,1,1,1,1,1,1,1' is no shape: "},
      {"--input 2,2,1",
       "conv1 (conv2d): the window's height 3 is more than the image's 2 (image f32[1,2,2,1]   filter f32[3,3,1,32])"},
      {"--model net.json", "net.json: conv1 (conv2d): expected images [N,H,W,C] (input f32[1,128])"},
      {"--model net.json --input 9,9,2", "net.json: the model takes samples of shape [8,8,2], --input is [9,9,2]"},
      {"--model model.telaio --input 3", "model.telaio: the model takes samples of shape [28,28,1], --input is [3]"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_THAT(refused(fmt::format("summary {}", options)), StartsWith(fmt::format("telaio summary: {}", expected)));
}

TEST_F(GraphCommand, WritesGraphvizsLanguage) {
  EXPECT_EQ(good("graph --model linear --out linear.dot"), "linear.dot shows the graph of linear\n");
  const std::string forward = read("linear.dot");
  EXPECT_THAT(forward, StartsWith("digraph telaio {"));
  for (const char* part : {"label=\"dense1\"", "matmul", "dense1.weight", "#cfe3ff"})
    EXPECT_THAT(forward, HasSubstr(part));
  EXPECT_EQ(good("graph --model linear --backward --out step.dot"), "step.dot shows the step of linear\n");
  const std::string backward = read("step.dot");
  EXPECT_GT(backward.size(), forward.size());
  const auto count = [](const std::string& text, std::string_view part) {
    int64_t found = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  };
  const json::value said = good_json("graph --model linear --backward --json --out again.dot");
  EXPECT_EQ(read("again.dot"), backward);
  EXPECT_EQ(said.at("file").as_string(), "again.dot");
  EXPECT_EQ(said.at("model").as_string(), "linear");
  EXPECT_TRUE(said.at("backward").as_bool());
  // Constants that are single numbers stand in their users, so there may be more nodes than boxes; the ends have boxes,
  // too.
  EXPECT_GE(said.at("nodes").to_number<int64_t>(),
            count(backward, "[label=\"") - count(backward, " -> ") - count(backward, "\"output "));
  EXPECT_GT(said.at("nodes").to_number<int64_t>(),
            good_json("graph --model linear --json --out f.dot").at("nodes").to_number<int64_t>());
}

TEST_F(GraphCommand, OfFiles) {
  good("train --data digits:50,10 --model linear --epochs 1 --quiet --output sigmoid");
  for (const char* options : {"", "--backward"})
    EXPECT_THAT(good(fmt::format("graph --model model.telaio --out m.dot {}", options)), HasSubstr("of linear\n"));
  folder_.put("net.json", R"({"input": [7], "layers": [{"dense": 2}]})");
  for (const char* options : {"", "--backward"}) good(fmt::format("graph --model net.json --out n.dot {}", options));
}

TEST_F(GraphCommand, DrawsPicturesWhereGraphvizIs) {
  if (std::system("dot -V >/dev/null 2>&1") == 0) {
    EXPECT_EQ(good("graph --model linear --out linear.svg"), "linear.svg shows the graph of linear\n");
    EXPECT_THAT(read("linear.svg"), HasSubstr("<svg"));
    EXPECT_EQ(names(), std::vector<std::string>{"linear.svg"});
  }
  // As if it were not there.
  const char* path = std::getenv("PATH");
  const std::string before = path ? path : "";
  setenv("PATH", "/nowhere", 1);
  const std::string line = refused("graph --model linear --out other.svg");
  setenv("PATH", before.c_str(), 1);
  EXPECT_EQ(
      line,
      "telaio graph: cannot run Graphviz's dot: No such file or directory; install graphviz, or write a .dot file");
}

TEST_F(GraphCommand, RefusesWrongInput) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "the option '--out' is required but missing (see telaio graph --help)"},
      {"--out x.png", "x.png: expected a name that ends in .dot or .svg"},
      {"--out no/x.dot", "no/x.dot: cannot be written: No such file or directory"},
      {"--model mod --out x.dot", "there is no model 'mod': expected cnn, dense, linear, lenet, or a file"},
      {"--input 3 --out x.dot", "conv1 (conv2d): expected images [N,H,W,C] (input f32[1,3])"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_EQ(refused(fmt::format("graph {}", options)), fmt::format("telaio graph: {}", expected));
}

TEST_F(DataCommand, WritesTheBuiltInDigits) {
  EXPECT_EQ(good("data --out few --count 120 --test-count 30 --seed 7"),
            "few holds 120 training and 30 test images of 28×28: telaio train --data few\n");
  const nn::Dataset made = nn::make_digits({.train = 120, .test = 30, .seed = 7}), read = nn::load_idx(path("few"));
  for (const auto part : {&nn::Dataset::train, &nn::Dataset::test}) {
    EXPECT_EQ((read.*part).inputs.spec(), (made.*part).inputs.spec());
    EXPECT_EQ((read.*part).inputs.to_vector<uint8_t>(), (made.*part).inputs.to_vector<uint8_t>());
    EXPECT_EQ(nn::label_values(read.*part), nn::label_values(made.*part));
    EXPECT_EQ((read.*part).class_names, (made.*part).class_names);
  }
  const json::value said = good_json("data --out deep/er --count 20 --test-count 10 --json --threads 1");
  EXPECT_EQ(json::serialize(said), R"({"directory":"deep/er","train":20,"test":10})");
  EXPECT_EQ(nn::load_idx(path("deep/er")).train.inputs.to_vector<uint8_t>(),
            nn::make_digits({.train = 20, .test = 10}).train.inputs.to_vector<uint8_t>());
  EXPECT_EQ(good("data --out one --count 10 --test-count 0"),
            "one holds 10 training and 0 test images of 28×28: telaio train --data one\n");
  EXPECT_TRUE(nn::load_idx(path("one")).test.empty());
}

TEST_F(DataCommand, WritesThemAsImages) {
  EXPECT_EQ(good("data --png --out png --count 100 --test-count 30"),
            "png holds 100 training and 30 test images of 28×28: telaio train --data png\n");
  const nn::Dataset made = nn::make_digits({.train = 100, .test = 30}), read = nn::load_dataset(path("png"));
  EXPECT_EQ(read.train.class_names, made.train.class_names);
  EXPECT_EQ(nn::count_per_class(read.train), nn::count_per_class(made.train));
  // The files are in the order of their classes, and within one of their numbers.
  std::vector<int64_t> rows;
  const std::vector<int64_t> labels = nn::label_values(made.test);
  for (int64_t c = 0; c < 10; ++c)
    for (int64_t i = 0; i < 30; ++i)
      if (labels[static_cast<size_t>(i)] == c) rows.push_back(i);
  EXPECT_EQ(read.test.inputs.to_vector<uint8_t>(), nn::take(made.test, rows).inputs.to_vector<uint8_t>());
}

TEST_F(DataCommand, RefusesWrongInput) {
  folder_.put("file", "");
  const std::pair<const char*, const char*> cases[] = {
      {"", "the option '--out' is required but missing (see telaio data --help)"},
      {"--out x --count 0", "--count is 0, expected at least 1"},
      {"--out x --count -3", "--count is -3, expected at least 1"},
      {"--out x --test-count -1", "--test-count is -1, expected at least 0"},
      {"--out x --count many", "the argument ('many') for option '--count' is invalid (see telaio data --help)"},
      {"--out x --seed -1", "--seed is -1, expected a whole number of at least 0 (see telaio data --help)"},
      {"--out file --count 3 --test-count 0", "file: the directory cannot be created: Not a directory"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_EQ(refused(fmt::format("data {}", options)), fmt::format("telaio data: {}", expected));
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace telaio::cli

#endif
