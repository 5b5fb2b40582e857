// The program `telaio`: subcommands.
#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include <boost/program_options/errors.hpp>

#include "command.hpp"
#include "commands.hpp"

namespace {

constexpr const char* help_text = R"(Telaio: models as graphs of tensor ops, their gradients, on all cores of a CPU.

Usage: telaio COMMAND [OPTIONS]

Commands:
  train       train a classifier on images, and keep it in a file
  evaluate    measure a trained model: accuracy, each class, what it takes for what
  predict     say what a trained model takes images for
  summary     show a model's layers, parameters and arithmetic
  compare     a convolutional against a dense net: parameters, arithmetic, speed
  invariance  what accuracy is left when images are shifted, turned or resized
  filters     draw what a network's filters respond to
  explain     show which pixels made a model say what it says
  report      a page for the browser: curves, mistakes, filters, graph
  graph       draw a model's graph of ops, with its gradients
  data        write the built-in digits as files
  gradcheck   check every op and its derivatives on this machine

`telaio COMMAND --help` tells what a command does and which options it takes. To begin with:

  telaio train
  telaio evaluate --model model.telaio
)";

struct Command {
  const char* name;
  int (*run)(const std::vector<std::string>& arguments);
};
constexpr Command commands[] = {
    {"train", telaio::cli::train},     {"evaluate", telaio::cli::evaluate}, {"predict", telaio::cli::predict},
    {"summary", telaio::cli::summary}, {"compare", telaio::cli::compare},   {"invariance", telaio::cli::invariance},
    {"filters", telaio::cli::filters}, {"explain", telaio::cli::explain},   {"report", telaio::cli::report},
    {"graph", telaio::cli::graph},     {"data", telaio::cli::data},         {"gradcheck", telaio::cli::gradcheck},
};

int run(std::vector<std::string> arguments) {
  if (arguments.empty()) {
    fmt::print(stderr, "{}", help_text);
    return 2;
  }
  const std::string name = arguments[0];
  if (name == "--help" || name == "-h" || name == "help") {
    fmt::print("{}", help_text);
    return 0;
  }
  arguments.erase(arguments.begin());
  for (const Command& command : commands) {
    if (command.name != name) continue;
    try {
      return command.run(arguments);
    } catch (const boost::program_options::error& error) {
      fmt::print(stderr, "telaio {}: {} (see telaio {} --help)\n", name, error.what(), name);
      return telaio::cli::wrong_input;
    } catch (const telaio::Error& error) {
      fmt::print(stderr, "telaio {}: {}\n", name, telaio::cli::one_line(error.what()));
      return telaio::cli::wrong_input;
    }
  }
  std::vector<std::string> names;
  for (const Command& command : commands) names.emplace_back(command.name);
  fmt::print(stderr, "telaio: there is no {} '{}'{} (see telaio --help)\n",
             name.starts_with("-") ? "option" : "command", name, telaio::cli::suggestion(name, names));
  return telaio::cli::wrong_input;
}

}  // namespace

int main(int count, char** values) {
  try {
    const int code = run({values + 1, values + count});
    // What is printed waits in a buffer: a full disk shows only now.
    std::cout.flush();
    if (std::fflush(stdout) != 0)
      throw std::system_error(errno, std::generic_category(), "standard output cannot be written");
    if (std::ferror(stdout) != 0 || !std::cout) throw std::runtime_error("standard output cannot be written");
    return code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "telaio: {}\n", error.what());
    return telaio::cli::wrong_input;
  }
}
