// Axes of reductions.
#pragma once

#include <telaio/ops/axes.hpp>
#include <telaio/ops/reduce.hpp>

namespace telaio {

/// As checked_axes of a list; none means all.
AxisSet checked_axes(const Axes& axes, int rank);

/// Throws Error, one line, if one of the axes has size 0.
void check_not_empty(const Shape& shape, const AxisSet& axes);

}  // namespace telaio
