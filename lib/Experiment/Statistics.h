//===- Statistics.h - Of repeated times -------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_STATISTICS_H
#define PCX_LIB_EXPERIMENT_STATISTICS_H

#include <cstdint>
#include <span>

namespace pcx::experiment {

/// The value below which a share of the sorted values lies, linear between two
/// (R's type 7). There is at least one value.
double quantile(std::span<const double> sorted, double share);

/// Times of equal pieces of work. What disturbs them makes them longer, never
/// shorter, so the best ones say more of the code and the spread of the
/// machine.
struct TimeSummary {
  double median = 0;
  double bestQuartile = 0; ///< mean of the shortest quarter, at least of one
  double least = 0, most = 0;
  double spread = 0; ///< the middle half's width by the median
};
TimeSummary summarise(std::span<const double> times);

/// A ratio of medians with bounds of 95 % confidence.
struct MedianRatio {
  double value = 0, low = 0, high = 0;
};

/// median(a) / median(b) of times that were taken in turn, a[i] next to b[i].
/// The bounds are quantiles of the ratio over 2000 resamples of the pairs (the
/// percentile bootstrap, Efron 1979), drawn with the key `seed`: two times of
/// one pair shared the machine's state and stay together.
MedianRatio ratioOfMedians(std::span<const double> a, std::span<const double> b,
                           uint64_t seed);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_STATISTICS_H
