//===- TextTest.cpp - Nearest names and numbers ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Text.h"
#include "TestSupport.h"

using namespace pcx::data;

TEST(Text, Suggests) {
  std::vector<std::string> names = {"h_lr", "w_lr"};
  EXPECT_EQ(suggest("w_lrr", names), ", did you mean 'w_lr'?");
  EXPECT_EQ(didYouMean("w_lrr", names), ", did you mean 'w_lr'?");
  EXPECT_EQ(didYouMean("momentum", names), "");
  EXPECT_EQ(suggest("momentum", names), "; expected one of 'h_lr', 'w_lr'");
}

TEST(Text, ParsesWholeText) {
  EXPECT_EQ(parseInteger("-12"), -12);
  EXPECT_EQ(parseInteger("12x"), std::nullopt);
  EXPECT_EQ(parseInteger(""), std::nullopt);
  EXPECT_EQ(parseNumber(" +1.5e3 "), 1500.0);
  EXPECT_EQ(parseNumber("1.5.2"), std::nullopt);
  EXPECT_EQ(parseNumber("+-1"), std::nullopt);
  EXPECT_EQ(parseNumber(""), std::nullopt);
}
