//===- StatisticsTest.cpp - Of repeated times -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"
#include "pcx/Experiment/Machine.h"

#include <gtest/gtest.h>

#include <vector>

using namespace pcx::experiment;

TEST(Statistics, Quantiles) {
  // numpy.quantile([1, 2, 4, 8], [0, 0.25, 0.5, 0.9, 1])
  double values[] = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 1.75);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 6.8);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 8);
  double one[] = {5};
  EXPECT_DOUBLE_EQ(quantile(one, 0.3), 5);
}

TEST(Statistics, Summary) {
  double times[] = {9, 1, 3, 2, 5, 4, 6, 100};
  TimeSummary summary = summarise(times);
  EXPECT_DOUBLE_EQ(summary.median, 4.5);
  EXPECT_DOUBLE_EQ(summary.bestQuartile, 1.5);
  EXPECT_DOUBLE_EQ(summary.least, 1);
  EXPECT_DOUBLE_EQ(summary.most, 100);
  EXPECT_DOUBLE_EQ(summary.spread, (6.75 - 2.75) / 4.5);
  double one[] = {2};
  EXPECT_DOUBLE_EQ(summarise(one).bestQuartile, 2);
  EXPECT_DOUBLE_EQ(summarise(one).spread, 0);
}

TEST(Statistics, RatioOfMedians) {
  // A machine that slows down does so for both of a pair.
  std::vector<double> a, b;
  for (int i = 0; i < 15; ++i) {
    a.push_back(2 + i);
    b.push_back((2 + i) / 4.0);
  }
  MedianRatio ratio = ratioOfMedians(a, b, 0);
  EXPECT_DOUBLE_EQ(ratio.value, 4);
  EXPECT_DOUBLE_EQ(ratio.low, 4);
  EXPECT_DOUBLE_EQ(ratio.high, 4);
  // Noise of one side alone widens the bounds around the ratio.
  for (int i = 0; i < 15; ++i)
    a[size_t(i)] = 2 + 0.1 * (i * 7 % 15), b[size_t(i)] = 1;
  ratio = ratioOfMedians(a, b, 0);
  EXPECT_DOUBLE_EQ(ratio.value, 2.7);
  EXPECT_LT(ratio.low, 2.7);
  EXPECT_GT(ratio.low, 2);
  EXPECT_GT(ratio.high, 2.7);
  EXPECT_LT(ratio.high, 3.4);
  // The same numbers give the same bounds.
  EXPECT_EQ(ratioOfMedians(a, b, 0).low, ratio.low);
}

TEST(Machine, HasSpeeds) {
  EXPECT_FALSE(usableCpus().empty());
  EXPECT_GE(describeProcessor().lanes, 4u);
  MachineSpeed speed = measureMachine(1);
  EXPECT_EQ(speed.threads, 1u);
  EXPECT_GT(speed.flops, 0);
  EXPECT_GT(speed.l2, 0);
  EXPECT_GT(speed.memory, 0);
  EXPECT_EQ(measureRoundTrip() > 0, usableCpus().size() > 1);
}
