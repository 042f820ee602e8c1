//===- MetricsTest.cpp - Totals and argmax --------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Metrics.h"

#include <gtest/gtest.h>

#include <limits>

using namespace pcx::experiment;

TEST(Metrics, TotalsReduce) {
  ReportTotal mean{PCX_REDUCE_MEAN};
  mean.add(1.0, 3);
  mean.add(5.0, 1);
  EXPECT_EQ(mean.value(), 2.0);
  ReportTotal sum{PCX_REDUCE_SUM};
  sum.add(1.0, 3);
  sum.add(5.0, 1);
  EXPECT_EQ(sum.value(), 6.0);
  ReportTotal last{PCX_REDUCE_LAST};
  last.add(1.0, 3);
  last.add(5.0, 1);
  EXPECT_EQ(last.value(), 5.0);
}

TEST(Metrics, ArgmaxTakesTheFirstAndNeverNaN) {
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values = {1, 3, 3, 0, nan, -1, nan, nan, nan, -5, -4, -6};
  auto rows = pcx::data::Array::of({4, 3}, std::span<const float>(values));
  EXPECT_EQ(rowArgmax(rows), (std::vector<int32_t>{1, 0, 0, 1}));
}
