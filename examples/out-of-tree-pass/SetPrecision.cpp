//===- SetPrecision.cpp - A pass out of tree ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives every vode with a squared-error energy and no precision the precision
// `value`, except the last one of its model, which is compared with the data.
//
//===----------------------------------------------------------------------===//

#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/Config/llvm-config.h"

using namespace mlir;

namespace {
struct SetPrecisionPass
    : public PassWrapper<SetPrecisionPass, OperationPass<pc::ModelOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SetPrecisionPass)

  SetPrecisionPass() = default;
  SetPrecisionPass(const SetPrecisionPass &other) : PassWrapper(other) {}

  StringRef getArgument() const final { return "set-precision"; }
  StringRef getDescription() const final {
    return "Give hidden vodes with squared error a precision";
  }

  void runOnOperation() final {
    if (!(value > 0.0)) {
      getOperation().emitError("set-precision: expected a positive value, "
                               "found ")
          << value;
      return signalPassFailure();
    }
    SmallVector<pc::VodeOp> vodes(
        getOperation().getBody().getOps<pc::VodeOp>());
    for (pc::VodeOp vode : ArrayRef(vodes).drop_back(!vodes.empty())) {
      auto kind = dyn_cast<pc::EnergyKindAttr>(vode.getEnergy());
      if (!kind || kind.getValue() != pc::EnergyKind::SquaredError)
        continue;
      if (!vode.getPrecision() && !vode.getLogSigma())
        vode.setPrecisionAttr(Builder(&getContext()).getF64FloatAttr(value));
    }
  }

  Option<double> value{*this, "value", llvm::cl::desc("precision"),
                       llvm::cl::init(1.0)};
};
} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "SetPrecision", LLVM_VERSION_STRING,
          []() { PassRegistration<SetPrecisionPass>(); }};
}
