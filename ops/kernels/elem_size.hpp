// Kernels that only move elements work on unsigned integers of the same size.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// Calls body(U{}) with the unsigned type of elem_size bytes: 1, 2, 4 or 8.
template <class Body>
void by_elem_size(int elem_size, const Body& body) {
  switch (elem_size) {
    case 1:
      return body(uint8_t{});
    case 2:
      return body(uint16_t{});
    case 4:
      return body(uint32_t{});
    case 8:
      return body(uint64_t{});
  }
}

}  // namespace telaio::kernels
