// Options as a line of text, "step,factor=0.5,nesterov": for the command line and for settings in files.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace telaio::nn {

/// Takes the text apart, and keeps account of what was asked for, so that nothing is passed over in silence. All Errors
/// begin with the kind of thing that the text describes.
class OptionList {
 public:
  /// Error when an option is given twice or has no name.
  OptionList(std::string kind, std::string_view text);

  /// The first item, which must be one of the names. Error that lists them.
  std::string name(std::initializer_list<std::string_view> names);
  /// `value` becomes what the text gives, if it does. Errors: no number, or outside low … high.
  bool number(std::string_view name, double& value, double low, double high);
  bool whole(std::string_view name, int64_t& value, int64_t low, int64_t high);
  /// "name", "name=1", "name=0", "name=true" or "name=false".
  bool flag(std::string_view name, bool& value);
  /// Error when an option was given that nobody asked for; lists those that were asked for.
  void finish() const;

 private:
  struct Item {
    std::string_view name;
    std::optional<std::string_view> value;
    bool taken = false;
  };
  Item* take(std::string_view name);

  std::string kind_;
  std::vector<Item> items_;
  std::vector<std::string> asked_;
};

}  // namespace telaio::nn
