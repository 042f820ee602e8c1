//===- Settings.h - Settings of optimisers ----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_IR_SETTINGS_H
#define PC_DIALECT_PC_IR_SETTINGS_H

#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// Checks the value of an optimiser's setting where it is known: a rate is not
/// negative, a momentum lies in [0, 1), and so on (optimiser_c6). Reports an
/// error at `op`.
llvm::LogicalResult checkSetting(mlir::Operation *op, OptimiserKind kind,
                                 llvm::StringRef name, double value);

} // namespace pc

#endif // PC_DIALECT_PC_IR_SETTINGS_H
