// Names that JSON text gives twice in one object. Boost.JSON keeps the last value of such a name and says nothing, so
// that two readers of a file could disagree about what it holds.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace telaio::nn {

/// The first name that is repeated within one object, at any depth, unescaped; nothing where there is none. Text that
/// is no JSON is looked through up to the place where it goes wrong.
std::optional<std::string> repeated_key(std::string_view json);

}  // namespace telaio::nn
