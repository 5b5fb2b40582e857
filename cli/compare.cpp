// `telaio compare`: a dense against a convolutional net, on images and at widths that grow.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/summary.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/random.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "compare_plot.hpp"
#include "progress.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Compares a convolutional with a dense net, on images and at widths that grow.

Usage: telaio compare [--sizes N,…] [--widths N,…] [--inference] [--plot FILE.svg] [--json] [OPTIONS]

Both nets take grey images of N×N pixels and tell ten classes apart. At width W they are
  cnn     conv W 3×3 relu, max-pool 2, conv W 3×3 relu, max-pool 2, dense 2·W relu, dense 10 (below 10×10 without the
          second pool)
  dense   dense 16·W relu, dense 16·W relu, dense 10
For 28×28 and width 32 these are the nets that `telaio train --model cnn` and `--model dense` train.

A dense layer has a weight for each pair of a pixel and an output, so its parameters grow with the number of pixels. A
convolution uses the same few weights in every place of the image: its parameters do not depend on the image at all,
but its arithmetic does. (What grows of the cnn's parameters is the dense layer behind the convolutions.) Multiply-adds
are those of one image; "as dense" is how many parameters the cnn would need if each of its layers were a dense one
between the same two shapes. Images a second are measured here and now, on numbers drawn at random: steps of training
(forward, backward, Adam), or --inference.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio compare
  telaio compare --sizes 8,12,16,20,24,28,32 --widths 32 --plot compare.svg
  telaio compare --inference --batch 1 --threads 1     how long a single image takes
  telaio compare --json | jq '.rows[].cnn.parameters'  for a script

Exit code: 0, or 2 when something given is wrong.
)";

// The convolutions without padding leave nothing of a smaller image.
constexpr int64_t least_size = 8, most_size = 256, most_width = 1024;
/// With Adam's slots and gradients 16 bytes each.
constexpr int64_t most_parameters = 50'000'000;

std::vector<int64_t> parse_list(const std::string& option, const std::string& text, int64_t least, int64_t most) {
  std::vector<int64_t> numbers;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::string_view item = rest.substr(0, rest.find(','));
    more = item.size() < rest.size();
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    int64_t number = 0;
    const auto [stop, error] = std::from_chars(item.data(), item.data() + item.size(), number);
    if (error != std::errc() || stop != item.data() + item.size() || number < least || number > most)
      throw Error(fmt::format("--{} is '{}', expected whole numbers from {} to {} with commas between them", option,
                              text, least, most));
    numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

// As descriptions, which is how a user would write them.
std::string cnn(int64_t size, int64_t width) {
  const std::string conv = fmt::format(R"({{"conv2d": {{"filters": {}, "activation": "relu"}}}})", width);
  return fmt::format(R"({{"layers": [{0}, {{"max_pool2d": 2}}, {0},{1} "flatten",
    {{"dense": {{"units": {2}, "activation": "relu"}}}}, {{"dense": 10}}, "softmax"]}})",
                     conv, size >= 10 ? R"( {"max_pool2d": 2},)" : "", 2 * width);
}

std::string dense(int64_t width) {
  const std::string hidden = fmt::format(R"({{"dense": {{"units": {}, "activation": "relu"}}}})", 16 * width);
  return fmt::format(R"({{"layers": ["flatten", {0}, {0}, {{"dense": 10}}, "softmax"]}})", hidden);
}

// Before the net is made, which would take that much memory.
int64_t dense_parameters(int64_t size, int64_t width) {
  const int64_t hidden = 16 * width;
  return (size * size + 1) * hidden + (hidden + 1) * hidden + (hidden + 1) * 10;
}

struct Costs {
  int64_t parameters = 0, multiply_adds = 0, as_dense = 0;
  double images_per_second = 0;
};

struct Row {
  int64_t size = 0, width = 0;
  Costs cnn, dense;
};

