//===- Buffers.h - Arrays of a planned program ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_BUFFERS_H
#define PC_DIALECT_PC_TRANSFORMS_BUFFERS_H

#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// The value whose memory `value` is: looks through stages and reshapes, which
/// move nothing.
mlir::Value getRootArray(mlir::Value value);

/// Rows that are kept apart have room for zeros up to a multiple of so many
/// elements.
inline constexpr int64_t kRowUnit = 16;

/// Elements from one row of an array of rank 2 or more to the next where rows
/// are kept apart: room for those zeros, and 16 bytes
/// so that the rows of a matrix begin in different banks of memory.
int64_t getPaddedRow(mlir::RankedTensorType type);

/// True if `group` reads the operand only at the element that it computes, so
/// that a result may replace it.
bool readsInPlace(GroupOp group, unsigned operandNumber);

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_BUFFERS_H
