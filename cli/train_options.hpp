// What `telaio train` takes, and what it says of that.
#pragma once

#include <string>

#include <boost/json.hpp>
#include <boost/program_options.hpp>

namespace telaio::cli {

extern const char* const train_help;
extern const char* const train_examples;
boost::program_options::options_description train_options();

/// The options that a training's result depends on, with their values as text, in the order of the help.
boost::json::object training_settings(const boost::program_options::variables_map& given);
/// The command that repeats the training: those of them that were given, as a shell reads them.
std::string repeating_command(const boost::program_options::variables_map& given);

}  // namespace telaio::cli
