//===- TestPasses.cpp - Passes that only tests use ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TestPasses.h"

void pc::test::registerTestPasses() {
  registerTestDifferentiatePass();
  registerTestElementsPass();
}
