//===- TestPasses.h - Passes that only tests use ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_TEST_LIB_TESTPASSES_H
#define PC_TEST_LIB_TESTPASSES_H

namespace pc::test {

/// Registers all passes of test/lib with pc-opt.
void registerTestPasses();

/// test-pc-differentiate: appends the gradients of a function's energy to its
/// results.
void registerTestDifferentiatePass();

/// test-pc-elements: expands elementwise operations of static shape into
/// vector arithmetic.
void registerTestElementsPass();

} // namespace pc::test

#endif // PC_TEST_LIB_TESTPASSES_H
