// What the subcommands share: options, messages, where models come from.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>
#include <boost/program_options.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/networks.hpp>

namespace telaio::cli {

namespace po = boost::program_options;
namespace json = boost::json;

/// Exit codes.
inline constexpr int ok = 0;
inline constexpr int failed = 1;       ///< a check did not pass
inline constexpr int wrong_input = 2;  ///< arguments, files, data
inline constexpr int interrupted = 130;

/// Options as given. Prints help_text, the options and examples and returns nothing when --help is among them. Error of
/// Boost.Program_options for what is unknown, missing or malformed; a close name is suggested.
std::optional<po::variables_map> parse(const std::vector<std::string>& arguments,
                                       const po::options_description& options,
                                       const po::positional_options_description& positional, std::string_view help_text,
                                       std::string_view examples);

/// The names among `known` that look like `name`: ", is it one of a, b?", or "".
std::string suggestion(const std::string& name, const std::vector<std::string>& known);

/// A message on one line: what stands on further lines goes into parentheses.
std::string one_line(std::string_view message);

/// For a handler: throws its Error on, with the option before it where that says that a class is unknown: "--class:
/// unknown class '10': …".
[[noreturn]] void throw_of_option(std::string_view option, const Error& error);
/// What f gives; its Errors become those of throw_of_option.
template <class F>
auto named(std::string_view option, F&& f) {
  try {
    return f();
  } catch (const Error& error) {
    throw_of_option(option, error);
  }
}

/// For a file that is to be written: Error unless its name ends in one of these, and it can be (nn::check_writable).
void check_output(const std::string& path, const std::vector<std::string>& endings);
/// Where a path leads: absolute, links followed as far as there is something, without "." and "..".
std::string end_of(const std::string& path);
/// Error "WHAT and OTHER are one file: PATH" where both paths lead to the same, whether or not there is one yet.
void check_two_files(std::string_view what, const std::string& path, std::string_view other,
                     const std::string& other_path);

/// A whole number of a list, "28,28,1".
Shape parse_shape(const std::string& text);

/// Sets how many threads work; 0: all.
class Threads {
 public:
  explicit Threads(int threads);

 private:
  std::unique_ptr<ThreadLimit> limit_;
};
/// The option --threads, checked: 1 … 1024, or 0 where it was not given.
int threads_of(const po::variables_map& given);
po::options_description threads_option();
/// The option --seed, a number of at least 0.
uint64_t seed_of(const po::variables_map& given);

/// A network that --model names: a built-in one, or a file with its description as JSON.
struct NetworkChoice {
  nn::Layer network;
  std::string name;
  Shape input;       ///< empty where the description leaves it open
  std::string file;  ///< that describes it; "" for a built-in one
};
/// `classes`, `ending` and `dropout` are for the built-in ones.
NetworkChoice choose_network(const std::string& name, int64_t classes, std::optional<nn::Ending> ending,
                             double dropout);
/// The model of a choice. Errors name its file.
nn::Model build(const NetworkChoice& choice, const Shape& sample, const nn::ModelOptions& options);
/// The network with a softmax, or a sigmoid on each output, behind it.
nn::Layer with_ending(const nn::Layer& network, nn::Ending ending);

/// Whether the first layer is a Rescaling.
bool begins_with_rescaling(const nn::Layer& network);

/// A model for looking at: a model file, or a network (for samples of shape `input`, where it does not say itself).
/// Error when it does and `input` is another.
nn::Model model_to_look_at(const std::string& name, const Shape& input);

/// The names of a model's classes; numbers where its file does not say.
std::vector<std::string> class_names_of(const nn::ModelFile& file);
/// Error when a model from a file does not end in probabilities of classes.
void check_classifies(const nn::Model& model, const std::string& path);

/// null where a number is not finite.
json::value number(double value);

}  // namespace telaio::cli
