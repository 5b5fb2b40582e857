// `telaio invariance`: its numbers are those of the library and of evaluate, its pictures are well formed, and what it
// refuses.
#ifdef TELAIO_PROGRAM

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

class InvarianceCommand : public Program {
 protected:
  void train() {
    good("train --data digits:600,100 --model linear --epochs 3 --quiet");
    good("train --data digits:600,100 --model linear --epochs 1 --seed 2 --out other.telaio --quiet");
  }
};

TEST_F(InvarianceCommand, TheUnchangedImagesAreThoseOfEvaluate) {
  train();
  const json::value root =
      good_json("invariance --model model.telaio --model other.telaio --data digits:600,100 --per-class --json");
  EXPECT_EQ(root.at("data").as_string(), "digits:600,100");
  EXPECT_EQ(root.at("part").as_string(), "test");
  EXPECT_EQ(root.at("samples").as_int64(), 100);
  const json::array& models = root.at("models").as_array();
  ASSERT_EQ(models.size(), 2U);
  for (const json::value& model : models) {
    const std::string file(model.at("file").as_string());
    EXPECT_EQ(file, std::string(model.at("name").as_string()) + ".telaio");
    const json::value measured = good_json(fmt::format("evaluate --model {} --data digits:600,100 --json", file));
    std::vector<std::string> tests;
    size_t points = 0;
    for (const json::value& curve : model.at("curves").as_array()) {
      tests.emplace_back(curve.at("test").as_string());
      for (const json::value& point : curve.at("points").as_array()) {
        ++points;
        if (point.at("amount").as_double() != (tests.back() == "size" ? 1 : 0)) continue;
        EXPECT_EQ(point.at("accuracy").as_double(), measured.at("accuracy").as_double());
        for (size_t c = 0; c < 10; ++c)
          EXPECT_EQ(point.at("classes").at(c).as_double(), measured.at("classes").at(c).at("recall").as_double());
      }
    }
    EXPECT_EQ(points, 40U);
    EXPECT_THAT(tests, testing::ElementsAre("shift to the right", "shift down", "rotation", "size"));
  }
  EXPECT_NE(models[0].at("curves"), models[1].at("curves"));
}

TEST_F(InvarianceCommand, PrintsATableForEachTest) {
  train();
  const std::string text = good("invariance --model model.telaio --model other.telaio --data digits:600,100");
  for (const char* part :
       {"100 test images of digits:600,100, accuracy in percent\n", "\nshift to the right (pixels)\n",
        "\nshift down (pixels)\n", "\nrotation (degrees)\n", "\nsize (times)\n", "\nmodel ", "\nother "})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("classes")));
  const std::string classes = good("invariance --model model.telaio --data digits:600,100 --part train --per-class");
  EXPECT_THAT(classes, StartsWith("600 train images"));
  EXPECT_THAT(classes, HasSubstr("\n  classes, model\n"));
  EXPECT_THAT(classes, HasSubstr("\n9 "));
}

TEST_F(InvarianceCommand, DrawsAndWrites) {
  train();
  std::filesystem::rename(path("other.telaio"), path("a<&b.telaio"));
  const std::string models = "invariance --model model.telaio --model 'a<&b.telaio' --data digits:600,100";
  EXPECT_THAT(good(models + " --out curves.svg"), EndsWith("\nIt is in curves.svg.\n"));
  good(models + " --per-class --out page.html");
  good(models + " --out numbers.json");
  boost::property_tree::ptree tree;
  ASSERT_NO_THROW(boost::property_tree::read_xml(path("curves.svg"), tree));
  std::vector<std::string> texts;
  for (const auto& [name, child] : tree.get_child("svg"))
    if (name == "text") texts.push_back(child.data());
  for (const char* text : {"rotation", "degrees", "model", "a<&b", "100%", "0.5"})
    EXPECT_THAT(texts, testing::Contains(text));
  const std::string page = read("page.html");
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("model: share of each class that is recognised"));
  EXPECT_THAT(page, HasSubstr("<th>a&lt;&amp;b</th>"));
  for (const char* wrong : {"src=", "href=", "nan", "url("}) EXPECT_THAT(page, Not(HasSubstr(wrong)));
  EXPECT_EQ(json::parse(read("numbers.json")), good_json(models + " --json"));
}

TEST_F(InvarianceCommand, RefusesWrongInput) {
  train();
  nn::save_model(path("line.telaio"),
                 {.model = nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{10}}), {28, 28, 1})});
  nn::save_model(path("row.telaio"), {.model = nn::Model(nn::Sequential({nn::Dense{10}, nn::Softmax{}}), {784})});
  nn::save_model(path("small.telaio"),
                 {.model = nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{10}, nn::Softmax{}}), {8, 8, 1})});
  const std::pair<const char*, const char*> cases[] = {
      {"", "the option '--model' is required but missing (see telaio invariance --help)"},
      {"--model no.telaio", "no.telaio: cannot be read: No such file or directory"},
      {"--model model.telaio --out x.png", "x.png: expected a name that ends in .svg, .html or .json"},
      {"--model model.telaio --out no/x.svg", "no/x.svg: cannot be written: No such file or directory"},
      {"--model model.telaio --part all", "--part is 'all', expected test or train"},
      {"--model row.telaio", "row.telaio: the model takes samples of shape [784], expected images"},
      {"--model small.telaio --data digits:600,100",
       "digits:600,100: samples of shape [28,28,1], but small.telaio takes [8,8,1]"},
  };
  for (const auto& [options, expected] : cases)
    EXPECT_EQ(refused(fmt::format("invariance {}", options)), fmt::format("telaio invariance: {}", expected));
  EXPECT_THAT(refused("invariance --model model.telaio --model line.telaio"),
              HasSubstr("line.telaio: the model is no classifier"));
}

}  // namespace
}  // namespace telaio::cli

#endif