/// Calls of f a second, once it has been compiled and has its memory.
double calls_per_second(double seconds, FunctionRef<void()> f) {
  using Clock = std::chrono::steady_clock;
  f();
  f();
  const auto begin = Clock::now();
  int64_t calls = 0;
  double passed = 0;
  do {
    f();
    ++calls;
    passed = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (passed < seconds);
  return static_cast<double>(calls) / passed;
}

Costs measure(const std::string& network, int64_t size, int64_t batch, double seconds, bool inference) {
  const nn::Model model(nn::parse_network(network, "network").network, {size, size, 1});
  Costs costs{model.parameter_count(), model.multiply_adds()};
  for (const nn::LayerInfo& layer : model.layers())
    if (layer.leaf && layer.multiply_adds > 0) costs.as_dense += nn::dense_equivalent(layer);
  const Tensor x = uniform({batch, size, size, 1}, random_key(1, 0)).eval();
  double steps = 0;
  if (inference) {
    steps = calls_per_second(seconds, [&] { model.predict(x, batch); });
  } else {
    const Tensor classes = zeros({batch}, i64).eval();
    nn::Trainer trainer(model);
    steps = calls_per_second(seconds, [&] { trainer.step(x, classes); });
  }
  costs.images_per_second = steps * static_cast<double>(batch);
  return costs;
}

json::object as_json(const Costs& costs) {
  return {{"parameters", costs.parameters},
          {"multiply_adds", costs.multiply_adds},
          {"parameters_as_dense", costs.as_dense},
          {"images_per_second", number(costs.images_per_second)}};
}

std::string table(const std::vector<Row>& rows, std::string_view mode) {
  using nn::with_commas;
  std::string out = fmt::format("{:>7} {:>6} {:>36} {:>26} {:>20}\n", "", "", "parameters", "multiply-adds an image",
                                fmt::format("images/s, {}", mode));
  out += fmt::format("{:>7} {:>6} {:>10} {:>14} {:>10} {:>13} {:>12} {:>10} {:>9}\n", "image", "width", "cnn",
                     "as dense", "dense", "cnn", "dense", "cnn", "dense");
  for (const Row& row : rows)
    out += fmt::format("{:>7} {:>6} {:>10} {:>14} {:>10} {:>13} {:>12} {:>10.0f} {:>9.0f}\n",
                       fmt::format("{0}x{0}", row.size), row.width, with_commas(row.cnn.parameters),
                       with_commas(row.cnn.as_dense), with_commas(row.dense.parameters),
                       with_commas(row.cnn.multiply_adds), with_commas(row.dense.multiply_adds),
                       row.cnn.images_per_second, row.dense.images_per_second);
  const Row& last = rows.back();
  const auto ratio = [](int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); };
  return out + fmt::format(
                   "\nOn {0}x{0} images at width {1} the dense net has {2:.1f} times the parameters of the cnn and "
                   "{3:.2f} times its arithmetic.\n",
                   last.size, last.width, ratio(last.dense.parameters, last.cnn.parameters),
                   ratio(last.dense.multiply_adds, last.cnn.multiply_adds));
}

std::string plot(const std::vector<Row>& rows, const std::vector<int64_t>& sizes, const std::vector<int64_t>& widths,
                 std::string_view mode) {
  std::vector<PlotPanel> panels{
      {"parameters", {}}, {"multiply-adds an image", {}}, {fmt::format("images/s, {}", mode), {}}};
  for (const int64_t width : widths)
    for (const bool is_cnn : {true, false}) {
      std::vector<double> values[3];
      for (const Row& row : rows) {
        if (row.width != width) continue;
        const Costs& costs = is_cnn ? row.cnn : row.dense;
        values[0].push_back(static_cast<double>(costs.parameters));
        values[1].push_back(static_cast<double>(costs.multiply_adds));
        values[2].push_back(costs.images_per_second);
      }
      for (size_t i = 0; i < panels.size(); ++i)
        panels[i].lines.push_back({fmt::format("{}, width {}", is_cnn ? "cnn" : "dense", width), std::move(values[i])});
    }
  return svg_plot("A convolutional and a dense net, ten classes", "pixels on a side of the image",
                  {sizes.begin(), sizes.end()}, panels);
}

}  // namespace

