//===- ThreadChoiceTest.cpp - Whether several threads pay -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ThreadChoice.h"

#include <gtest/gtest.h>

using namespace pcx;

namespace {
/// A machine on which calls take so long, with now and then a slow one.
struct Machine {
  double alone, shared;
  ThreadChoice::Calls &calls;
  uint32_t sharedCalls = 0, lastShared = 0;

  void run(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      lastShared = calls.isShared();
      sharedCalls += lastShared;
      double noise = i % 3 == 1 ? 10 : 1;
      calls.end(noise * (lastShared ? shared : alone));
    }
  }
};
} // namespace

TEST(ThreadChoice, KeepsTheFasterWay) {
  for (bool sharing : {false, true}) {
    ThreadChoice choice(1);
    Machine machine{sharing ? 2e-4 : 1e-4, sharing ? 1e-4 : 2e-4,
                    choice.find(0, 16)};
    machine.run(ThreadChoice::comparedCalls);
    EXPECT_EQ(machine.sharedCalls, ThreadChoice::comparedCalls / 2);
    uint32_t before = machine.sharedCalls;
    uint32_t rest = ThreadChoice::periodCalls - ThreadChoice::comparedCalls;
    machine.run(rest);
    // Alone is looked at again after 256, 512, ... calls, five times in all.
    EXPECT_EQ(machine.sharedCalls - before,
              sharing ? rest : 5 * ThreadChoice::comparedCalls / 2);
  }
}

TEST(ThreadChoice, FollowsTheMachine) {
  ThreadChoice choice(1);
  Machine machine{1e-4, 2e-4, choice.find(0, 16)};
  machine.run(ThreadChoice::periodCalls);
  EXPECT_FALSE(machine.lastShared);
  machine.shared = 5e-5;
  machine.run(ThreadChoice::periodCalls);
  EXPECT_TRUE(machine.lastShared);
  machine.shared = 3e-4;
  machine.run(ThreadChoice::periodCalls);
  EXPECT_FALSE(machine.lastShared);
}

// Another program was on the second core when the first calls were compared.
TEST(ThreadChoice, CorrectsABadStartSoon) {
  ThreadChoice choice(1);
  Machine machine{1e-4, 2e-4, choice.find(0, 16)};
  machine.run(ThreadChoice::comparedCalls + 1);
  EXPECT_FALSE(machine.lastShared);
  machine.shared = 5e-5;
  machine.run(ThreadChoice::firstPeriodCalls + ThreadChoice::comparedCalls);
  EXPECT_TRUE(machine.lastShared);
}

TEST(ThreadChoice, SharesLongCallsAlways) {
  ThreadChoice choice(1);
  Machine machine{1e-3, 1.01 * ThreadChoice::longCall, choice.find(0, 16)};
  machine.run(2 * ThreadChoice::periodCalls);
  EXPECT_EQ(machine.sharedCalls, 2 * ThreadChoice::periodCalls);
}

TEST(ThreadChoice, KeepsProgramsAndSizesApart) {
  ThreadChoice choice(2);
  EXPECT_NE(&choice.find(0, 1), &choice.find(1, 1));
  EXPECT_NE(&choice.find(0, 1), &choice.find(0, 2));
  EXPECT_NE(&choice.find(0, 16), &choice.find(0, 17));
  EXPECT_EQ(&choice.find(0, 17), &choice.find(0, 32));
  EXPECT_EQ(&choice.find(1, INT64_MAX), &choice.find(1, INT64_MAX - 1));
}
