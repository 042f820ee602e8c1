//===- RoundedProducts.cpp - Products worth rounding ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/RoundedProducts.h"

using namespace mlir;

/// Lines of a tile of AMX, of a register of AVX-512 and of a fragment of
/// mma.sync.
static constexpr int64_t kLines = 16;

bool pc::isWorthRounding(RankedTensorType weight) {
  return llvm::all_of(weight.getShape(),
                      [](int64_t size) { return size >= kLines; });
}
