// What errors say.
#pragma once

#include <string>

#include <telaio/autograd/error.hpp>

namespace telaio {

/// The message of the Error that f throws, or "no error".
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace telaio
