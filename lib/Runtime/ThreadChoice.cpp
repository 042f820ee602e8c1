//===- ThreadChoice.cpp - Whether several threads pay ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ThreadChoice.h"

#include <algorithm>
#include <bit>

using namespace pcx;

template <typename Times>
static double median(Times times) {
  auto middle = times.begin() + times.size() / 2;
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void ThreadChoice::Calls::end(double time) {
  if (isCompared()) {
    uint32_t turn = calls / turnCalls / 2, inTurn = calls % turnCalls;
    seconds[isShared()][turn * turnCalls + inTurn] = float(time);
    // The first turn is shared: a long call is never tried alone.
    if (calls + 1 == turnCalls &&
        *std::min_element(seconds[true].begin(),
                          seconds[true].begin() + turnCalls) > longCall) {
      shared = true;
      calls = comparedCalls - 1;
    } else if (calls + 1 == comparedCalls) {
      shared = median(seconds[true]) * leastGain < median(seconds[false]);
    }
    if (calls + 1 == comparedCalls) {
      period = shared ? periodCalls : periodAlone;
      periodAlone =
          shared ? firstPeriodCalls : std::min(2 * periodAlone, periodCalls);
    }
  }
  if (++calls == period)
    calls = 0;
}

ThreadChoice::Calls &ThreadChoice::find(uint32_t program, int64_t n) {
  return all[program * sizes + uint32_t(std::bit_width(uint64_t(n - 1)))];
}
