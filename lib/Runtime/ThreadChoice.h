//===- ThreadChoice.h - Whether several threads pay -------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_THREADCHOICE_H
#define PCX_LIB_RUNTIME_THREADCHOICE_H

#include <array>
#include <cstdint>
#include <vector>

namespace pcx {

/// Decides whether the threads of a session share a call or its caller does all
/// of it. Results are the same; which is faster for a short call depends on how
/// fast the cores exchange cache lines at the moment, which no model of the
/// program knows: the round trip between two cores of a virtual machine
/// changes tenfold while it runs. So calls are timed both ways, in turns, and
/// again after some hundred to some thousand calls.
///
/// A call of more than `longCall` seconds is always shared.
class ThreadChoice {
public:
  static constexpr double longCall = 2e-3;
  /// Calls of one way in a row, after which the other one has its turn, and
  /// turns of each way in a comparison.
  static constexpr uint32_t turnCalls = 8, turns = 2;
  static constexpr uint32_t comparedCalls = 2 * turns * turnCalls;
  /// What sharing has to gain: it keeps other cores busy, and its times
  /// scatter.
  static constexpr double leastGain = 1.1;
  /// Calls between the beginnings of two comparisons. Behind one that found
  /// sharing slower the next one is sooner, and as often as it is found again
  /// twice as late: another program may have been on the other core, and not to
  /// share costs more where it is wrong.
  static constexpr uint32_t periodCalls = 8192, firstPeriodCalls = 256;

  /// The calls of one program with batches of about one size.
  class Calls {
  public:
    /// Whether the next call is shared.
    bool isShared() const {
      return isCompared() ? calls / turnCalls % 2 == 0 : shared;
    }
    /// Whether the next call is to be timed.
    bool isCompared() const { return calls < comparedCalls; }
    /// The call is over; `time` in seconds matters if it was to be timed.
    void end(double time);

  private:
    uint32_t calls = 0; ///< since the comparison began
    uint32_t period = periodCalls, periodAlone = firstPeriodCalls;
    bool shared = true;
    std::array<float, turns * turnCalls> seconds[2]; ///< alone and shared
  };

  explicit ThreadChoice(uint32_t programs) : all(programs * sizes) {}

  /// Calls of `program` with `n` >= 1 samples: sizes between two powers of two
  /// count as one.
  Calls &find(uint32_t program, int64_t n);

private:
  static constexpr uint32_t sizes = 64;
  std::vector<Calls> all;
};

} // namespace pcx

#endif // PCX_LIB_RUNTIME_THREADCHOICE_H
