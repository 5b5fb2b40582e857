#include "train_options.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "command.hpp"

namespace telaio::cli {

const char* const train_help = R"(Trains a classifier and keeps it in a file.

Usage: telaio train [OPTIONS]

Data (--data):   digits, the built-in set (digits:6000,1000 makes fewer); a directory of IDX files (MNIST,
                 Fashion-MNIST), of CIFAR-10's binary files, or of images CLASS/*.png; a .csv file
Model (--model): cnn     two 3×3 convolutions with max-pooling, dense 64, dense
                 dense   two hidden layers of 512
                 linear  no hidden layer
                 lenet   LeNet-5
                 FILE.json, a network as a list of layers:
                   {"layers": [{"conv2d": {"filters": 32, "activation": "relu"}}, "flatten", {"dense": 10}]}

Each epoch prints the loss and the accuracy on the training images while it learnt from them, and on those held back
for validation. The file gets the parameters of the epoch with the lowest validation loss (without validation: training
loss), and while the training runs all that --resume needs to go on. Where the data have a test part, it is measured at
the end. Ctrl-C stops after the present batch and keeps what there is.

)";

const char* const train_examples = R"(
Examples:
  telaio train                                              the cnn on the built-in digits
  telaio train --data mnist/ --model dense --epochs 10
  telaio train --validation-split 0.1 --history run.json    with validation, and the curves as JSON
  telaio train --validation-split 0.1 --tensorboard runs/a    and in TensorBoard, run beside run
  telaio train --augment shift=2,rotate=10,zoom=0.1         each image changed at random, anew in each epoch
  telaio train --augment shift=2,rotate=10 --augment-where hard     more copies of what it gets wrong
  telaio train --class-weight balanced                      rare classes count as much as frequent ones
  telaio train --report run.html --live                     a page for the browser, which follows the training
  telaio train --resume                                     goes on with model.telaio where it was stopped

Exit code: 0 when it has finished, 2 when something given is wrong or the loss is no longer finite, 130 after Ctrl-C.
)";

po::options_description train_options() {
  po::options_description options;
  const auto text = [](const char* name, const char* standard) {
    auto* value = po::value<std::string>()->value_name(name);
    return standard ? value->default_value(standard) : value;
  };
  const auto whole = [](const char* name) { return po::value<int64_t>()->value_name(name); };
  const auto number = [](const char* name, double standard, const char* shown) {
    return po::value<double>()->value_name(name)->default_value(standard, shown);
  };
  // clang-format off
  options.add_options()
      ("data", text("WHERE", "digits"), "what to learn from")
      ("model", text("NAME|FILE", "cnn"), "what learns")
      ("output", text("KIND", nullptr),
       "softmax: probabilities that add up to 1, with categorical cross-entropy (the default); sigmoid: one yes or no a "
       "class, with binary cross-entropy; the largest wins")
      ("epochs", whole("N")->default_value(5), "how often to go through the training images")
      ("batch-size", whole("N")->default_value(128), "images in a step")
      ("optimizer", text("RULE", "adam"),
       "adam, adamw, sgd, rmsprop or adagrad, with options: sgd,momentum=0.9,nesterov; each takes weight_decay, "
       "clip_norm and clip_value")
      ("lr", number("RATE", 0.002, "0.002"), "learning rate at the start")
      ("schedule", text("KIND", "cosine"),
       "of the learning rate: constant, cosine (to 0 at the end), step,every=2,factor=0.5, plateau,patience=2; with "
       ",warmup=EPOCHS it first rises from 0")
      ("validation-split", number("F", 0, "0"),
       "share of the training images, the last ones, that is held back for validation")
      ("early-stopping", whole("N"),
       "stop when the validation loss (without validation: training loss) has not improved for N epochs")
      ("class-weight", text("WEIGHTS", "none"),
       "balanced (the inverse of how frequent a class is), or CLASS=WEIGHT,…")
      ("augment", text("CHANGES", "none"),
       "random changes: shift=PIXELS, rotate=DEGREES, zoom=FRACTION, shear=DEGREES, flip, noise=DEVIATION, "
       "erase=PROBABILITY, brightness=FRACTION")
      ("augment-where", text("WHERE", "all"),
       "all; classes=4,9; or hard: changed copies of the images with the highest loss (hard,copies=0.5: half as many as "
       "there are images)")
      ("standardize", text("STEPS", "none"),
       "center (by centre of mass), deskew, pixels (mean 0, deviation 1), joined by commas")
      ("dropout", number("RATE", 0, "0"), "share of the values before the dense layers that is dropped")
      ("thin", text("CLASSES", "none"),
       "CLASS=FRACTION,…: keep only so many of a class's training images, to see what unequal classes do")
      ("limit", whole("N"), "train with the first N images only")
      ("seed", whole("N")->default_value(1),
       "of initial parameters, order, augmentation and dropout: the same seed gives the same model, on any number of "
       "threads")
      ("out", text("FILE", "model.telaio"), "where the model is kept")
      ("history", text("FILE", nullptr),
       "write the curves as JSON (a name that ends in .csv: as a table) after each epoch")
      ("tensorboard", text("DIR", nullptr),
       "write the curves as event files to DIR/train and DIR/validation, epoch by epoch, for tensorboard --logdir DIR")
      ("report", text("FILE", nullptr), "write a page that shows the training and what became of it: a name that ends in .html")
      ("live", po::bool_switch(), "with --report: the page is there while the training runs, and keeps itself up to date")
      ("resume", po::bool_switch(),
       "go on with the training in --out, given the same options; without such a file it begins")
      ("json", po::bool_switch(), "print the history as JSON on standard output, and nothing else")
      ("quiet", po::bool_switch(), "print only what goes wrong");
  // clang-format on
  options.add(threads_option());
  return options;
}

namespace {

// Where results go, and how they are come by.
constexpr std::array without_effect{"out",    "history", "report", "tensorboard", "live",
                                    "resume", "json",    "quiet",  "threads"};

std::string text_of(const po::variable_value& value) {
  const boost::any& any = value.value();
  if (const auto* text = boost::any_cast<std::string>(&any)) return *text;
  if (const auto* whole = boost::any_cast<int64_t>(&any)) return fmt::format("{}", *whole);
  return fmt::format("{}", value.as<double>());
}

/// A word for a shell.
std::string quoted(const std::string& text) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=,.:/@%";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

}  // namespace

json::object training_settings(const po::variables_map& given) {
  json::object settings;
  const po::options_description options = train_options();
  for (const auto& option : options.options()) {
    const std::string& name = option->long_name();
    if (given.count(name) && std::find(without_effect.begin(), without_effect.end(), name) == without_effect.end())
      settings[name] = text_of(given[name]);
  }
  return settings;
}

std::string repeating_command(const po::variables_map& given) {
  std::string command = "telaio train";
  for (const auto& [name, value] : training_settings(given))
    if (!given[name].defaulted())
      command += fmt::format(" --{} {}", std::string_view(name), quoted(value.as_string().c_str()));
  return command;
}

}  // namespace telaio::cli
