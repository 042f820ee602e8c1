//===- Random.h - Counter-based random numbers --------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Philox4x32-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The mapping of
// counters to values stands at pcx_philox() in pcx.h.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_RANDOM_H
#define PCX_LIB_RUNTIME_RANDOM_H

#include "pcx/abi.h"

#include <array>
#include <cstdint>
#include <span>

namespace pcx {

/// The bare function: ten rounds on a counter of four words with a key of two.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                   std::array<uint32_t, 2> key);

/// The two 64-bit numbers x, y of block (seed, stream, index).
std::array<uint64_t, 2> philoxPair(uint64_t seed, uint64_t stream,
                                   uint64_t index);

/// Values `first` ... of the initialiser of `storage`, in double and not yet
/// rounded to its dtype. Value i depends on (seed, init_stream, i) alone.
void initialiserValues(const pcx_storage_t &storage, uint64_t seed,
                       int64_t first, std::span<double> values);

/// Rounds a value of the initialiser to float; a uniform value never becomes
/// its upper bound.
float roundInitialiser(const pcx_storage_t &storage, double value);

} // namespace pcx

#endif // PCX_LIB_RUNTIME_RANDOM_H
