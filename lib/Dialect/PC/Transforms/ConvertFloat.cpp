//===- ConvertFloat.cpp - Changes the element type of all tensors ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

namespace pc {
#define GEN_PASS_DEF_CONVERTFLOATPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
struct ConvertFloatPass
    : public pc::impl::ConvertFloatPassBase<ConvertFloatPass> {
  using ConvertFloatPassBase::ConvertFloatPassBase;
  void runOnOperation() final;
};
} // namespace

void ConvertFloatPass::runOnOperation() {
  if (type.empty())
    return;
  MLIRContext *context = &getContext();
  Type target;
  if (type == "f32") {
    target = Float32Type::get(context);
  } else if (type == "f64") {
    target = Float64Type::get(context);
  } else {
    getOperation().emitError("unknown element type '")
        << type << "', expected f32 or f64";
    return signalPassFailure();
  }
  auto isOther = [&](Type element) {
    return element != target && isa<Float32Type, Float64Type>(element);
  };
  // Tensors everywhere; bare floats only inside pc.elementwise, since the
  // numbers of a program stay f64.
  AttrTypeReplacer tensors;
  tensors.addReplacement([&](RankedTensorType tensor) -> std::optional<Type> {
    if (!isOther(tensor.getElementType()))
      return std::nullopt;
    return tensor.clone(target);
  });
  tensors.recursivelyReplaceElementsIn(getOperation(), /*replaceAttrs=*/true,
                                       /*replaceLocs=*/false,
                                       /*replaceTypes=*/true);
  AttrTypeReplacer floats;
  floats.addReplacement([&](FloatType element) -> std::optional<Type> {
    return isOther(element) ? std::optional<Type>(target) : std::nullopt;
  });
  getOperation().walk([&](ElementwiseOp op) {
    op.getBody().walk([&](Operation *inner) {
      if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
        auto number = dyn_cast<FloatAttr>(constant.getValue());
        if (number && isOther(number.getType())) {
          constant.setValueAttr(
              FloatAttr::get(target, number.getValueAsDouble()));
          constant.getResult().setType(target);
        }
        return;
      }
      floats.replaceElementsIn(inner, /*replaceAttrs=*/true,
                               /*replaceLocs=*/false, /*replaceTypes=*/true);
    });
    for (BlockArgument argument : op.getBody().getArguments())
      argument.setType(target);
  });
}
