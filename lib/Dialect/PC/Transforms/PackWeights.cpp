//===- PackWeights.cpp - Weights in panels of columns -----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layout of a matrix is the encoding of its type, so that whatever moves,
// copies or carries it keeps it without knowing. Which matrices have to lie
// alike is the question that pc-choose-layouts asks, too: see MatrixClasses.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/Transforms/MatrixClasses.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_PACKWEIGHTSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {
class WeightPacker {
public:
  WeightPacker(ArrayRef<func::FuncOp> programs, int64_t panelBytes)
      : programs(programs), panelBytes(panelBytes) {}
  void run();

private:
  /// Columns of a panel of a matrix of this type.
  int64_t getPanel(RankedTensorType type) const {
    return std::max<int64_t>(1, panelBytes * 8 / type.getElementTypeBitWidth());
  }
  void pack(Value matrix);
  void rewrite(func::FuncOp program);
  void setPorts(func::FuncOp program);

  ArrayRef<func::FuncOp> programs;
  int64_t panelBytes;
  llvm::DenseSet<Value> packed;
};
} // namespace

/// True if a product reads `matrix` row by row.
static bool isWeight(Value matrix) {
  return llvm::any_of(matrix.getUses(), [](OpOperand &use) {
    auto dense = dyn_cast<DenseOp>(use.getOwner());
    return dense && dense.getTransposed() && use == dense.getWeightMutable();
  });
}

void WeightPacker::pack(Value matrix) {
  auto type = cast<RankedTensorType>(matrix.getType());
  matrix.setType(type.cloneWithEncoding(
      PanelsAttr::get(type.getContext(), getPanel(type))));
  packed.insert(matrix);
}

/// True if `op` reads its operand `operand` however it lies.
static bool readsAnyLayout(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (keepsLayout(op) || isa<scf::ForOp, scf::YieldOp, TransposeOp>(op))
    return true;
  if (auto dense = dyn_cast<DenseOp>(op))
    return dense.getTransposed() && operand == dense.getWeightMutable();
  // A sum of all elements has no order.
  if (auto sum = dyn_cast<SumOp>(op))
    return sum.getType().getRank() == 0;
  return false;
}

/// True if `op` makes its results however they are to lie.
static bool makesAnyLayout(Operation *op) {
  return keepsLayout(op) ||
         isa<scf::ForOp, TransposeOp, BatchOuterOp, SplatOp, BroadcastOp>(op);
}

void WeightPacker::rewrite(func::FuncOp program) {
  // What the caller gives or what a step can only make by rows.
  auto packResult = [&](Value value, OpBuilder builder) {
    RankedTensorType type = cast<RankedTensorType>(value.getType());
    value.setType(type.dropEncoding());
    auto relayout = RelayoutOp::create(builder, value.getLoc(), type, value);
    value.replaceAllUsesExcept(relayout, relayout);
    packed.erase(value);
    packed.insert(relayout);
  };
  SmallVector<Operation *> ops;
  program.getBody().walk([&](Operation *op) { ops.push_back(op); });
  for (BlockArgument argument : program.getArguments())
    if (packed.contains(argument) && !getPort(argument).isStorage())
      packResult(argument, OpBuilder(program.getBody()));
  Operation *exit = program.getBody().front().getTerminator();
  llvm::DenseMap<Value, Value> unpacked;
  for (Operation *op : ops) {
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (!packed.contains(value) || readsAnyLayout(operand))
        continue;
      if (op == exit &&
          program
              .getResultAttrOfType<PortAttr>(operand.getOperandNumber(),
                                             PCDialect::kPortAttrName)
              .isStorage())
        continue;
      Value &rows = unpacked[value];
      if (!rows) {
        OpBuilder builder(op->getContext());
        builder.setInsertionPointAfterValue(value);
        rows = RelayoutOp::create(
            builder, op->getLoc(),
            cast<RankedTensorType>(value.getType()).dropEncoding(), value);
      }
      operand.set(rows);
    }
    if (makesAnyLayout(op))
      continue;
    for (Value result : op->getResults())
      if (packed.contains(result)) {
        OpBuilder builder(op->getContext());
        builder.setInsertionPointAfter(op);
        packResult(result, builder);
      }
  }
}

void WeightPacker::setPorts(func::FuncOp program) {
  auto withPanel = [](PortAttr port, Value value) {
    auto panels =
        cast<PanelsAttr>(cast<RankedTensorType>(value.getType()).getEncoding());
    return port.withDetail(
        "panel",
        Builder(port.getContext()).getI64IntegerAttr(panels.getColumns()));
  };
  for (BlockArgument argument : program.getArguments())
    if (packed.contains(argument))
      program.setArgAttr(argument.getArgNumber(), PCDialect::kPortAttrName,
                         withPanel(getPort(argument), argument));
  Operation *exit = program.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(exit->getOperands()))
    if (packed.contains(value))
      program.setResultAttr(i, PCDialect::kPortAttrName,
                            withPanel(program.getResultAttrOfType<PortAttr>(
                                          i, PCDialect::kPortAttrName),
                                      value));
  updateSignature(program);
}

void WeightPacker::run() {
  MatrixClasses classes(programs);
  SmallVector<Value> matrices = classes.getMatrices();
  llvm::DenseSet<const void *> weights;
  for (Value matrix : matrices) {
    auto type = cast<RankedTensorType>(matrix.getType());
    // Of a matrix as narrow as a panel the two layouts are one.
    if (isWeight(matrix) && type.getDimSize(1) > getPanel(type))
      weights.insert(classes.getClass(matrix));
  }
  for (Value matrix : matrices)
    if (weights.contains(classes.getClass(matrix)))
      pack(matrix);
  for (func::FuncOp program : programs) {
    rewrite(program);
    setPorts(program);
  }
}

namespace {
struct PackWeightsPass : public pc::impl::PackWeightsPassBase<PackWeightsPass> {
  using Base::Base;

  void runOnOperation() final {
    // Vectors do not cross panels.
    if (panelBytes < 64 || !llvm::isPowerOf2_64(panelBytes)) {
      getOperation().emitError("expected panels of a power of two of bytes, at "
                               "least 64, found ")
          << panelBytes.getValue();
      return signalPassFailure();
    }
    SmallVector<func::FuncOp> programs;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr(PCDialect::kProgramAttrName) && !func.isDeclaration())
        programs.push_back(func);
    WeightPacker(programs, panelBytes).run();
  }
};
} // namespace
