//===- Random.cpp - Counter-based random numbers --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Random.h"
#include "pcx/pcx.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

using namespace pcx;

std::array<uint32_t, 4> pcx::philox4x32(std::array<uint32_t, 4> c,
                                        std::array<uint32_t, 2> k) {
  // Multipliers and Weyl increments of the paper, table 2 and section 4.
  constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t increment0 = 0x9E3779B9, increment1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiplier0 * c[0], product1 = multiplier1 * c[2];
    c = {uint32_t(product1 >> 32) ^ c[1] ^ k[0], uint32_t(product1),
         uint32_t(product0 >> 32) ^ c[3] ^ k[1], uint32_t(product0)};
    k = {k[0] + increment0, k[1] + increment1};
  }
  return c;
}

static std::array<uint32_t, 4> block(uint64_t seed, uint64_t stream,
                                     uint64_t index) {
  return philox4x32({uint32_t(index), uint32_t(index >> 32), uint32_t(stream),
                     uint32_t(stream >> 32)},
                    {uint32_t(seed), uint32_t(seed >> 32)});
}

std::array<uint64_t, 2> pcx::philoxPair(uint64_t seed, uint64_t stream,
                                        uint64_t index) {
  auto w = block(seed, stream, index);
  return {w[0] | uint64_t(w[1]) << 32, w[2] | uint64_t(w[3]) << 32};
}

/// The upper 53 bits as a number in [0, 1), exactly.
static double unit(uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

/// Elements 2 * index and 2 * index + 1.
static std::array<double, 2> initialiserPair(const pcx_storage_t &storage,
                                             uint64_t seed, uint64_t index) {
  double a = storage.init_arg0, b = storage.init_arg1;
  auto [x, y] = philoxPair(seed, storage.init_stream, index);
  if (storage.init == PCX_INIT_UNIFORM) {
    auto value = [&](uint64_t bits) {
      double uniform = a + (b - a) * unit(bits);
      return a < b && uniform >= b ? std::nextafter(b, a) : uniform;
    };
    return {value(x), value(y)};
  }
  double radius = std::sqrt(-2 * std::log(1 - unit(x)));
  double angle = 2 * std::numbers::pi * unit(y);
  return {a + b * (radius * std::cos(angle)),
          a + b * (radius * std::sin(angle))};
}

void pcx::initialiserValues(const pcx_storage_t &storage, uint64_t seed,
                            int64_t first, std::span<double> values) {
  switch (storage.init) {
  case PCX_INIT_ZERO:
    std::fill(values.begin(), values.end(), 0.0);
    return;
  case PCX_INIT_CONSTANT:
    std::fill(values.begin(), values.end(), storage.init_arg0);
    return;
  }
  for (size_t i = 0; i < values.size();) {
    uint64_t element = uint64_t(first) + i;
    auto pair = initialiserPair(storage, seed, element / 2);
    for (size_t half = element % 2; half < 2 && i < values.size(); ++half)
      values[i++] = pair[half];
  }
}

float pcx::roundInitialiser(const pcx_storage_t &storage, double value) {
  float rounded = float(value);
  if (storage.init == PCX_INIT_UNIFORM &&
      storage.init_arg0 < storage.init_arg1 && rounded >= storage.init_arg1)
    rounded = std::nextafterf(float(storage.init_arg1), -INFINITY);
  return rounded;
}

void pcx_philox(uint64_t seed, uint64_t stream, uint64_t index,
                uint32_t out[4]) {
  auto words = block(seed, stream, index);
  std::copy(words.begin(), words.end(), out);
}

void pcx_permutation(uint64_t seed, uint64_t stream, uint32_t *order,
                     int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    order[i] = uint32_t(i);
  std::array<uint64_t, 2> pair{};
  for (int64_t i = count - 1; i > 0; --i) {
    // The indices run down, so a block serves its odd number first.
    if (i % 2 == 1 || i == count - 1)
      pair = philoxPair(seed, stream, uint64_t(i) / 2);
    // The bias of the multiplication is below 2^-32 for any 32-bit count.
    auto j = uint64_t((unsigned __int128)(pair[i % 2]) * uint64_t(i + 1) >> 64);
    std::swap(order[i], order[j]);
  }
}
