//===- ReverseMode.h - Differentiation of energies --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_AUTODIFF_REVERSEMODE_H
#define PC_AUTODIFF_REVERSEMODE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

namespace pc {

/// Differentiates an energy in reverse mode.
///
/// `energy` is a tensor with one float per sample, tensor<?xf32>, or one float,
/// tensor<f32>; the operations that compute it stand in its block,
/// straight-line and pure. `seed` is its cotangent, of the same type; null
/// stands for 1 in every element. A per-sample variable then receives the
/// gradient of its own sample's energy, a shared variable the sum over the
/// batch.
///
/// Returns one value per `wrt`, of its type, in its order: `pc.splat 0` for a
/// variable that the energy does not depend on. No other zeros are made, and
/// nothing is computed that these values do not need.
///
/// Every `wrt` is an independent variable. If an operation defines it, no
/// gradient flows through that operation, so with h2 = f(h1) and both in `wrt`,
/// h1 receives nothing by way of h2. What the caller wants told apart must be
/// different values: a state that a forward initialisation set to its
/// prediction goes through a `pc.identity`, or is a block argument.
///
/// Operations are emitted at the builder's insertion point, which the energy
/// must dominate, at the locations of the operations they belong to.
/// Contributions to one value are added with `pc.add` in the reverse order of
/// its uses, so the result is the same in every run.
///
/// Fails with a diagnostic at an operation on a path from a variable to the
/// energy that has no DifferentiableOpInterface; what was emitted until then is
/// erased by the caller with the function, or is dead code.
mlir::FailureOr<llvm::SmallVector<mlir::Value>>
differentiate(mlir::OpBuilder &builder, mlir::Value energy, mlir::Value seed,
              mlir::ValueRange wrt);

} // namespace pc

#endif // PC_AUTODIFF_REVERSEMODE_H
