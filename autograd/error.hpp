// Errors: one exception type whose message says what, where, what was expected and what came.
#pragma once

#include <stdexcept>
#include <string>

#include <boost/assert/source_location.hpp>

namespace telaio {

/// A place in the user's source. Functions that build nodes take one as their last argument and default it to the
/// caller's line with TELAIO_HERE.
using SourceLocation = boost::source_location;
#define TELAIO_HERE BOOST_CURRENT_LOCATION

/// Everything that telaio throws by itself. what() is the whole message, ready to be shown.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "\n  at model.cpp:41", or nothing for an unknown place.
std::string at_line(const SourceLocation& where);

}  // namespace telaio
