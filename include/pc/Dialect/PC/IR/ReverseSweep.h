//===- ReverseSweep.h - Reverse mode over one block -------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_IR_REVERSESWEEP_H
#define PC_DIALECT_PC_IR_REVERSESWEEP_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace pc {

/// Emits the sum of two cotangents of one value.
using AddCotangents = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::Value, mlir::Value)>;

/// Reverse-mode differentiation of straight-line pure code.
///
/// `output` is a value of a block whose operations compute it from `wrt`;
/// `seed` is its cotangent, of its type. Operations from which no path leads
/// from a `wrt` to the output are not visited; the others must have a
/// DifferentiableOpInterface, or an error is reported at them. Every `wrt` is
/// an independent variable: if an operation of the block defines one, no
/// cotangent flows through that operation.
///
/// Emits at the builder's insertion point, which the output must dominate.
/// Contributions to one value are added in the reverse order of its uses.
/// On success `cotangents` has one value per `wrt`, null where no path leads
/// to the output. Nothing is ever added to a zero: an absent cotangent is null.
mlir::LogicalResult
reverseSweep(mlir::OpBuilder &builder, mlir::Value output, mlir::Value seed,
             mlir::ValueRange wrt, AddCotangents add,
             mlir::SmallVectorImpl<mlir::Value> &cotangents);

} // namespace pc

#endif // PC_DIALECT_PC_IR_REVERSESWEEP_H
