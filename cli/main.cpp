// The program `telaio`: subcommands.
#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <boost/program_options/errors.hpp>

#include "gradcheck.hpp"

namespace {

constexpr const char* help_text = R"(Telaio: models as graphs of tensor ops, their gradients, on all cores of a CPU.

Usage: telaio COMMAND [OPTIONS]

Commands:
  gradcheck   check every op and its derivatives on this machine

`telaio COMMAND --help` tells what a command does and which options it takes.
)";

struct Command {
  const char* name;
  int (*run)(const std::vector<std::string>& arguments);
};
constexpr Command commands[] = {{"gradcheck", telaio::cli::gradcheck}};

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
      return 2;
    }
  }
  fmt::print(stderr, "telaio: there is no {} '{}' (see telaio --help)\n", name.starts_with("-") ? "option" : "command",
             name);
  return 2;
}

}  // namespace

int main(int count, char** values) {
  try {
    return run({values + 1, values + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "telaio: {}\n", error.what());
    return 1;
  }
}
