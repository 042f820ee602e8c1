//===- FixedPoint.h - Loops that can be left early --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_CPU_FIXEDPOINT_H
#define PC_LIB_CODEGEN_CPU_FIXEDPOINT_H

#include "mlir/Dialect/SCF/IR/SCF.h"

namespace pc {

/// A value that a loop of a samples stage carries, a number for each row, such
/// that an iteration changes nothing at all, to the bit, once it is zero in all
/// rows: what pc.stop leaves of the samples that still run. Its index among the
/// iteration arguments; nullopt if there is none that can be shown to be so.
std::optional<unsigned> findFixedPoint(mlir::scf::ForOp loop);

} // namespace pc

#endif // PC_LIB_CODEGEN_CPU_FIXEDPOINT_H
