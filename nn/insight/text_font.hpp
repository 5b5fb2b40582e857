// Letters for pictures.
#pragma once

#include <cstdint>

namespace telaio::nn {

/// Of a letter and the space behind it.
inline constexpr int64_t letter_width = 6, letter_height = 10;

/// Whether the pixel (x, y) of a letter is set; of what is no printable ASCII, those of a question mark.
bool letter_pixel(char letter, int64_t x, int64_t y);

}  // namespace telaio::nn
