//===- ArrayTest.cpp - Dense arrays ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Array.h"
#include "TestSupport.h"

#include <limits>

using namespace pcx::data;
using namespace pcx::test;

TEST(Array, CheckedBytesRefusesOverflow) {
  EXPECT_EQ(checkedBytes(std::vector<int64_t>{2, 3}, 4), 24u);
  EXPECT_EQ(checkedBytes(std::vector<int64_t>{}, 8), 8u);
  EXPECT_FALSE(checkedBytes(std::vector<int64_t>{-1}, 1));
  EXPECT_FALSE(checkedBytes(std::vector<int64_t>{1ll << 32, 1ll << 32, 2}, 1));
  EXPECT_FALSE(checkedBytes(std::vector<int64_t>{1ll << 62, 1}, 4));
}

TEST(Array, ConvertsWholeNumbers) {
  std::vector<double> values = {1, -2, 3};
  Array array = Array::of({3}, std::span<const double>(values));
  auto ints = convert(array, DType::I32, "x");
  ASSERT_TRUE(ints);
  EXPECT_EQ(ints->as<int32_t>()[1], -2);
  auto floats = convert(*ints, DType::F32, "x");
  ASSERT_TRUE(floats);
  EXPECT_EQ(floats->as<float>()[2], 3.0f);
  EXPECT_EQ(messageOf(convert(array, DType::U8, "x")),
            "x: expected whole numbers that fit u8, found -2 at element 1");
}

TEST(Array, ConvertRefusesFractionsAndNaN) {
  for (double bad : {0.5, 4e9, std::numeric_limits<double>::quiet_NaN(),
                     std::numeric_limits<double>::infinity()}) {
    std::vector<double> values = {0, bad};
    auto result = convert(Array::of({2}, std::span<const double>(values)),
                          DType::I32, "x");
    EXPECT_NE(messageOf(result).find("at element 1"), std::string::npos) << bad;
  }
  std::vector<double> edge = {-2147483648.0, 2147483647.0};
  EXPECT_TRUE(
      convert(Array::of({2}, std::span<const double>(edge)), DType::I32, "x"));
}

TEST(Array, Describes) {
  EXPECT_EQ(Array::zeros(DType::U8, {60, 28, 28}).describe(), "60x28x28 u8");
  EXPECT_EQ(Array::zeros(DType::F64, {}).describe(), "scalar f64");
  EXPECT_EQ(Array::zeros(DType::U8, {60, 28, 28}).rowElements(), 784);
}