int compare(const std::vector<std::string>& arguments) {
  po::options_description options;
  // clang-format off
  options.add_options()
      ("sizes", po::value<std::string>()->value_name("N,…")->default_value("8,16,28"), "pixels on a side of the images")
      ("widths", po::value<std::string>()->value_name("N,…")->default_value("16,32"), "how wide the nets are")
      ("inference", po::bool_switch(), "measure inference, not steps of training")
      ("batch", po::value<int64_t>()->value_name("N")->default_value(128), "images at once")
      ("seconds", po::value<double>()->value_name("S")->default_value(0.5, "0.5"), "how long each net is measured")
      ("plot", po::value<std::string>()->value_name("FILE"), "draw it, too: a name that ends in .svg")
      ("json", po::bool_switch(), "print JSON on standard output, and nothing else");
  // clang-format on
  options.add(threads_option());
  const auto parsed = parse(arguments, options, {}, help_text, examples_text);
  if (!parsed) return ok;
  const po::variables_map& given = *parsed;
  const auto sizes = parse_list("sizes", given["sizes"].as<std::string>(), least_size, most_size);
  const auto widths = parse_list("widths", given["widths"].as<std::string>(), 1, most_width);
  const auto batch = given["batch"].as<int64_t>();
  if (batch < 1 || batch > 65'536) throw Error(fmt::format("--batch is {}, expected 1 … 65536", batch));
  const auto seconds = given["seconds"].as<double>();
  if (!(seconds > 0 && seconds <= 3600))
    throw Error(fmt::format("--seconds is {}, expected more than 0 and up to 3600", seconds));
  const std::string file = given.count("plot") ? given["plot"].as<std::string>() : "";
  if (given.count("plot")) check_output(file, {".svg"});
  if (const int64_t most = dense_parameters(sizes.back(), widths.back()); most > most_parameters)
    throw Error(
        fmt::format("on {0}x{0} images at width {1} the dense net would have {2} parameters, expected up to {3}",
                    sizes.back(), widths.back(), nn::with_commas(most), nn::with_commas(most_parameters)));
  const bool inference = given["inference"].as<bool>();
  const Threads threads(threads_of(given));

  std::vector<Row> rows;
  {
    const Progress progress(2 * sizes.size() * widths.size());
    for (const int64_t width : widths)
      for (const int64_t size : sizes) {
        progress.show(2 * rows.size(), fmt::format("cnn, {0}x{0}, width {1}", size, width));
        Row row{size, width, measure(cnn(size, width), size, batch, seconds, inference), {}};
        progress.show(2 * rows.size() + 1, fmt::format("dense, {0}x{0}, width {1}", size, width));
        row.dense = measure(dense(width), size, batch, seconds, inference);
        rows.push_back(row);
      }
  }
  const std::string mode = inference ? "inference" : "training";
  if (!file.empty()) nn::write_file(file, plot(rows, sizes, widths, mode));
  if (given["json"].as<bool>()) {
    json::array all;
    for (const Row& row : rows)
      all.push_back(json::object{
          {"size", row.size}, {"width", row.width}, {"cnn", as_json(row.cnn)}, {"dense", as_json(row.dense)}});
    json::object root{{"mode", mode}, {"batch", batch}, {"seconds", seconds}, {"threads", thread_count()}};
    if (!file.empty()) root["plot"] = file;
    root["rows"] = std::move(all);
    fmt::print("{}", nn::pretty(root));
    return ok;
  }
  fmt::print("{}", table(rows, mode));
  if (!file.empty()) fmt::print("The plot is in {}.\n", file);
  return ok;
}

}  // namespace telaio::cli
