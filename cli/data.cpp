// `telaio data`: the built-in digits as files.
#include <fmt/format.h>

#include <telaio/nn/data/digits.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/nn/data/image_folder.hpp>
#include <telaio/nn/io/json.hpp>

#include "command.hpp"
#include "commands.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text =
    R"(Writes the built-in data set, digits drawn from strokes, as IDX files, the format of MNIST, or
as PNG images.

Usage: telaio data --out DIR [--png] [--count N] [--test-count N] [--seed N] [--json]

Telaio itself needs no files for it (--data digits): this is for other programs, and for looking at.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio data --out digits/
  telaio data --out few/ --count 1000 --test-count 100 --seed 7
  telaio data --out images/ --png --count 100 --test-count 20     for looking at, and for telaio predict

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int data(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("out", po::value<std::string>()->value_name("DIR")->required(),
                        "a directory, made if it is not there")(
      "png", po::bool_switch(), "as images, DIR/train/CLASS/NUMBER.png and DIR/test/CLASS/NUMBER.png")(
      "count", po::value<int64_t>()->value_name("N")->default_value(60'000), "training images")(
      "test-count", po::value<int64_t>()->value_name("N")->default_value(10'000), "test images")(
      "seed", po::value<int64_t>()->value_name("N")->default_value(1), "draws others")(
      "json", po::bool_switch(), "print JSON on standard output, and nothing else");
  options.add(threads_option());
  const auto given = parse(arguments, options, {}, help_text, examples_text);
  if (!given) return ok;
  const Threads threads(threads_of(*given));
  const auto& out = (*given)["out"].as<std::string>();
  for (const auto& [name, lowest] : {std::pair{"count", 1}, {"test-count", 0}})
    if (const int64_t count = (*given)[name].as<int64_t>(); count < lowest)
      throw Error(fmt::format("--{} is {}, expected at least {}", name, count, lowest));
  const nn::Dataset made = nn::make_digits({.train = (*given)["count"].as<int64_t>(),
                                            .test = (*given)["test-count"].as<int64_t>(),
                                            .seed = seed_of(*given)});
  if ((*given)["png"].as<bool>()) nn::write_image_folder(out, made);
  else nn::write_idx_dataset(out, made);
  if ((*given)["json"].as<bool>())
    fmt::print("{}",
               nn::pretty(json::object{{"directory", out}, {"train", made.train.size()}, {"test", made.test.size()}}));
  else
    fmt::print("{} holds {} training and {} test images of 28×28: telaio train --data {}\n", out, made.train.size(),
               made.test.size(), out);
  return ok;
}

}  // namespace telaio::cli
