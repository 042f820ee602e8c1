//===- ChooseLayouts.cpp - How matrices lie in memory ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A product reads its weight by rows along the contraction: x W^T reads W^T,
// the feedback d W reads W. What the same elements pass through (the optimiser
// and its moments, loops, programs that share the array) must lie alike, so
// shared matrices form classes, and of each class either the matrices or their
// transposes are kept. The transposes that are left are explicit.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/Transforms/MatrixClasses.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_CHOOSELAYOUTSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {

RankedTensorType transposed(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  return tensor.clone({tensor.getDimSize(1), tensor.getDimSize(0)});
}

class LayoutChooser {
public:
  LayoutChooser(ArrayRef<func::FuncOp> programs) : programs(programs) {}
  void run();

private:
  /// Work that transposing the matrices of a class saves (or costs, when
  /// negative), in elements.
  double getGain(Value value);
  void flip(Value value);
  void rewrite(func::FuncOp program);

  ArrayRef<func::FuncOp> programs;
  llvm::DenseSet<Value> flipped;
};

} // namespace

/// How often a value is made anew: runs of a loop's body count several times.
static double getWeight(Value value) {
  double weight = 1;
  for (Operation *parent = value.getParentBlock()->getParentOp(); parent;
       parent = parent->getParentOp())
    if (isa<scf::ForOp>(parent))
      weight *= 8;
  return weight;
}

double LayoutChooser::getGain(Value value) {
  // One transpose serves all readers of one value.
  bool isTransposed = false, isRead = false;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (isa<TransposeOp>(user)) {
      isTransposed = true;
    } else if (isa<func::ReturnOp>(user)) {
      // The caller of an output wants the matrix as it is.
      auto program = cast<func::FuncOp>(user->getParentOp());
      isRead |= !program
                     .getResultAttrOfType<PortAttr>(use.getOperandNumber(),
                                                    PCDialect::kPortAttrName)
                     .isStorage();
    } else {
      isRead |= !keepsLayout(user) && !isa<scf::ForOp, scf::YieldOp>(user);
    }
  }
  int transposes = isTransposed - isRead;
  if (Operation *def = value.getDefiningOp()) {
    if (isa<TransposeOp>(def))
      ++transposes;
    else if (!keepsLayout(def) && !isa<scf::ForOp, SplatOp, BatchOuterOp>(def))
      --transposes;
  } else {
    // So does the caller of an input.
    auto argument = cast<BlockArgument>(value);
    if (isa<func::FuncOp>(argument.getOwner()->getParentOp()) &&
        !getPort(argument).isStorage())
      --transposes;
  }
  double elements = cast<RankedTensorType>(value.getType()).getNumElements();
  return transposes * getWeight(value) * elements;
}

void LayoutChooser::flip(Value value) {
  value.setType(transposed(value.getType()));
  flipped.insert(value);
}

