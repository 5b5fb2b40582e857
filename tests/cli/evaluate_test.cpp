// `telaio evaluate`, and what is no model file.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/ops/create.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

class EvaluateCommand : public Program {
 protected:
  void train() { good("train --data digits:600,100 --model linear --epochs 3 --quiet"); }
  std::string message(const std::string& options) {
    const std::string line = refused("evaluate " + options);
    EXPECT_THAT(line, StartsWith("telaio evaluate: "));
    return line.substr(line.find(": ") + 2);
  }
};

TEST_F(EvaluateCommand, PrintsTablesAndJson) {
  train();
  const boost::json::value result = good_json("evaluate --model model.telaio --data digits:600,100 --json");
  EXPECT_EQ(result.at("samples").as_int64(), 100);
  const auto& confusion = result.at("confusion").as_array();
  int64_t right = 0, all = 0;
  for (size_t t = 0; t < 10; ++t) {
    int64_t row = 0, column = 0;
    for (size_t p = 0; p < 10; ++p) {
      row += confusion[t].at(p).as_int64();
      column += confusion[p].at(t).as_int64();
    }
    all += row;
    const int64_t hit = confusion[t].at(t).as_int64();
    right += hit;
    const boost::json::value& of = result.at("classes").at(t);
    EXPECT_EQ(of.at("name").as_string(), std::to_string(t));
    EXPECT_EQ(of.at("images").as_int64(), row);
    EXPECT_DOUBLE_EQ(of.at("recall").as_double(), static_cast<double>(hit) / static_cast<double>(row));
    EXPECT_DOUBLE_EQ(of.at("precision").as_double(),
                     column == 0 ? 0 : static_cast<double>(hit) / static_cast<double>(column));
  }
  EXPECT_EQ(all, 100);
  EXPECT_DOUBLE_EQ(result.at("accuracy").as_double(), static_cast<double>(right) / 100);

  const std::string text = good("evaluate --model model.telaio --data digits:600,100");
  EXPECT_THAT(text, StartsWith(fmt::format("100 test images of digits:600,100: loss {:.4f}  accuracy {:.2f}%\n\nclass ",
                                           result.at("loss").as_double(), 100 * result.at("accuracy").as_double())));
  EXPECT_THAT(text, HasSubstr("\ntrue "));
  EXPECT_EQ(good("evaluate --model model.telaio --data digits:600,100 --threads 1"), text);
  EXPECT_THAT(good("evaluate --model model.telaio --data digits:600,100 --part train"),
              StartsWith("600 train images of digits:600,100: "));
  EXPECT_THAT(good("evaluate --model model.telaio --data digits:600,0"), StartsWith("600 train images"));
}

TEST_F(EvaluateCommand, ClassesAreFoundByName) {
  folder_.put("train.csv", "class,x,y\na,0,0.5\nb,1,0.5\nc,2,0.5\n");
  good("train --data train.csv --model linear --epochs 80 --lr 0.5 --quiet");
  folder_.put("other.csv", "class,x,y\nb,1,0.5\nc,2,0.5\nc,2,0.5\n");
  const boost::json::value result = good_json("evaluate --model model.telaio --data other.csv --json");
  EXPECT_EQ(boost::json::serialize(result.at("confusion")), "[[0,0,0],[0,1,0],[0,0,2]]");
  folder_.put("other.csv", "class,x,y\nb,1,0.5\nd,2,0.5\n");
  EXPECT_EQ(message("--model model.telaio --data other.csv"), "other.csv: class 'd' is none of the model's: a b c");
}

TEST_F(EvaluateCommand, ModelsOfTheLibrary) {
  // Without names of classes.
  const nn::Model plain(nn::Sequential({nn::Flatten{}, nn::Dense{10, "softmax"}}), {28, 28, 1}, {.name = "plain"});
  nn::save_model(path("plain"), {plain});
  EXPECT_EQ(good_json("evaluate --model plain --data digits:20,30 --json").at("classes").as_array().size(), 10u);
  const nn::Model few(nn::Sequential({nn::Flatten{}, nn::Dense{3, "softmax"}}), {28, 28, 1});
  nn::save_model(path("few"), {few});
  EXPECT_EQ(message("--model few --data digits:20,30"), "digits:20,30: 10 classes, the model tells 3 apart");
  const nn::Model numbers(nn::Sequential({nn::Flatten{}, nn::Dense{10}}), {28, 28, 1});
  nn::save_model(path("numbers"), {numbers});
  EXPECT_EQ(message("--model numbers --data digits:20,30"),
            "numbers: the model is no classifier: expected a softmax or a sigmoid for each class at its end, it gives "
            "[10] with a linear ending");
  // A yes or no.
  const nn::Model one(nn::Sequential({nn::Dense{1, "sigmoid"}}), {2});
  nn::save_model(path("one"), {one, {"no", "yes"}});
  folder_.put("answers.csv", "class,x,y\nno,0,0.5\nyes,1,0.5\n");
  EXPECT_EQ(good_json("evaluate --model one --data answers.csv --json").at("classes").as_array().size(), 2u);
}

