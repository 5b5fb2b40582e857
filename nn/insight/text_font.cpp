#include <telaio/nn/insight/text_font.hpp>

#include <array>
#include <cstddef>

namespace telaio::nn {

namespace {

// The X Window System's font 6x10 ("Public domain terminal emulator font. Share and enjoy."), ASCII from the space on:
// bit 5·y + x of a letter is its pixel in column x and row y.
constexpr std::array<uint64_t, 95> letters{
    0x0,           0x2008421080,   0x52940,         0x52beafa940,    0x23a8e2b880, 0x4d54455640,
    0xb26a229440,  0x21080,        0x4104211100,    0x1110841040,    0x455f54400,  0x109f21000,
    0x22300000000, 0x1f00000,      0x47100000000,   0x844444200,     0x22a318a880, 0xf908429880,
    0xf844c845c0,  0x7460c443e0,   0x423e953100,    0x74613687e0,    0x7466d08980, 0x10888443e0,
    0x7462e8c5c0,  0x32216cc5c0,   0x47100471000,   0x22300471000,   0x8208222200, 0x3e0f8000,
    0x1111041040,  0x20084445c0,   0x705b5cc5c0,    0x8c7f18a880,    0x7ca4e949e0, 0x744210c5c0,
    0x7ca52949e0,  0xf842f087e0,   0x842f087e0,     0x747210c5c0,    0x8c63f8c620, 0x71084211c0,
    0x3250842380,  0x8a4a32a620,   0xf842108420,    0x8c635dc620,    0x8c7359c620, 0x746318c5c0,
    0x842f8c5e0,   0x10756318c5c0, 0x8a4af8c5e0,    0x7460e0c5c0,    0x21084213e0, 0x746318c620,
    0x2294a8c620,  0x8eeb58c620,   0x8c54454620,    0x2108454620,    0xf8444443e0, 0x70842109c0,
    0x8410410420,  0x72108421c0,   0x8a880,         0x1f0000000000,  0x104,        0xf47d070000,
    0x6ce3368420,  0x7443170000,   0xb6639b4200,    0x707f170000,    0x1084f14980, 0x1d187a31f0000,
    0x8c63368420,  0x7108430080,   0x19294210c0200, 0x8a4e988420,    0x71084210c0, 0x8d6b558000,
    0x8c63368000,  0x7463170000,   0x216ce3368000,  0x210b6639b0000, 0x843368000,  0x7c1c170000,
    0x6484278840,  0xb663188000,   0x2295188000,    0x556b188000,    0x8a88a88000, 0x1d185b3188000,
    0xf8888f8000,  0xc110641300,   0x2108421080,    0x32098220c0,    0x4d640,
};

}  // namespace

bool letter_pixel(char letter, int64_t x, int64_t y) {
  if (x < 0 || x >= letter_width - 1 || y < 0 || y >= letter_height) return false;
  const bool known = letter >= ' ' && letter <= '~';
  return (letters[static_cast<size_t>((known ? letter : '?') - ' ')] >> (5 * y + x) & 1) != 0;
}

}  // namespace telaio::nn
