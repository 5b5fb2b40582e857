// `telaio predict`.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/train/evaluate.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

class PredictCommand : public Program {
 protected:
  void SetUp() override {
    const nn::Dataset digits = nn::make_digits({.train = 10, .test = 5});
    pixels_ = digits.test.inputs.to_vector<uint8_t>();
    for (int i = 0; i < 5; ++i) folder_.put(fmt::format("{}.png", i), nn::encode_png(image(i)));
  }
  nn::Image image(int i) const { return {28, 28, 1, {pixels_.begin() + 784 * i, pixels_.begin() + 784 * (i + 1)}}; }
  void train(const std::string& options = "") {
    good("train --data digits:600,100 --model linear --epochs 3 --quiet " + options);
  }
  std::string message(const std::string& options) {
    const std::string line = refused("predict " + options);
    EXPECT_THAT(line, StartsWith("telaio predict: "));
    return line.substr(line.find(": ") + 2);
  }

  std::vector<uint8_t> pixels_;
};

TEST_F(PredictCommand, SaysWhatTheModelSays) {
  train("--standardize pixels");
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  const std::vector<double> expected =
      nn::predict(file.model, from_data(pixels_, {5, 28, 28, 1}), file.standardization).to_vector<double>();
  const json::value all = good_json("predict --model model.telaio --json 0.png 1.png 2.png 3.png 4.png");
  ASSERT_EQ(all.as_array().size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const json::value& one = all.at(i);
    EXPECT_EQ(one.at("image").as_string(), fmt::format("{}.png", i));
    size_t best = 0;
    for (size_t c = 0; c < 10; ++c) {
      EXPECT_DOUBLE_EQ(one.at("probabilities").at(std::to_string(c)).as_double(), expected[10 * i + c]);
      if (expected[10 * i + c] > expected[10 * i + best]) best = c;
    }
    EXPECT_EQ(one.at("class").as_string(), std::to_string(best));
  }
  EXPECT_EQ(json::serialize(good_json("predict --model model.telaio --json --image 1.png").at(0)),
            json::serialize(all.at(1)));

  const std::string line = good("predict --model model.telaio --top 3 0.png");
  EXPECT_THAT(line, testing::MatchesRegex("0\\.png  [0-9] [0-9.]+%  [0-9] [0-9.]+%  [0-9] [0-9.]+%\n"));
  EXPECT_THAT(good("predict --model model.telaio 0.png 1.png"),
              testing::MatchesRegex("0\\.png(  [0-9] [0-9.]+%){3}\n1\\.png(  [0-9] [0-9.]+%){3}\n"));
  EXPECT_THAT(good("predict --model model.telaio --top 10 0.png"), HasSubstr("%  "));
}

TEST_F(PredictCommand, InvertedAndColouredImages) {
  train();
  nn::Image black_on_white = image(0), grey_in_colour{28, 28, 3, {}}, coloured = grey_in_colour;
  for (uint8_t& p : black_on_white.pixels) p = static_cast<uint8_t>(255 - p);
  for (const uint8_t p : image(0).pixels)
    for (int c = 0; c < 3; ++c) {
      grey_in_colour.pixels.push_back(p);
      coloured.pixels.push_back(c == 1 ? p : 0);
    }
  folder_.put("inverted.png", nn::encode_png(black_on_white));
  folder_.put("colour.png", nn::encode_png(grey_in_colour));
  folder_.put("green.png", nn::encode_png(coloured));
  const auto probabilities = [&](const std::string& options) {
    return good_json("predict --model model.telaio --json " + options).at(0).at("probabilities");
  };
  EXPECT_EQ(probabilities("--invert inverted.png"), probabilities("0.png"));
  EXPECT_EQ(probabilities("colour.png"), probabilities("0.png"));
  EXPECT_FALSE(probabilities("green.png") == probabilities("0.png"));
  EXPECT_FALSE(probabilities("inverted.png") == probabilities("0.png"));

  // A model of colour images takes grey ones as grey in colour.
  nn::save_model(path("colour"), {nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{3, "softmax"}}), {28, 28, 3}),
                                  {"red", "green", "blue"}});
  const json::value both = good_json("predict --model colour --json 0.png colour.png");
  EXPECT_EQ(both.at(0).at("probabilities"), both.at(1).at("probabilities"));
  EXPECT_TRUE(both.at(0).at("probabilities").as_object().contains("green"));
}

TEST_F(PredictCommand, OtherEndings) {
  nn::save_model(path("one"),
                 {nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{1, "sigmoid"}}), {28, 28, 1}), {"no", "yes"}});
  const json::value answer = good_json("predict --model one --json 0.png").at(0).at("probabilities");
  EXPECT_NEAR(answer.at("no").as_double() + answer.at("yes").as_double(), 1, 1e-12);
  nn::save_model(path("unnamed"), {nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{4, "softmax"}}), {28, 28, 1})});
  EXPECT_EQ(good_json("predict --model unnamed --json 0.png").at(0).at("probabilities").as_object().size(), 4u);
  nn::save_model(path("numbers"), {nn::Model(nn::Sequential({nn::Flatten{}, nn::Dense{4}}), {28, 28, 1})});
  EXPECT_THAT(message("--model numbers 0.png"), StartsWith("numbers: the model is no classifier: "));
  nn::save_model(path("vectors"), {nn::Model(nn::Sequential({nn::Dense{4, "softmax"}}), {7})});
  EXPECT_EQ(message("--model vectors 0.png"), "vectors: the model takes samples of shape [7], no images");
}

TEST_F(PredictCommand, RefusesWrongInput) {
  train();
  folder_.put("text.png", "no image at all");
  folder_.put("cut.png", read("0.png").substr(0, 100));
  folder_.put("wide.png", nn::encode_png({28, 30, 1, std::vector<uint8_t>(28 * 30, 9)}));
  const std::pair<const char*, const char*> cases[] = {
      {"--model model.telaio", "the option '--image' is required but missing (see telaio predict --help)"},
      {"0.png", "the option '--model' is required but missing (see telaio predict --help)"},
      {"--model model.telaio none.png", "none.png: cannot be read: No such file or directory"},
      {"--model none 0.png", "none: cannot be read: No such file or directory"},
      {"--model model.telaio text.png", "text.png: byte 0: not a PNG image: "},
      {"--model model.telaio cut.png", "cut.png: "},
      {"--model model.telaio wide.png", "wide.png: the image has 28×30 pixels, the model takes 28×28"},
      {"--model model.telaio --top 0 0.png", "--top is 0, expected 1 … 10"},
      {"--model model.telaio --top 11 0.png", "--top is 11, expected 1 … 10"},
      // Nothing is said of the first one where the second is wrong.
      {"--model model.telaio 0.png wide.png", "wide.png: "},
  };
  for (const auto& [options, expected] : cases) EXPECT_THAT(message(options), StartsWith(expected));
}

}  // namespace
}  // namespace telaio::cli

#endif