TEST_F(EvaluateCommand, RefusesWrongInput) {
  train();
  folder_.put("table.csv", "0,1.5,2\n1,2,3\n");
  const std::pair<const char*, const char*> cases[] = {
      {"", "the option '--model' is required but missing (see telaio evaluate --help)"},
      {"--model nothing", "nothing: cannot be read: No such file or directory"},
      {"--model model.telaio --data nowhere", "nowhere: no such file or directory (nor a built-in data set: digits)"},
      {"--model model.telaio --part all", "--part is 'all', expected test or train"},
      {"--model model.telaio --part test --data digits:9,0", "digits:9,0: there is no test part"},
      {"--model model.telaio --data table.csv", "table.csv: samples of shape [2], but model.telaio takes [28,28,1]"},
      {"--model table.csv", "table.csv: not a safetensors file: "},
      {"--model model.telaio --threads 0", "--threads is 0, expected 1 … 1024 (see telaio evaluate --help)"},
  };
  for (const auto& [options, expected] : cases) EXPECT_THAT(message(options), StartsWith(expected));
}

TEST_F(EvaluateCommand, RefusesFilesThatAreNoModel) {
  train();
  const std::string whole = read("model.telaio");
  for (const size_t length : {size_t{0}, size_t{7}, size_t{8}, size_t{200}, whole.size() / 2, whole.size() - 1}) {
    folder_.put("cut.telaio", whole.substr(0, length));
    const std::string line = message("--model cut.telaio");
    EXPECT_THAT(line, StartsWith("cut.telaio: ")) << length;
    EXPECT_THAT(line, testing::ContainsRegex("cut off|not a safetensors file|begins with")) << length;
  }
  folder_.put("longer.telaio", whole + "x");
  EXPECT_THAT(message("--model longer.telaio"), StartsWith("longer.telaio: expected "));

  // Another program's file.
  nn::SafeTensors content;
  content.tensors.emplace_back("weight", zeros({3, 4}));
  nn::write_safetensors(path("other.safetensors"), content);
  EXPECT_EQ(message("--model other.safetensors"),
            "other.safetensors: no model of Telaio: the metadata have no \"format\"");
  // A model whose parameters have other shapes, names, or numbers.
  const nn::SafeTensors model = nn::read_safetensors(path("model.telaio"));
  const auto changed = [&](const std::function<void(nn::SafeTensors&)>& change) {
    nn::SafeTensors copy = model;
    change(copy);
    nn::write_safetensors(path("changed"), copy);
    return message("--model changed");
  };
  const auto at = [](nn::SafeTensors& file, const char* name) -> Tensor& {
    for (auto& [key, tensor] : file.tensors)
      if (key == name) return tensor;
    throw Error(name);
  };
  EXPECT_EQ(changed([&](nn::SafeTensors& f) {
              at(f, "dense1.weight") = zeros({10, 784});
            }),
            "changed: 'dense1.weight' is f32[10,784], the network needs f32[784,10]");
  EXPECT_EQ(changed([&](nn::SafeTensors& f) { at(f, "dense1.bias") = zeros({10}, f64); }),
            "changed: 'dense1.bias' is f64[10], the network needs f32[10]");
  EXPECT_EQ(changed([&](nn::SafeTensors& f) { f.tensors.pop_back(); }),
            "changed: the parameter 'dense1.bias' is missing");
  EXPECT_EQ(changed([&](nn::SafeTensors& f) { f.tensors.emplace_back("dense2.bias", zeros({1})); }),
            "changed: 'dense2.bias' is no parameter of the network");
  EXPECT_EQ(changed([&](nn::SafeTensors& f) { f.metadata["classes"] = R"(["a","b"])"; }),
            "changed: 2 classes, but the network tells 10 apart: its outputs are [10]");
}

}  // namespace
}  // namespace telaio::cli

#endif
