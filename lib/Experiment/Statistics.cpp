//===- Statistics.cpp - Of repeated times ---------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "pcx/pcx.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <vector>

using namespace pcx::experiment;

double pcx::experiment::quantile(std::span<const double> sorted, double share) {
  assert(!sorted.empty() && share >= 0 && share <= 1);
  double place = share * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<size_t>(place);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above],
                   place - static_cast<double>(below));
}

static std::vector<double> sort(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

TimeSummary pcx::experiment::summarise(std::span<const double> times) {
  std::vector<double> sorted = sort(times);
  size_t best = std::max<size_t>(sorted.size() / 4, 1);
  TimeSummary summary;
  summary.median = quantile(sorted, 0.5);
  summary.bestQuartile =
      std::accumulate(sorted.begin(),
                      sorted.begin() + static_cast<std::ptrdiff_t>(best), 0.0) /
      static_cast<double>(best);
  summary.least = sorted.front();
  summary.most = sorted.back();
  if (summary.median > 0)
    summary.spread =
        (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / summary.median;
  return summary;
}

MedianRatio pcx::experiment::ratioOfMedians(std::span<const double> a,
                                            std::span<const double> b,
                                            uint64_t seed) {
  assert(a.size() == b.size() && !a.empty());
  auto ratio = [](std::span<const double> left, std::span<const double> right) {
    return quantile(sort(left), 0.5) / quantile(sort(right), 0.5);
  };
  constexpr size_t resamples = 2000;
  std::vector<double> ratios, left(a.size()), right(a.size());
  uint64_t draw = 0;
  for (size_t i = 0; i < resamples; ++i) {
    for (size_t j = 0; j < a.size(); ++j) {
      uint32_t words[4];
      pcx_philox(seed, PCX_STREAM_USER, draw++, words);
      size_t pair = words[0] % a.size();
      left[j] = a[pair];
      right[j] = b[pair];
    }
    ratios.push_back(ratio(left, right));
  }
  std::sort(ratios.begin(), ratios.end());
  return {ratio(a, b), quantile(ratios, 0.025), quantile(ratios, 0.975)};
}
