// SHA-1 (FIPS 180-4) of messages that fit into one block, which is all that UTS hashes.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace bench {

using sha1_digest = std::array<std::uint8_t, 20>;

inline sha1_digest sha1_of_short(std::span<const std::uint8_t> message) {
  std::array<std::uint8_t, 64> block{};
  std::copy(message.begin(), message.end(), block.begin());
  block[message.size()] = 0x80;
  std::array<std::uint32_t, 80> w;
  for (std::size_t i = 0; i < 15; ++i) {
    const auto byte = [&](std::size_t j) { return std::uint32_t{block[4 * i + j]}; };
    w[i] = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  }
  w[15] = static_cast<std::uint32_t>(message.size() * 8);
  for (std::size_t i = 16; i < 80; ++i) {
    w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }

  constexpr std::array<std::uint32_t, 5> start{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                               0xc3d2e1f0};
  std::uint32_t a = start[0];
  std::uint32_t b = start[1];
  std::uint32_t c = start[2];
  std::uint32_t d = start[3];
  std::uint32_t e = start[4];
  const auto rounds = [&](std::size_t from, std::uint32_t constant, auto mix) {
#pragma GCC unroll 20
    for (std::size_t i = from; i < from + 20; ++i) {
      const std::uint32_t next = std::rotl(a, 5) + mix(b, c, d) + e + constant + w[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
  };
  using word = std::uint32_t;
  const auto parity = [](word x, word y, word z) { return x ^ y ^ z; };
  rounds(0, 0x5a827999, [](word x, word y, word z) { return (x & y) | (~x & z); });
  rounds(20, 0x6ed9eba1, parity);
  rounds(40, 0x8f1bbcdc, [](word x, word y, word z) { return (x & y) | (x & z) | (y & z); });
  rounds(60, 0xca62c1d6, parity);

  sha1_digest digest{};
  const std::array<word, 5> end{a, b, c, d, e};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>((start[i / 4] + end[i / 4]) >> (24 - i % 4 * 8));
  }
  return digest;
}

}  // namespace bench
