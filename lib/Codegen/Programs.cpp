//===- Programs.cpp - Planned programs, for all code generators -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Programs.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace pc;

LogicalResult ModuleTables::add(func::FuncOp func) {
  Builder b(func.getContext());
  for (BlockArgument argument : func.getArguments()) {
    auto port = func.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                PCDialect::kPortAttrName);
    StringRef name = port.getName();
    if (port.isStorage()) {
      Type type = argument.getType();
      auto [known, inserted] = storageType.try_emplace(name, type);
      if (!inserted && known->second != type)
        return func.emitError("array '")
               << name << "' has type " << type << " here and " << known->second
               << " in another program";
      if (!inserted)
        continue;
      storageIndex[name] = storage.size();
      // The user sees the matrix whose transpose, or panels, lie in memory.
      if (port.getDetail("strides")) {
        auto matrix = cast<RankedTensorType>(type);
        type = matrix.clone({matrix.getDimSize(1), matrix.getDimSize(0)});
      }
      if (auto array = dyn_cast<RankedTensorType>(type))
        type = array.dropEncoding();
      storage.push_back(b.getArrayAttr({port, TypeAttr::get(type)}));
    } else if (port.getKind() == PortKind::Hyper &&
               hyperIndex.try_emplace(name, hypers.size()).second) {
      hypers.push_back(port);
    }
  }
  return success();
}

int64_t ModuleTables::getPortIndex(func::FuncOp program,
                                   BufferAttr buffer) const {
  if (buffer.getSpace() != BufferSpace::Storage)
    return buffer.getPosition();
  int64_t position = 0;
  for (unsigned i = 0; i < program.getNumArguments(); ++i) {
    auto port = program.getArgAttrOfType<PortAttr>(i, PCDialect::kPortAttrName);
    if (port.isStorage() && position++ == buffer.getPosition())
      return storageIndex.lookup(port.getName());
  }
  llvm_unreachable("a buffer of a planned program exists");
}

SmallVector<NamedAttribute>
ModuleTables::getPortFacts(func::FuncOp program) const {
  Builder b(program.getContext());
  SmallVector<Attribute> inputs, outputs;
  SmallVector<int64_t> reads, writes;
  auto port = [&](PortAttr attr, Type type) {
    return b.getArrayAttr({attr, TypeAttr::get(type)});
  };
  for (BlockArgument argument : program.getArguments()) {
    auto attr = program.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                   PCDialect::kPortAttrName);
    if (attr.getKind() == PortKind::Input)
      inputs.push_back(port(attr, argument.getType()));
    else if (attr.isStorage())
      reads.push_back(storageIndex.lookup(attr.getName()));
  }
  for (auto [index, type] : llvm::enumerate(program.getResultTypes())) {
    auto attr =
        program.getResultAttrOfType<PortAttr>(index, PCDialect::kPortAttrName);
    if (attr.isStorage())
      writes.push_back(storageIndex.lookup(attr.getName()));
    else
      outputs.push_back(port(attr, type));
  }
  return {b.getNamedAttr("inputs", b.getArrayAttr(inputs)),
          b.getNamedAttr("outputs", b.getArrayAttr(outputs)),
          b.getNamedAttr("reads", b.getDenseI64ArrayAttr(reads)),
          b.getNamedAttr("writes", b.getDenseI64ArrayAttr(writes))};
}

BufferAttr pc::getBuffer(func::FuncOp program, Value array) {
  Value root = getRootArray(array);
  if (auto argument = dyn_cast<BlockArgument>(root)) {
    Operation *parent = argument.getOwner()->getParentOp();
    if (auto loop = dyn_cast<scf::ForOp>(parent))
      return getBuffer(program, loop.getTiedLoopInit(argument)->get());
    auto port = program.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                   PCDialect::kPortAttrName);
    int64_t position = 0;
    for (unsigned i = 0; i < argument.getArgNumber(); ++i) {
      auto other =
          program.getArgAttrOfType<PortAttr>(i, PCDialect::kPortAttrName);
      position += port.isStorage() ? other.isStorage()
                                   : other.getKind() == PortKind::Input;
    }
    return BufferAttr::get(
        program.getContext(),
        port.isStorage() ? BufferSpace::Storage : BufferSpace::Input, position);
  }
  auto result = cast<OpResult>(root);
  if (auto loop = dyn_cast<scf::ForOp>(result.getOwner()))
    return getBuffer(program, loop.getInitArgs()[result.getResultNumber()]);
  auto places =
      result.getOwner()->getAttrOfType<ArrayAttr>(PCDialect::kBuffersAttrName);
  return cast<BufferAttr>(places[result.getResultNumber()]);
}

bool pc::isBatched(Value array) {
  if (auto argument = dyn_cast<BlockArgument>(array))
    if (auto stage = dyn_cast<StageOp>(argument.getOwner()->getParentOp())) {
      auto type = cast<RankedTensorType>(
          stage.getInputs()[argument.getArgNumber()].getType());
      return type.getRank() > 0 && type.isDynamicDim(0);
    }
  Operation *def = array.getDefiningOp();
  if (isa_and_nonnull<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(def))
    return isBatched(def->getOperand(0));
  // What a stage makes and does not keep to itself has a row per sample.
  return true;
}