void LayoutChooser::rewrite(func::FuncOp program) {
  SmallVector<Operation *> ops;
  program.walk([&](Operation *op) {
    if (op != program)
      ops.push_back(op);
  });
  auto isFlipped = [&](Value value) { return flipped.contains(value); };
  Operation *exit = program.getBody().front().getTerminator();
  SmallVector<bool> flippedResults =
      llvm::map_to_vector(exit->getOperands(), isFlipped);
  llvm::DenseMap<Value, Value> originals;
  SmallVector<TransposeOp> transposes;
  // Inputs come as they are.
  for (BlockArgument argument : program.getArguments())
    if (isFlipped(argument) && !getPort(argument).isStorage()) {
      argument.setType(transposed(argument.getType()));
      OpBuilder builder(program.getBody());
      auto turned = TransposeOp::create(
          builder, argument.getLoc(), transposed(argument.getType()), argument);
      argument.replaceAllUsesExcept(turned, turned);
      flipped.erase(argument);
      flipped.insert(turned);
    }
  for (Operation *op : ops) {
    if (auto outer = dyn_cast<BatchOuterOp>(op)) {
      if (isFlipped(outer)) {
        Value lhs = outer.getLhs(), rhs = outer.getRhs();
        outer.getLhsMutable().assign(rhs);
        outer.getRhsMutable().assign(lhs);
      }
      continue;
    }
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      transposes.push_back(transpose);
      continue;
    }
    // Its elements lie as those of what it works on.
    if (keepsLayout(op) || isa<scf::ForOp, scf::YieldOp, SplatOp>(op))
      continue;
    // What a reader of the matrix as it is gets.
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      if (!isFlipped(value))
        continue;
      if (op == exit) {
        auto port = program.getResultAttrOfType<PortAttr>(
            operand.getOperandNumber(), PCDialect::kPortAttrName);
        if (port.isStorage())
          continue;
        flippedResults[operand.getOperandNumber()] = false;
      }
      Value &original = originals[value];
      if (!original) {
        OpBuilder builder(op);
        builder.setInsertionPointAfterValue(value);
        original = TransposeOp::create(builder, op->getLoc(),
                                       transposed(value.getType()), value);
      }
      operand.set(original);
    }
    // And what else made a flipped value makes it as it is.
    for (Value result : op->getResults()) {
      if (!isFlipped(result))
        continue;
      auto type = cast<RankedTensorType>(result.getType());
      result.setType(transposed(type));
      OpBuilder builder(op->getContext());
      builder.setInsertionPointAfter(op);
      auto turned = TransposeOp::create(builder, op->getLoc(), type, result);
      result.replaceAllUsesExcept(turned, turned);
      flipped.erase(result);
      flipped.insert(turned);
    }
  }

  // Of a matrix and its transpose one is kept: they are the same now.
  for (TransposeOp transpose : transposes)
    if (isFlipped(transpose.getInput()) != isFlipped(transpose)) {
      transpose.replaceAllUsesWith(transpose.getInput());
      transpose.erase();
    }

  // Signature and ports.
  auto turn = [](PortAttr port, RankedTensorType type) {
    return port.withDetail("strides",
                           Builder(port.getContext())
                               .getDenseI64ArrayAttr({1, type.getDimSize(1)}));
  };
  for (BlockArgument argument : program.getArguments())
    if (isFlipped(argument)) {
      unsigned i = argument.getArgNumber();
      program.setArgAttr(
          i, PCDialect::kPortAttrName,
          turn(getPort(argument), cast<RankedTensorType>(argument.getType())));
    }
  for (auto [i, value] : llvm::enumerate(exit->getOperands()))
    if (flippedResults[i]) {
      auto port =
          program.getResultAttrOfType<PortAttr>(i, PCDialect::kPortAttrName);
      program.setResultAttr(
          i, PCDialect::kPortAttrName,
          turn(port, cast<RankedTensorType>(value.getType())));
    }
  updateSignature(program);
}

/// Every product reads its weight's rows along the contraction: `pc.dense`
/// without `transposed` reads a transpose, made once per version of the weight.
static void makeTransposesExplicit(func::FuncOp program) {
  llvm::DenseMap<Value, Value> transposes;
  program.walk([&](DenseOp dense) {
    if (dense.getTransposed())
      return;
    Value weight = dense.getWeight();
    Value &transpose = transposes[weight];
    if (!transpose) {
      OpBuilder builder(dense);
      builder.setInsertionPointAfterValue(weight);
      transpose = TransposeOp::create(builder, dense.getLoc(),
                                      transposed(weight.getType()), weight);
    }
    dense.getWeightMutable().assign(transpose);
    dense.setTransposed(true);
  });
}

/// Gives every use of a constant matrix a constant of its own: readers of one
/// constant need not lie alike.
static void separateConstants(func::FuncOp program) {
  SmallVector<SplatOp> splats;
  program.walk([&](SplatOp splat) {
    if (isSharedMatrix(splat.getType()))
      splats.push_back(splat);
  });
  for (SplatOp splat : splats)
    for (OpOperand &use : llvm::make_early_inc_range(splat->getUses()))
      if (!splat->hasOneUse()) {
        OpBuilder builder(splat);
        use.set(builder.clone(*splat)->getResult(0));
      }
}

void LayoutChooser::run() {
  for (func::FuncOp program : programs) {
    separateConstants(program);
    makeTransposesExplicit(program);
  }
  MatrixClasses classes(programs);
  SmallVector<Value> matrices = classes.getMatrices();
  llvm::DenseMap<const void *, double> gains;
  for (Value value : matrices)
    gains[classes.getClass(value)] += getGain(value);
  for (Value value : matrices)
    if (gains[classes.getClass(value)] > 0)
      flip(value);
  for (func::FuncOp program : programs)
    rewrite(program);
}

namespace {
struct ChooseLayoutsPass
    : public pc::impl::ChooseLayoutsPassBase<ChooseLayoutsPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<func::FuncOp> programs;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr(PCDialect::kProgramAttrName) && !func.isDeclaration())
        programs.push_back(func);
    LayoutChooser(programs).run();
  }
};
} // namespace
