// What `telaio train` takes, and what it says of that.
#pragma once

#include <boost/program_options.hpp>

namespace telaio::cli {

extern const char* const train_help;
extern const char* const train_examples;
boost::program_options::options_description train_options();

}  // namespace telaio::cli
