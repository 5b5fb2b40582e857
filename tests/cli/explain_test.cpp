// `telaio explain`: its numbers are the library's, its picture is one, and what it refuses.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/insight/attribution.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

class ExplainCommand : public Program {
 protected:
  void SetUp() override {
    digits_ = nn::make_digits({.train = 10, .test = 3}).test;
    const std::vector<uint8_t> pixels = digits_.inputs.to_vector<uint8_t>();
    for (int i = 0; i < 3; ++i)
      folder_.put(fmt::format("{}.png", i),
                  nn::encode_png({28, 28, 1, {pixels.begin() + 784 * i, pixels.begin() + 784 * (i + 1)}}));
  }
  void save(const char* name, const nn::Layer& network, const Shape& sample, std::vector<std::string> classes = {}) {
    nn::save_model(path(name), {nn::Model(network, sample), std::move(classes)});
  }
  void save_cnn() { save("cnn.telaio", nn::network_named("cnn"), {28, 28, 1}); }
  std::string message(const std::string& options) {
    const std::string line = refused("explain " + options);
    EXPECT_THAT(line, StartsWith("telaio explain: "));
    return line.substr(line.find(": ") + 2);
  }

  nn::Samples digits_;
};

void expect_map(const json::value& rows, const Array& map) {
  const json::array& all = rows.as_array();
  ASSERT_EQ(all.size(), 28U);
  for (size_t r = 0; r < 28; ++r) {
    ASSERT_EQ(all[r].as_array().size(), 28U);
    for (size_t c = 0; c < 28; ++c)
      ASSERT_EQ(static_cast<float>(all[r].at(c).to_number<double>()), map.data<float>()[28 * r + c]) << r << " " << c;
  }
}

TEST_F(ExplainCommand, HasTheNumbersOfTheLibrary) {
  good("train --data digits:600,100 --model cnn --epochs 1 --standardize center,pixels --quiet");
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  const Array images = nn::images_of(digits_, file.standardization, "test");
  const nn::ImageModel model(file.model, file.standardization);
  for (const std::string asked : {"", "7"}) {
    const nn::Attribution attribution(model, images, std::vector<int64_t>(asked.empty() ? 0 : 3, 7));
    const json::value root =
        good_json("explain --model model.telaio --json 0.png 1.png 2.png" + (asked.empty() ? "" : " --class " + asked));
    const json::value said = good_json("predict --model model.telaio --json 0.png 1.png 2.png");
    EXPECT_EQ(root.at("model").as_string(), "model.telaio");
    ASSERT_EQ(root.at("images").as_array().size(), 3U);
    const auto gradient = attribution.gradient_times_input(), grad_cam = attribution.grad_cam("conv2");
    const nn::IntegratedGradients integrated = attribution.integrated_gradients();
    const nn::Occlusion occlusion = attribution.occlusion();
    for (size_t i = 0; i < 3; ++i) {
      const json::value& one = root.at("images").at(i);
      EXPECT_EQ(one.at("image").as_string(), fmt::format("{}.png", i));
      EXPECT_EQ(one.at("predicted"), said.at(i).at("class"));
      EXPECT_EQ(one.at("class"), asked.empty() ? one.at("predicted") : json::value(asked));
      const json::value& p = said.at(i).at("probabilities");
      EXPECT_NEAR(one.at("probability").as_double(), p.at(one.at("predicted").as_string()).as_double(), 1e-5);
      EXPECT_NEAR(one.at("class_probability").as_double(), p.at(one.at("class").as_string()).as_double(), 1e-5);
      EXPECT_DOUBLE_EQ(one.at("logit").as_double(),
                       attribution.logit(static_cast<int64_t>(i), attribution.classes()[i]));
      const json::value& methods = one.at("methods");
      EXPECT_EQ(methods.as_object().size(), 4U);
      expect_map(methods.at("gradient").at("map"), gradient[i]);
      expect_map(methods.at("integrated").at("map"), integrated.maps[i]);
      expect_map(methods.at("gradcam").at("map"), grad_cam[i]);
      expect_map(methods.at("occlusion").at("map"), occlusion.maps[i]);
      EXPECT_EQ(methods.at("gradcam").at("layer").as_string(), "conv2");
      EXPECT_DOUBLE_EQ(methods.at("integrated").at("sum").as_double(), integrated.sums[i]);
      EXPECT_DOUBLE_EQ(methods.at("integrated").at("difference").as_double(), integrated.differences[i]);
      const json::value& patch = methods.at("occlusion").at("patch");
      EXPECT_EQ(patch.at("row").as_int64(), occlusion.strongest[i].row);
      EXPECT_EQ(patch.at("column").as_int64(), occlusion.strongest[i].column);
      EXPECT_EQ(patch.at("side").as_int64(), 4);
      EXPECT_DOUBLE_EQ(patch.at("probability").as_double(), occlusion.strongest[i].probability);
    }
  }
  EXPECT_FALSE(exists("explain.png"));  // with --json only where --out is given
  EXPECT_EQ(good("explain --model model.telaio --json --threads 1 0.png --out x.png"),
            good("explain --model model.telaio --json --threads 4 0.png"));
  EXPECT_TRUE(exists("x.png"));
}