std::string pc::getKernelName(GroupOp group) {
  std::string name;
  for (auto op : group.getBody().getOps<linalg::GenericOp>()) {
    StringRef kind;
    SmallVector<int64_t> dims = op.getStaticLoopRanges();
    switch (getStructuredKind(op)) {
    case StructuredKind::Contraction:
      kind = "contract";
      break;
    case StructuredKind::BatchReduction:
      kind = "batch_sum";
      break;
    case StructuredKind::RowReduction:
      kind = "row_sum";
      break;
    case StructuredKind::Elementwise:
      kind = isNarrowing(op) ? "narrow" : "map";
      break;
    case StructuredKind::Update:
      kind = "join";
      break;
    }
    if (!name.empty() && kind != "contract" && kind != "batch_sum" &&
        kind != "row_sum")
      continue;
    name = kind.str();
    llvm::raw_string_ostream os(name);
    for (auto [index, dim] : llvm::enumerate(dims)) {
      os << (index == 0 ? "_" : "x");
      if (ShapedType::isDynamic(dim))
        os << "n";
      else
        os << dim;
    }
  }
  return name;
}

SmallVector<SmallVector<GroupOp>> pc::getLevels(StageOp stage) {
  SmallVector<SmallVector<GroupOp>> levels;
  llvm::DenseMap<Operation *, unsigned> levelOf;
  for (auto group : stage.getBody().getOps<GroupOp>()) {
    unsigned level = 0;
    for (Value operand : group->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        if (Operation *def = getRootArray(operand).getDefiningOp())
          if (def->getBlock() == group->getBlock())
            level = std::max(level, levelOf.lookup(def) + 1);
    levelOf[group] = level;
    if (levels.size() <= level)
      levels.resize(level + 1);
    levels[level].push_back(group);
  }
  return levels;
}

void pc::addLinear(AffineExpr expr, int64_t factor,
                   MutableArrayRef<int64_t> strides, int64_t &offset) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    strides[dim.getPosition()] += factor;
    return;
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    offset += factor * constant.getValue();
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    addLinear(binary.getLHS(), factor, strides, offset);
    addLinear(binary.getRHS(), factor, strides, offset);
    return;
  case AffineExprKind::Mod:
    // The modulus is the length of the loop: see convert-pc-to-linalg.
    addLinear(binary.getLHS(), factor, strides, offset);
    return;
  default:
    assert(binary.getKind() == AffineExprKind::Mul && "expected a linear map");
    addLinear(binary.getLHS(),
              factor * cast<AffineConstantExpr>(binary.getRHS()).getValue(),
              strides, offset);
  }
}

scf::ForOp
pc::buildLoop(OpBuilder &b, Location loc, Value from, Value to, Value step,
              ValueRange carried,
              function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(b, loc, from, to, step, carried);
  OpBuilder::InsertionGuard guard(b);
  Block *block = op.getBody();
  // Without carried values the builder made a terminator.
  if (!block->empty())
    block->back().erase();
  b.setInsertionPointToEnd(block);
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return op;
}

void pc::cloneLoop(OpBuilder &b, scf::ForOp loop, IRMapping &scalars,
                   Value lower, Value upper, Value step,
                   function_ref<bool(Value)> keeps, Value *counter,
                   function_ref<void()> body) {
  SmallVector<Value> carried;
  SmallVector<unsigned> kept;
  for (auto [index, init] : llvm::enumerate(loop.getInitArgs()))
    if (!isa<RankedTensorType>(init.getType()) && keeps(init)) {
      kept.push_back(index);
      carried.push_back(scalars.lookupOrDefault(init));
    }
  if (counter)
    carried.push_back(*counter);
  auto copy =
      buildLoop(b, loop.getLoc(), lower, upper, step, carried,
                [&](Value index, ValueRange values) {
                  scalars.map(loop.getInductionVar(), index);
                  for (auto [place, value] : llvm::zip_first(kept, values))
                    scalars.map(loop.getRegionIterArg(place), value);
                  if (counter)
                    *counter = values.back();
                  body();
                  SmallVector<Value> next;
                  for (unsigned place : kept)
                    next.push_back(scalars.lookupOrDefault(
                        loop.getBody()->getTerminator()->getOperand(place)));
                  if (counter)
                    next.push_back(*counter);
                  return next;
                });
  for (auto [place, result] : llvm::zip_first(kept, copy.getResults()))
    scalars.map(loop.getResult(place), result);
  if (counter)
    *counter = copy.getResults().back();
}

void pc::unrollBy(scf::ForOp loop, int32_t count) {
  Builder b(loop.getContext());
  auto unroll = LLVM::LoopUnrollAttr::get(
      b.getContext(), /*disable=*/count == 1 ? b.getBoolAttr(true) : BoolAttr(),
      /*count=*/count == 1 ? IntegerAttr() : b.getI32IntegerAttr(count),
      /*runtimeDisable=*/{}, /*full=*/{}, /*followupUnrolled=*/{},
      /*followupRemainder=*/{}, /*followupAll=*/{});
  loop->setAttr("loop_annotation",
                LLVM::LoopAnnotationAttr::get(
                    b.getContext(), /*disableNonforced=*/{}, /*vectorize=*/{},
                    /*interleave=*/{}, unroll, /*unrollAndJam=*/{}, /*licm=*/{},
                    /*distribute=*/{}, /*pipeline=*/{}, /*peeled=*/{},
                    /*unswitch=*/{}, /*mustProgress=*/{}, /*isVectorized=*/{},
                    /*startLoc=*/{}, /*endLoc=*/{}, /*parallelAccesses=*/{}));
}
