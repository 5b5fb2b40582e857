#include <telaio/nn/train/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/option_list.hpp>

namespace telaio::nn {

double Schedule::operator()(double epoch, int64_t epochs, double step) const {
  if (epoch < warmup) return std::min(1.0, (epoch + step) / warmup);
  const double rest = epoch - warmup, length = static_cast<double>(epochs) - warmup;
  switch (kind) {
    case Kind::step:
      return std::pow(factor, std::floor(rest / every));
    case Kind::cosine:
      return 0.5 * (1 + std::cos(std::numbers::pi * std::clamp(length > 0 ? rest / length : 1.0, 0.0, 1.0)));
    case Kind::constant:
    case Kind::plateau:
      break;
  }
  return 1;
}

Schedule parse_schedule(std::string_view text) {
  OptionList options("schedule", text);
  Schedule schedule;
  const std::string kind = options.name({"constant", "step", "cosine", "plateau"});
  schedule.kind = kind == "step"      ? Schedule::Kind::step
                  : kind == "cosine"  ? Schedule::Kind::cosine
                  : kind == "plateau" ? Schedule::Kind::plateau
                                      : Schedule::Kind::constant;
  options.number("warmup", schedule.warmup, 0, 1e6);
  if (schedule.kind == Schedule::Kind::step || schedule.kind == Schedule::Kind::plateau)
    options.number("factor", schedule.factor, 0, 1);
  if (schedule.kind == Schedule::Kind::step) options.number("every", schedule.every, 1e-3, 1e6);
  if (schedule.kind == Schedule::Kind::plateau) options.whole("patience", schedule.patience, 0, 1'000'000);
  options.finish();
  return schedule;
}

std::string to_string(const Schedule& s) {
  std::string text = s.kind == Schedule::Kind::step     ? fmt::format("step,factor={},every={}", s.factor, s.every)
                     : s.kind == Schedule::Kind::cosine ? "cosine"
                     : s.kind == Schedule::Kind::plateau
                         ? fmt::format("plateau,factor={},patience={}", s.factor, s.patience)
                         : "constant";
  if (s.warmup != 0) text += fmt::format(",warmup={}", s.warmup);
  return text;
}

}  // namespace telaio::nn