TEST_F(ExplainCommand, DrawsARowForEachImage) {
  save_cnn();
  const std::string text = good("explain --model cnn.telaio --image 0.png --image 1.png");
  for (const char* part : {"0.png: taken for ", "\n1.png: taken for ", "%)\n", "  integrated gradients add up to ",
                           "  a black patch of 4×4 pixels at row ", "\nRed speaks for the class, blue against it",
                           "\n  Grad-CAM  ", "\n  occlusion  ", "\nIt is in explain.png.\n"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("speaks for 4")));
  // Five tiles of 168 pixels with 8 behind each, and a margin of 8 at either side.
  const nn::Image two = nn::read_png(path("explain.png"));
  EXPECT_EQ(two.channels, 3);
  EXPECT_EQ(two.width, 5 * 176 + 16);
  good("explain --model cnn.telaio 0.png --out one.png");
  const nn::Image one = nn::read_png(path("one.png"));
  EXPECT_EQ(one.width, two.width);
  EXPECT_EQ(two.height - one.height, 26 + 168 + 8 + 14);  // title, tile, margin, caption
  good("explain --model cnn.telaio 0.png --out less.png --method occlusion");
  EXPECT_EQ(nn::read_png(path("less.png")).height, one.height);
  EXPECT_LT(nn::read_png(path("less.png")).width, one.width);
  EXPECT_EQ(names(),
            (std::vector<std::string>{"0.png", "1.png", "2.png", "cnn.telaio", "explain.png", "less.png", "one.png"}));
  EXPECT_THAT(good("explain --model cnn.telaio --class 4 0.png 1.png 2.png"),
              HasSubstr("; shown is what speaks for 4 ("));
}

TEST_F(ExplainCommand, ChoosesMethodAndLayer) {
  save_cnn();
  const auto methods = [&](const std::string& options) {
    return good_json("explain --json 0.png --model " + options).at("images").at(0).at("methods").as_object();
  };
  EXPECT_EQ(methods("cnn.telaio --method gradient").size(), 1U);
  EXPECT_TRUE(methods("cnn.telaio --method gradient").contains("gradient"));
  EXPECT_EQ(methods("cnn.telaio --method gradcam --layer conv1").at("gradcam").at("layer").as_string(), "conv1");
  EXPECT_NE(methods("cnn.telaio --method gradcam --layer conv1"), methods("cnn.telaio --method gradcam"));
  EXPECT_EQ(methods("cnn.telaio --layer conv1").size(), 4U);

  save("dense.telaio", nn::network_named("dense"), {28, 28, 1});
  EXPECT_EQ(methods("dense.telaio").size(), 3U);
  EXPECT_FALSE(methods("dense.telaio").contains("gradcam"));
  const std::string text = good("explain --model dense.telaio 0.png");
  EXPECT_THAT(text, HasSubstr("\nGrad-CAM is left out: the model has no convolutional layer.\n"));
  EXPECT_EQ(nn::read_png(path("explain.png")).width, 4 * 176 + 16);
}

