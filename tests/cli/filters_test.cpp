// `telaio filters`: its numbers are the library's, its pictures are pictures, and what it refuses.
#ifdef TELAIO_PROGRAM

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/png.hpp>
#include <telaio/nn/insight/maximize.hpp>
#include <telaio/nn/insight/responses.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/ops/create.hpp>

#include "program.hpp"

namespace telaio::cli {
namespace {

namespace json = boost::json;

class FiltersCommand : public Program {
 protected:
  void train() { good("train --data digits:600,100 --model cnn --epochs 1 --quiet"); }
  nn::Image picture(const std::string& name) { return nn::read_png(path(name)); }
  std::string message(const std::string& options) {
    const std::string line = refused("filters " + options);
    EXPECT_THAT(line, StartsWith("telaio filters: "));
    return line.substr(line.find(": ") + 2);
  }
};

TEST_F(FiltersCommand, HasTheNumbersOfTheLibrary) {
  train();
  const nn::ModelFile file = nn::load_model(path("model.telaio"));
  const nn::ImageModel model(file.model);
  const json::value root =
      good_json("filters --model model.telaio --data digits:600,100 --steps 20 --seed 3 --json --out all.png");
  const nn::MaximizeOptions options{.steps = 20, .seed = 3};
  const Array images = nn::images_of(nn::load_dataset("digits:600,100").test, {}, "test");
  const json::array& layers = root.at("layers").as_array();
  ASSERT_EQ(layers.size(), 2U);
  for (const json::value& layer : layers) {
    const std::string name(layer.at("layer").as_string());
    const nn::FilterImages found = nn::maximize_filters(model, name, options);
    const auto strongest = nn::strongest_responses(model, name, images, 7);
    EXPECT_EQ(layer.at("sees").at(0).as_int64(), name == "conv1" ? 3 : 8);
    const json::array& filters = layer.at("filters").as_array();
    ASSERT_EQ(filters.size(), 32U);
    for (size_t f = 0; f < 32; ++f) {
      EXPECT_EQ(filters[f].at("filter").as_int64(), static_cast<int64_t>(f));
      EXPECT_DOUBLE_EQ(filters[f].at("value").to_number<double>(), found.best.values[f]);
      EXPECT_EQ(filters[f].at("dead").as_bool(), found.dead[f]);
      ASSERT_EQ(filters[f].at("pieces").as_array().size(), 7U);
      for (size_t k = 0; k < 7; ++k) {
        EXPECT_EQ(filters[f].at("pieces").at(k).at("image").as_int64(), strongest[f][k].image);
        EXPECT_DOUBLE_EQ(filters[f].at("pieces").at(k).at("value").to_number<double>(), strongest[f][k].value);
      }
    }
  }
  ASSERT_EQ(root.at("classes").as_array().size(), 10U);
  const auto faces = nn::maximize(model, nn::classes_of(model), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, options);
  for (size_t c = 0; c < 10; ++c)
    EXPECT_DOUBLE_EQ(root.at("classes").at(c).at("value").to_number<double>(), faces.values[c]);
  EXPECT_GT(picture("all.png").height, 1000);
}

TEST_F(FiltersCommand, DrawsWhatIsAskedFor) {
  train();
  const std::string text = good("filters --model model.telaio --steps 4");
  EXPECT_THAT(text, HasSubstr("conv1: 32 filters, each sees 3x3 pixels; "));
  EXPECT_THAT(text, HasSubstr("conv2: 32 filters, each sees 8x8 pixels; "));
  EXPECT_THAT(text, EndsWith("classes: 0 1 2 3 4 5 6 7 8 9\nThe picture is in filters.png.\n"));
  good("filters --model model.telaio --steps 4 --layer conv2 --out conv2.png");
  good("filters --model model.telaio --steps 4 --class 8 --out eight.png");
  EXPECT_GT(picture("filters.png").height, picture("conv2.png").height + 200);
  EXPECT_GT(picture("conv2.png").height, picture("eight.png").height);
  // The second pool leaves out the last row and column of its eleven: pixels 26 and 27 are seen by no feature.
  EXPECT_THAT(good("filters --model model.telaio --steps 2 --layer dense1 --out dense.png"),
              StartsWith("dense1: 64 filters, each sees 26x26 pixels; "));
}

TEST_F(FiltersCommand, ShowsWhatLayersMakeOfAnImage) {
  train();
  const std::vector<uint8_t> pixels = nn::make_digits({.train = 10, .test = 1}).test.inputs.to_vector<uint8_t>();
  folder_.put("five.png", nn::encode_png({28, 28, 1, pixels}));
  EXPECT_EQ(good("filters --model model.telaio --image five.png --out maps.png"),
            "What each layer makes of five.png is in maps.png.\n");
  good("filters --model model.telaio --image five.png --invert --out other.png");
  EXPECT_GT(picture("maps.png").height, 800);
  EXPECT_NE(picture("maps.png").pixels, picture("other.png").pixels);
}

// One filter is bright where its upper left pixel is, less its lower right one; the other never responds.
nn::Model two_filters(int64_t channels) {
  const nn::Model model(nn::Sequential({nn::Conv2D{2, 3, "relu"}, nn::Flatten{}, nn::Dense{2}, nn::Softmax{}}),
                        {8, 8, channels});
  std::vector<float> weights(static_cast<size_t>(9 * channels * 2), 0.0F);
  weights[0] = 1;
  weights[static_cast<size_t>(8 * channels * 2)] = -1;
  for (Variable variable : model.variables())
    if (variable.name() == "conv1.weight") variable.assign(from_data(weights, {3, 3, channels, 2}));
  return model;
}
using Colour = std::vector<int>;
Colour colour(const nn::Image& image, int64_t x, int64_t y) {
  const auto at = image.pixels.begin() + 3 * (y * image.width + x);
  return {at[0], at[1], at[2]};
}
// Pictures begin with a margin of 8 pixels and a title of 26, less the margin; tiles are 64 pixels of a side or nearly
// so.
constexpr int64_t first_x = 8, first_y = 26;

TEST_F(FiltersCommand, DrawsKernels) {
  nn::save_model(path("grey.telaio"), {.model = two_filters(1)});
  nn::save_model(path("colour.telaio"), {.model = two_filters(3)});
  good("filters --model grey.telaio --steps 2 --layer conv1 --out grey.png");
  good("filters --model colour.telaio --steps 2 --layer conv1 --out colour.png");
  const nn::Image grey = picture("grey.png"), coloured = picture("colour.png");
  const int64_t pixel = 21;  // of the three in a tile
  EXPECT_EQ(colour(grey, first_x + 3, first_y + 3), (Colour{178, 24, 43}));
  EXPECT_EQ(colour(grey, first_x + pixel + 3, first_y + 3), (Colour{255, 255, 255}));
  EXPECT_EQ(colour(grey, first_x + 2 * pixel + 3, first_y + 2 * pixel + 3), (Colour{33, 102, 172}));
  EXPECT_EQ(colour(grey, first_x + 3 * pixel + 8 + 3, first_y + 3), (Colour{255, 255, 255}));
  EXPECT_EQ(colour(coloured, first_x + 3, first_y + 3), (Colour{255, 128, 128}));
  EXPECT_EQ(colour(coloured, first_x + 2 * pixel + 3, first_y + 2 * pixel + 3), (Colour{0, 128, 128}));
}

TEST_F(FiltersCommand, DrawsMapsOnOneScale) {
  nn::save_model(path("grey.telaio"), {.model = two_filters(1)});
  std::vector<uint8_t> dot(64, 0);
  dot[2 * 8 + 3] = 255;  // row 2, column 3: where unit (2, 3) of the map has its upper left pixel
  folder_.put("dot.png", nn::encode_png({8, 8, 1, dot}));
  good("filters --model grey.telaio --image dot.png --out maps.png");
  const nn::Image maps = picture("maps.png");
  EXPECT_EQ(colour(maps, first_x + 3 * 8 + 2, first_y + 2 * 8 + 2), (Colour{255, 255, 255}));
  EXPECT_EQ(colour(maps, first_x + 2 * 8 + 2, first_y + 2 * 8 + 2), (Colour{0, 0, 0}));
  const int64_t below = first_y + 64 + 8 + 26, pixel = 11;  // six pixels in a tile
  EXPECT_EQ(colour(maps, first_x + 3 * pixel + 2, below + 2 * pixel + 2), (Colour{255, 255, 255}));
  EXPECT_EQ(colour(maps, first_x + 4 * pixel + 2, below + 2 * pixel + 2), (Colour{0, 0, 0}));
  const int64_t second = first_x + 6 * pixel + 8;  // all 0: the least of the layer
  for (int64_t x = 0; x < 6; ++x)
    EXPECT_EQ(colour(maps, second + x * pixel + 2, below + 2 * pixel + 2), (Colour{0, 0, 0})) << x;
}

TEST_F(FiltersCommand, DrawsPiecesOfImages) {
  nn::save_model(path("grey.telaio"), {.model = two_filters(1), .class_names = {"a", "b"}});
  for (int i = 0; i < 4; ++i) {
    std::vector<uint8_t> dot(64, 0);
    dot[static_cast<size_t>(8 * (i + 1) + i)] = static_cast<uint8_t>(100 + 40 * i);
    folder_.put(fmt::format("dots/{}/{}.png", i % 2 ? "b" : "a", i), nn::encode_png({8, 8, 1, dot}));
  }
  const json::value root =
      good_json("filters --model grey.telaio --steps 2 --layer conv1 --data dots --json --out all.png");
  const json::value& pieces = root.at("layers").at(0).at("filters").at(0).at("pieces");
  ASSERT_EQ(pieces.as_array().size(), 4U);
  for (size_t k = 0; k < 4; ++k) {  // the brightest dot first, at the upper left pixel of what the unit sees
    const auto dot = static_cast<int64_t>(3 - k);
    EXPECT_EQ(pieces.at(k).at("row").as_int64(), dot + 1);
    EXPECT_EQ(pieces.at(k).at("column").as_int64(), dot);
    EXPECT_NEAR(pieces.at(k).at("value").as_double(), static_cast<double>(100 + 40 * dot) / 255, 1e-6);
  }
  const nn::Image all = picture("all.png");
  const int64_t row = 63 + 8 + 14, grid = first_y + 2 * (row + 26);  // kernels, images, then pieces
  for (int64_t k = 0; k < 4; ++k) {
    const int64_t left = first_x + (k + 1) * (63 + 8), value = 100 + 40 * (3 - k);
    EXPECT_EQ(colour(all, left + 3, grid + 3)[0], value) << k;
    EXPECT_EQ(colour(all, left + 21 + 3, grid + 21 + 3)[0], 0) << k;
  }
}

TEST_F(FiltersCommand, NamesWhatIsDead) {
  const nn::Model model(nn::network_named("cnn"), {28, 28, 1});
  std::vector<float> bias(32, 0.0F);
  bias[3] = bias[17] = -1000;
  for (Variable variable : model.variables())
    if (variable.name() == "conv2.bias") variable.assign(from_data(bias, {32}));
  nn::save_model(path("dead.telaio"), {.model = model});
  EXPECT_THAT(
      good("filters --model dead.telaio --layer conv2 --steps 60"),
      StartsWith("conv2: 32 filters, each sees 8x8 pixels; 2 dead, no image was found that moves them: 3 17\n"));
}

TEST_F(FiltersCommand, RefusesWrongInput) {
  train();
  nn::save_model(path("dense.telaio"), {.model = nn::Model(nn::network_named("dense"), {28, 28, 1})});
  nn::save_model(path("row.telaio"), {.model = nn::Model(nn::Sequential({nn::Dense{10}, nn::Softmax{}}), {784})});
  folder_.put("small.png", nn::encode_png({2, 3, 1, std::vector<uint8_t>(6)}));
  const std::pair<const char*, const char*> cases[] = {
      {"", "the option '--model' is required but missing (see telaio filters --help)"},
      {"--model no.telaio", "no.telaio: cannot be read: No such file or directory"},
      {"--model dense.telaio",
       "dense.telaio: the model has no convolutional layers; --layer and --class show what else it has"},
      {"--model row.telaio", "model 'model': it takes samples of shape [784], expected images"},
      {"--model model.telaio --layer conv3",
       "model 'cnn': there is no layer 'conv3'; it has conv1, max_pool1, conv2, max_pool2, flatten1, dense1, dense2, "
       "softmax1"},
      {"--model model.telaio --class 10", "--class: unknown class '10': the classes are 0 1 2 3 4 5 6 7 8 9"},
      {"--model model.telaio --out x.svg", "x.svg: expected a name that ends in .png"},
      {"--model model.telaio --out no/x.png", "no/x.png: cannot be written: No such file or directory"},
      {"--model model.telaio --steps 0", "--steps is 0, expected at least 1"},
      {"--model model.telaio --part test", "--part says which part of the images, but there is no --data"},
      {"--model model.telaio --invert", "--invert is about --image, which is not given"},
      {"--model model.telaio --class 1 --data digits:60,10",
       "--data: classes have no pieces of images; leave out --class or --data"},
      {"--model model.telaio --image small.png", "small.png: the image has 2×3 pixels, the model takes 28×28"},
      {"--model model.telaio --image ./small.png --out small.png", "--out and --image are one file: small.png"},
      {"--model model.telaio --image small.png --seed 2", "--image shows all layers as they are; leave out --seed"},
      {"--model model.telaio --image small.png --layer conv1",
       "--image shows all layers as they are; leave out --layer"},
  };
  for (const auto& [options, expected] : cases) EXPECT_EQ(message(options), expected);
}

}  // namespace
}  // namespace telaio::cli

#endif
