//===- Random.cpp - Random numbers of the reference interpreter -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Reference/Interpreter.h"
#include "pcx/abi.h"

#include <cmath>
#include <numbers>

using namespace pc;

std::pair<uint64_t, uint64_t>
reference::philoxPair(uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t counter[4] = {
      static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
      static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  uint32_t key[2] = {static_cast<uint32_t>(seed),
                     static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t{0xD2511F53} * counter[0];
    uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    uint32_t next[4] = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0],
                        static_cast<uint32_t>(b),
                        static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1],
                        static_cast<uint32_t>(a)};
    std::copy(next, next + 4, counter);
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return {counter[0] | uint64_t{counter[1]} << 32,
          counter[2] | uint64_t{counter[3]} << 32};
}

double reference::randomNormal(uint64_t seed, uint64_t call, uint64_t stream,
                               uint64_t sample, uint64_t element) {
  auto [x, y] = philoxPair(seed, PCX_STREAM_PROGRAM + (stream << 40) + call,
                           (sample << 32) + element / 2);
  auto unit = [](uint64_t word) {
    return static_cast<double>(word >> 11) * 0x1p-53;
  };
  double radius = std::sqrt(-2 * std::log(1 - unit(x)));
  double angle = 2 * std::numbers::pi * unit(y);
  return radius * (element % 2 ? std::sin(angle) : std::cos(angle));
}