TEST_F(ExplainCommand, InvertedAndOtherModels) {
  save_cnn();
  nn::Image inverted = nn::read_png(path("0.png"));
  for (uint8_t& p : inverted.pixels) p = static_cast<uint8_t>(255 - p);
  folder_.put("inverted.png", nn::encode_png(inverted));
  const auto first = [&](const std::string& options) {
    return good_json("explain --json --model " + options).at("images").at(0).at("methods");
  };
  EXPECT_EQ(first("cnn.telaio --invert inverted.png"), first("cnn.telaio 0.png"));
  EXPECT_FALSE(first("cnn.telaio inverted.png") == first("cnn.telaio 0.png"));

  // Yes or no, in colour: what speaks for yes speaks against no.
  save("one", nn::Sequential({nn::Flatten{}, nn::Dense{1, "sigmoid"}}), {28, 28, 3}, {"no", "yes"});
  const json::value yes = first("one --class yes 0.png"), no = first("one --class no 0.png");
  for (size_t r = 0; r < 28; ++r)
    for (size_t c = 0; c < 28; ++c)
      ASSERT_EQ(yes.at("integrated").at("map").at(r).at(c).to_number<double>(),
                -no.at("integrated").at("map").at(r).at(c).to_number<double>());
  EXPECT_NE(yes.at("integrated").at("sum").as_double(), 0);
}

TEST_F(ExplainCommand, RefusesWrongInput) {
  save_cnn();
  save("dense.telaio", nn::network_named("dense"), {28, 28, 1});
  save("line.telaio", nn::Sequential({nn::Flatten{}, nn::Dense{10}}), {28, 28, 1});
  save("one.telaio", nn::Sequential({nn::Flatten{}, nn::Dense{1}, nn::Softmax{}}), {28, 28, 1});
  save("row.telaio", nn::Sequential({nn::Dense{10}, nn::Softmax{}}), {784});
  folder_.put("wide.png", nn::encode_png({28, 30, 1, std::vector<uint8_t>(28 * 30, 9)}));
  folder_.put("text.png", "no image at all");
  std::filesystem::create_symlink("0.png", path("link.png"));
  save("model.png", nn::network_named("cnn"), {28, 28, 1});
  const std::pair<const char*, const char*> cases[] = {
      {"0.png", "the option '--model' is required but missing (see telaio explain --help)"},
      {"--model cnn.telaio", "the option '--image' is required but missing (see telaio explain --help)"},
      {"--model no.telaio 0.png", "no.telaio: cannot be read: No such file or directory"},
      {"--model cnn.telaio no.png", "no.png: cannot be read: No such file or directory"},
      {"--model cnn.telaio 0.png wide.png", "wide.png: the image has 28×30 pixels, the model takes 28×28"},
      {"--model cnn.telaio 0.png text.png", "text.png: byte 0: not a PNG image: "},
      {"--model cnn.telaio 0.png --class 10", "--class: unknown class '10': the classes are 0 1 2 3 4 5 6 7 8 9"},
      {"--model cnn.telaio 0.png --method lime",
       "--method is 'lime', expected gradient, integrated, gradcam, occlusion or all"},
      {"--model cnn.telaio 0.png --layer conv9", "model 'model': there is no layer 'conv9'; it has conv1, "},
      {"--model cnn.telaio 0.png --layer dense1",
       "Grad-CAM: layer 'dense1' gives [64], expected a layer that gives maps"},
      {"--model cnn.telaio 0.png --layer conv1 --method gradient", "--layer is for gradcam, --method is gradient"},
      {"--model dense.telaio 0.png --method gradcam",
       "dense.telaio: the model has no convolutional layer, which gradcam needs"},
      {"--model line.telaio 0.png", "line.telaio: the model is no classifier: "},
      {"--model one.telaio 0.png",
       "one.telaio: the model is no classifier: a softmax of a single output is always 1; expected a sigmoid, or an "
       "output for each class"},
      {"--model row.telaio 0.png", "row.telaio: the model takes samples of shape [784], no images"},
      {"--model cnn.telaio 1.png 0.png --out 0.png", "--out and an image are one file: 0.png"},
      {"--model cnn.telaio 0.png --out ./0.png", "--out and an image are one file: ./0.png"},
      {"--model cnn.telaio link.png --out 0.png", "--out and an image are one file: 0.png"},
      {"--model model.png 0.png --out model.png", "--out and --model are one file: model.png"},
      {"--model cnn.telaio 0.png --out x.svg", "x.svg: expected a name that ends in .png"},
      {"--model cnn.telaio 0.png --out no/x.png", "no/x.png: cannot be written: No such file or directory"},
      {"--model cnn.telaio 0.png --threads 0", "--threads is 0, expected 1 … 1024"},
  };
  for (const auto& [options, expected] : cases) EXPECT_THAT(message(options), StartsWith(expected));
}

}  // namespace
}  // namespace telaio::cli

#endif
