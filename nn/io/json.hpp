// JSON text, by Boost.JSON. Not a public header: it is not installed's worth, and includes Boost.JSON.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace telaio::nn {

/// Numbers are the nearest doubles. Error "SOURCE: line L, column C: no JSON: …".
boost::json::value parse_json(std::string_view text, const std::string& source);

/// With line breaks and indentation, for people.
std::string pretty(const boost::json::value& value);

}  // namespace telaio::nn
