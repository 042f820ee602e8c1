//===- ReverseMode.cpp - Differentiation of energies ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Autodiff/ReverseMode.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/ReverseSweep.h"

using namespace mlir;
using namespace pc;

FailureOr<SmallVector<Value>> pc::differentiate(OpBuilder &builder,
                                                Value energy, Value seed,
                                                ValueRange wrt) {
  Location loc = energy.getLoc();
  // differentiate_c1
  auto type = dyn_cast<RankedTensorType>(energy.getType());
  if (!type || !isa<FloatType>(type.getElementType()) || type.getRank() > 1)
    return emitError(loc, "expects an energy with one float per sample, but "
                          "found ")
           << energy.getType();
  for (Value variable : wrt) {
    // differentiate_c2
    auto variableType = dyn_cast<RankedTensorType>(variable.getType());
    if (!variableType || !isa<FloatType>(variableType.getElementType()))
      return emitError(variable.getLoc(),
                       "expects a tensor of floats to differentiate with "
                       "respect to, but found ")
             << variable.getType();
  }
  bool ownSeed = !seed;
  if (ownSeed)
    seed = SplatOp::create(builder, loc, type, builder.getF64FloatAttr(1.0));

  SmallVector<Value> gradients;
  LogicalResult swept = reverseSweep(
      builder, energy, seed, wrt,
      [](OpBuilder &builder, Location loc, Value a, Value b) -> Value {
        return AddOp::create(builder, loc, a.getType(), a, b);
      },
      gradients);
  if (failed(swept))
    return failure();
  for (auto [variable, gradient] : llvm::zip(wrt, gradients))
    if (!gradient)
      gradient = SplatOp::create(builder, variable.getLoc(), variable.getType(),
                                 builder.getF64FloatAttr(0.0));
  if (ownSeed && seed.use_empty() && !llvm::is_contained(gradients, seed))
    seed.getDefiningOp()->erase();
  return gradients;
}
