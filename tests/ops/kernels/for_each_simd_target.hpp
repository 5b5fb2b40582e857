// Runs a test body once for every SIMD target of this machine.
#pragma once

#include <gtest/gtest.h>

#include <telaio/ops/kernels/simd_target.hpp>

namespace telaio::kernels {

template <class Body>
void for_each_simd_target(const Body& body) {
  const std::string before = simd_target();
  for (const std::string& name : simd_targets()) {
    SCOPED_TRACE(name);
    set_simd_target(name);
    body();
  }
  set_simd_target(before);
}

}  // namespace telaio::kernels
