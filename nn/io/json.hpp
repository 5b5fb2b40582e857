// JSON text, by Boost.JSON. Not installed: public headers do without Boost.JSON.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace telaio::nn {

/// Numbers are the nearest doubles. Error "SOURCE: line L, column C: no JSON: …".
boost::json::value parse_json(std::string_view text, const std::string& source);

/// With line breaks and indentation, and on one line. Numbers as short as they can be read back exactly; they must be
/// finite.
std::string pretty(const boost::json::value& value);
std::string compact(const boost::json::value& value);

}  // namespace telaio::nn
