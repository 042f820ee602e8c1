//===- VerifyPhase.cpp - Contracts between the phases ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Pipelines/Passes.h"
#include "pc/Pipelines/Pipelines.h"

namespace pc {
#define GEN_PASS_DEF_VERIFYPHASEPASS
#include "pc/Pipelines/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
struct VerifyPhasePass : public pc::impl::VerifyPhasePassBase<VerifyPhasePass> {
  using VerifyPhasePassBase::VerifyPhasePassBase;
  void runOnOperation() final;

private:
  /// Emits an error at `op`; a broken phase shows at most a handful.
  void reject(Operation *op, StringRef why) {
    signalPassFailure();
    if (++errors <= 10)
      op->emitOpError("is left after the ") << phase << " phase: " << why;
  }
  void verifyModel();
  void verifyFunctional();
  void verifyScheduled();
  void verifyCPU();
  void verifyLLVM();

  unsigned errors = 0;
};
} // namespace

static bool hasTensor(Operation *op) {
  auto isTensor = [](Type type) { return isa<TensorType>(type); };
  return llvm::any_of(op->getOperandTypes(), isTensor) ||
         llvm::any_of(op->getResultTypes(), isTensor);
}

void VerifyPhasePass::verifyModel() {
  getOperation().walk([&](Operation *op) {
    if (isa<BlockOp, ApplyOp, LinearOp, VodeOp, SizeOp>(op))
      return reject(op, "it should be explicit parameters, states, terms "
                        "and numbers");
    for (Value result : op->getResults())
      if (auto type = dyn_cast<RankedTensorType>(result.getType());
          type && !type.hasStaticShape())
        return reject(op, "every shape should be static");
  });
}

void VerifyPhasePass::verifyFunctional() {
  for (Operation &top : *getOperation().getBody()) {
    auto function = dyn_cast<func::FuncOp>(top);
    if (!function) {
      reject(&top, "expected functions only");
      continue;
    }
    if (!function->getAttrOfType<ProgramInfoAttr>(PCDialect::kProgramAttrName))
      continue; // A helper of a pass that a plugin added.
    function.walk([&](Operation *op) {
      if (op == function)
        return;
      Dialect *dialect = op->getDialect();
      if (isa_and_nonnull<arith::ArithDialect, math::MathDialect,
                          scf::SCFDialect>(dialect) ||
          isa<func::ReturnOp, tensor::ExtractOp, tensor::FromElementsOp,
              YieldOp>(op))
        return;
      if (isComputation(op) && !isa<StageOp, GroupOp>(op))
        return;
      reject(op, "expected pure operations on tensors, numbers and loops");
    });
  }
}

void VerifyPhasePass::verifyScheduled() {
  getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<StageOp>(op))
      return WalkResult::skip();
    if (isa_and_nonnull<PCDialect>(op->getDialect()) && !isa<BatchSizeOp>(op))
      reject(op, "it should stand in a stage");
    return WalkResult::advance();
  });
}

void VerifyPhasePass::verifyCPU() {
  getOperation().walk([&](Operation *op) {
    if (isa_and_nonnull<PCDialect>(op->getDialect()) || hasTensor(op))
      reject(op, "expected kernels and their calls only");
  });
}

void VerifyPhasePass::verifyLLVM() {
  getOperation().walk([&](Operation *op) {
    if (!isa<ModuleOp, gpu::GPUModuleOp>(op) &&
        !isa_and_nonnull<LLVM::LLVMDialect, NVVM::NVVMDialect>(
            op->getDialect()))
      reject(op, "expected the LLVM dialect only");
  });
}

void VerifyPhasePass::runOnOperation() {
  errors = 0;
  std::optional<Phase> which = symbolizePhase(phase);
  if (!which) {
    getOperation().emitError("unknown phase '") << phase << "'";
    return signalPassFailure();
  }
  switch (*which) {
  case Phase::Input:
  case Phase::PTX:
  case Phase::Artifact:
    return;
  case Phase::Model:
    return verifyModel();
  case Phase::Functional:
  case Phase::Simplified:
    return verifyFunctional();
  case Phase::Scheduled:
    return verifyScheduled();
  case Phase::CPU:
  case Phase::GPU:
    return verifyCPU();
  case Phase::LLVM:
    return verifyLLVM();
  }
}
