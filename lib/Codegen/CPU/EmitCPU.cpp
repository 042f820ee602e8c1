//===- EmitCPU.cpp - Stages and entry functions of programs ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program becomes an entry function, `i32 (const pcx_run_args_t *)`, which
// computes the scalars, keeps the loops that move weights and calls
// host->parallel_for for every stage; one function `void (ctx, index, worker)`
// for every stage; and one function for every distinct kernel.
//
// Where layers are wide, a stage over samples has a second form for batches
// that are no work for all threads: the entry function keeps its loops too and
// calls parallel_for for every kernel, over blocks of samples and parts of the
// columns. Threads then meet after every kernel.
//
// The context of a call is an array of eight-byte slots on the entry's stack:
// a fixed head, then the scalars that the stage at hand reads.
//
// With `profile` the head has pcx_host_t::mark as well, which is called around
// every stage and every kernel.
//
//===----------------------------------------------------------------------===//

#include "../EntryAttributes.h"
#include "../Programs.h"
#include "FixedPoint.h"
#include "KernelEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "pcx/abi.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/SaveAndRestore.h"

#include <cmath>
#include <cstddef>

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_EMITCPUPASS
#include "pc/Codegen/CPU/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {

/// Slots of a call's context.
enum Slot : int32_t {
  SlotSamples,   ///< i64: n
  SlotBlockRows, ///< i64: rows of a block of the stage at hand
  SlotParts,     ///< i64: parts that the columns of the kernel at hand are cut
                 ///< into
  SlotPartColumns, ///< i64: columns of a part
  SlotWorkspace,   ///< ptr
  SlotInputs,      ///< ptr to pointers
  SlotOutputs,     ///< ptr to pointers
  SlotStorage,     ///< ptr to pointers
  SlotScalars,     ///< first of the stage's scalars; with marks after these:
  SlotMark = SlotScalars, ///< ptr: pcx_host_t::mark, or null
  SlotMarkSelf,           ///< ptr: its first argument
  SlotMarkedScalars
};

/// Emits one program for one CPU.
class ProgramEmitter {
public:
  ProgramEmitter(ModuleOp module, func::FuncOp program, const CPUTarget &target,
                 const ModuleTables &tables, bool marked);
  void run();

private:
  // Small pieces of code.
  Value number(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value slot(Value context, int32_t index) {
    return LLVM::GEPOp::create(b, loc, pointerType, b.getI64Type(), context,
                               ArrayRef<LLVM::GEPArg>{index});
  }
  Value loadSlot(Type type, Value context, int32_t index) {
    // The bound of a loop may be an input of a stage; memory has no index.
    Type stored = isa<IndexType>(type) ? b.getI64Type() : type;
    Value value = LLVM::LoadOp::create(b, loc, stored, slot(context, index), 8);
    return stored == type
               ? value
               : arith::IndexCastOp::create(b, loc, type, value).getResult();
  }
  void storeSlot(Value value, Value context, int32_t index) {
    if (isa<IndexType>(value.getType()))
      value = arith::IndexCastOp::create(b, loc, b.getI64Type(), value);
    LLVM::StoreOp::create(b, loc, value, slot(context, index), 8);
  }
  Value loadField(Type type, Value structure, size_t offset) {
    Value address = LLVM::GEPOp::create(
        b, loc, pointerType, b.getI8Type(), structure,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return LLVM::LoadOp::create(b, loc, type, address);
  }
  LLVM::LLVMFuncOp createFunction(const Twine &suffix, Type result,
                                  ArrayRef<Type> arguments, Location at,
                                  LLVM::Linkage linkage);

  // Arrays.
  /// Address of the first element that a stage function sees of `array`.
  Value getArrayAddress(Value array);
  Value getWorkerAddress(Value worker, int64_t position);

  // Programs.
  void emitBlock(Block &block, IRMapping &scalars);
  Value emitAnyRow(Value array);
  void emitLoop(scf::ForOp loop, IRMapping &scalars,
                function_ref<void(Block &, IRMapping &)> emitBody);
  void emitStageCall(StageOp stage, IRMapping &scalars);
  Value emitIsShared();
  void emitStage(LLVM::LLVMFuncOp task, Value count, Value shared);
  void emitParallel(LLVM::LLVMFuncOp task, Value count, Value shared);
  void loadMark();
  void emitMark(Value worker, uint32_t what, Value rows);
  int32_t firstScalarSlot() const {
    return marked ? SlotMarkedScalars : SlotScalars;
  }
  LLVM::LLVMFuncOp beginTask(Location at, ValueRange values,
                             const Twine &suffix, IRMapping &scalars);
  void beginBlock(Value block);
  LLVM::LLVMFuncOp emitSamplesTask(StageOp stage);
  void emitSamplesBody(Block &block, IRMapping &scalars);
  bool isCutByColumns(StageOp stage);
  void emitSamplesKernels(Block &block, IRMapping &scalars, Value workers,
                          Value blocks);
  void emitSamplesKernel(GroupOp group, IRMapping &scalars, Value workers,
                         Value blocks);
  std::pair<LLVM::LLVMFuncOp, int64_t>
  emitParamsTask(StageOp stage, ArrayRef<GroupOp> groups, unsigned level);
  /// Columns of a group to compute, of part `part` of them.
  struct ColumnPart {
    Value from, to, part;
  };
  void emitGroupCall(GroupOp group, StageKind kind, IRMapping &scalars,
                     Value low, Value high,
                     std::optional<ColumnPart> columns = {});
  Value ceilDiv(Value value, Value by) {
    Value sum = arith::AddIOp::create(
        b, loc, value, arith::SubIOp::create(b, loc, by, number(1)));
    return arith::DivUIOp::create(b, loc, sum, by);
  }
  DictionaryAttr getEntryFacts();

  ModuleOp module;
  func::FuncOp program;
  const CPUTarget &target;
  const ModuleTables &tables;
  const bool marked; ///< calls pcx_host_t::mark
  OpBuilder b;
  Location loc;
  Type pointerType;
  std::string prefix;
  int64_t sampleBlock, maxBatch, workspaceBytes;
  /// Memory of a worker: arrays, and behind them what kernels pack.
  int64_t workerBytes, packOffset;
  int64_t mostScalars = 0;
  unsigned stageCount = 0;
  /// Kernels so far of the stage at hand that are tasks of their own.
  unsigned stageKernels = 0;

  /// The function being emitted: its context, and in tasks their block of
  /// samples: where it begins, its rows in whole tiles and its samples.
  Value context, firstRow, blockEnd, blockSamples, worker, samples, runArgs;
  /// The worker in whose memory the block's arrays are, which no other one has.
  Value owner;
  llvm::DenseMap<std::pair<BufferAttr, int>, Value> addresses;

  /// Emitting a task moves to another function.
  struct Place {
    OpBuilder::InsertPoint point;
    Value context, samples;
    llvm::DenseMap<std::pair<BufferAttr, int>, Value> addresses;
    double times;
  };
  Place getPlace() {
    return {b.saveInsertionPoint(), context, samples, addresses, times};
  }
  void goBack(const Place &place) {
    b.restoreInsertionPoint(place.point);
    context = place.context;
    samples = place.samples;
    addresses = place.addresses;
    times = place.times;
    firstRow = blockEnd = blockSamples = worker = owner = Value();
  }

  /// Kernels so far: groups of one form share a function.
  struct Kernel {
    GroupOp group;
    StageKind stage;
    KernelBinding binding;
    LLVM::LLVMFuncOp func;
  };
  std::vector<Kernel> kernels;
  SmallVector<Attribute> kernelInfos;

  /// Stages so far, the last one being emitted. See pcx_stage_info_t.
  struct Stage {
    std::string name, task;
    double runs;
    llvm::MapVector<int64_t, double> calls; ///< by the kernel's index
    GroupCost cost; ///< of a run; a loop that only the run knows counts once
  };
  std::vector<Stage> stages;
  /// How often the code at hand runs in a run of its stage, or, outside of
  /// stages, in a call: 0 if only the run knows.
  double times = 1;
};

} // namespace

//===----------------------------------------------------------------------===//
// Small pieces of code
//===----------------------------------------------------------------------===//

ProgramEmitter::ProgramEmitter(ModuleOp module, func::FuncOp program,
                               const CPUTarget &target,
                               const ModuleTables &tables, bool marked)
    : module(module), program(program), target(target), tables(tables),
      marked(marked), b(module.getContext()), loc(program.getLoc()),
      pointerType(LLVM::LLVMPointerType::get(module.getContext())),
      prefix((program.getName() + "$" + target.name).str()) {
  auto fact = [&](StringRef name) {
    return program->getAttrOfType<IntegerAttr>(name).getInt();
  };
  sampleBlock = fact(PCDialect::kSampleBlockAttrName);
  maxBatch = fact(PCDialect::kMaxBatchAttrName);
  workspaceBytes = fact(PCDialect::kWorkspaceAttrName);
  packOffset = fact(PCDialect::kWorkerAttrName);
  int64_t packBytes = 0;
  program.walk([&](GroupOp group) {
    StageKind kind = group->getParentOfType<StageOp>().getKind();
    packBytes =
        std::max(packBytes, getScratchBytes(group, kind, maxBatch, target));
  });
  workerBytes = packOffset + llvm::alignTo(packBytes, 64);
}

LLVM::LLVMFuncOp ProgramEmitter::createFunction(const Twine &suffix,
                                                Type result,
                                                ArrayRef<Type> arguments,
                                                Location at,
                                                LLVM::Linkage linkage) {
  OpBuilder end = OpBuilder::atBlockEnd(module.getBody());
  auto func = LLVM::LLVMFuncOp::create(
      end, at, (prefix + suffix).str(),
      LLVM::LLVMFunctionType::get(result, arguments), linkage);
  target.setAttributes(func);
  return func;
}

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

/// An address in the memory of a worker.
Value ProgramEmitter::getWorkerAddress(Value worker, int64_t position) {
  Value own = arith::MulIOp::create(b, loc, worker, number(workerBytes));
  Value offset =
      arith::AddIOp::create(b, loc, own, number(workspaceBytes + position));
  return LLVM::GEPOp::create(b, loc, pointerType, b.getI8Type(),
                             loadSlot(pointerType, context, SlotWorkspace),
                             ArrayRef<LLVM::GEPArg>{offset});
}

Value ProgramEmitter::getArrayAddress(Value array) {
  BufferAttr buffer = getBuffer(program, array);
  bool rows =
      firstRow && buffer.getSpace() != BufferSpace::Scratch && isBatched(array);
  Value &address = addresses[{buffer, rows}];
  if (address)
    return address;
  // At the start of the function: every use is after it.
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointAfterValue(firstRow ? blockEnd : samples);
  auto loadPointer = [&](int32_t table) {
    Value pointers = loadSlot(pointerType, context, table);
    return loadSlot(pointerType, pointers,
                    tables.getPortIndex(program, buffer));
  };
  auto bytesAfter = [&](Value pointer, Value bytes) {
    return LLVM::GEPOp::create(b, loc, pointerType, b.getI8Type(), pointer,
                               ArrayRef<LLVM::GEPArg>{bytes});
  };
  switch (buffer.getSpace()) {
  case BufferSpace::Input:
    address = loadPointer(SlotInputs);
    break;
  case BufferSpace::Output:
    address = loadPointer(SlotOutputs);
    break;
  case BufferSpace::Storage:
    address = loadPointer(SlotStorage);
    break;
  case BufferSpace::Workspace:
    address = bytesAfter(loadSlot(pointerType, context, SlotWorkspace),
                         number(buffer.getPosition()));
    break;
  case BufferSpace::Scratch:
    address = getWorkerAddress(owner, buffer.getPosition());
    break;
  }
  if (rows) {
    auto type = cast<RankedTensorType>(array.getType());
    int64_t rowBytes = type.getElementTypeBitWidth() / 8;
    for (int64_t dim : type.getShape().drop_front())
      rowBytes *= dim;
    address = bytesAfter(
        address, arith::MulIOp::create(b, loc, firstRow, number(rowBytes)));
  }
  return address;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

void ProgramEmitter::emitGroupCall(GroupOp group, StageKind kind,
                                   IRMapping &scalars, Value low, Value high,
                                   std::optional<ColumnPart> columns) {
  KernelBinding binding;
  llvm::SmallDenseMap<BufferAttr, int> pointerOf;
  SmallVector<Value> arguments;
  auto bind = [&](Value array) {
    auto [known, inserted] =
        pointerOf.try_emplace(getBuffer(program, array), binding.pointerCount);
    if (inserted) {
      ++binding.pointerCount;
      arguments.push_back(getArrayAddress(array));
    }
    return known->second;
  };
  for (Value operand : group.getInputs())
    binding.operandPointers.push_back(
        isa<RankedTensorType>(operand.getType()) ? bind(operand) : -1);
  for (Value result : group.getResults())
    binding.resultPointers.push_back(bind(result));
  for (Value operand : group.getInputs())
    if (!isa<RankedTensorType>(operand.getType()))
      arguments.push_back(scalars.lookup(operand));
  if (getScratchBytes(group, kind, maxBatch, target) > 0) {
    binding.scratch = true;
    arguments.push_back(getWorkerAddress(worker, packOffset));
  }
  if (columns) {
    binding.columns = true;
    arguments.append({columns->from, columns->to});
  }
  Value first = firstRow ? firstRow : number(0);
  arguments.append({low, high, first, samples});

  GroupCost cost = estimateCost(group, kind, target);
  stages.back().cost.add(cost, times ? times : 1);
  LLVM::LLVMFuncOp kernel;
  int64_t place = kernels.size();
  for (auto [index, known] : llvm::enumerate(kernels))
    if (known.stage == kind && known.binding == binding &&
        OperationEquivalence::isRegionEquivalentTo(
            &known.group.getBody(), &group.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      kernel = known.func;
      place = index;
    }
  if (!kernel) {
    std::string name =
        (prefix + "$" + Twine(kernels.size()) + "$" + getKernelName(group))
            .str();
    kernel = emitKernel(module, name, group, kind, binding, maxBatch, target);
    kernels.push_back({group, kind, binding, kernel});
    kernelInfos.push_back(b.getArrayAttr(
        {b.getStringAttr(Twine(kernels.size() - 1) + " " +
                         getKernelName(group)),
         b.getDenseF64ArrayAttr({cost.flopsBase, cost.flopsPerSample,
                                 cost.bytesBase, cost.bytesPerSample}),
         b.getI64IntegerAttr(kind == StageKind::Params ? cost.rows : 0)}));
  }
  // Once 0, always 0: not known.
  auto [use, inserted] = stages.back().calls.try_emplace(place, times);
  if (!inserted)
    use->second = times && use->second ? use->second + times : 0;
  if (!marked) {
    LLVM::CallOp::create(b, group.getLoc(), kernel, arguments);
    return;
  }
  emitMark(worker, place, number(PCX_MARK_BEGIN));
  LLVM::CallOp::create(b, group.getLoc(), kernel, arguments);
  Value rows = kind == StageKind::Samples
                   ? blockSamples
                   : arith::SubIOp::create(b, loc, high, low).getResult();
  // The first part stands for the work of all.
  if (columns) {
    Value counts = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                         columns->part, number(0));
    rows = arith::SelectOp::create(b, loc, counts, rows, number(0));
  }
  emitMark(worker, place, rows);
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

/// Starts a function `void (ctx, index, worker)`; `scalars` gets those of
/// `values` that are numbers, which the context holds.
LLVM::LLVMFuncOp ProgramEmitter::beginTask(Location at, ValueRange values,
                                           const Twine &suffix,
                                           IRMapping &scalars) {
  Type i64 = b.getI64Type();
  LLVM::LLVMFuncOp task =
      createFunction(suffix, LLVM::LLVMVoidType::get(b.getContext()),
                     {pointerType, i64, i64}, at, LLVM::Linkage::Internal);
  stages.push_back(
      {suffix.str().substr(1), task.getSymName().str(), times, {}, {}});
  times = 1;
  Block *entry = task.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  addresses.clear();
  context = entry->getArgument(0);
  owner = worker = entry->getArgument(2);
  int32_t next = firstScalarSlot();
  for (Value value : values)
    if (!isa<RankedTensorType>(value.getType()))
      scalars.map(value, loadSlot(value.getType(), context, next++));
  mostScalars = std::max<int64_t>(mostScalars, next - firstScalarSlot());
  samples = loadSlot(i64, context, SlotSamples);
  firstRow = blockEnd = blockSamples = Value();
  return task;
}

/// The task is for the samples of `block`.
void ProgramEmitter::beginBlock(Value block) {
  Value rows = loadSlot(b.getI64Type(), context, SlotBlockRows);
  firstRow = arith::MulIOp::create(b, loc, block, rows);
  Value left = arith::SubIOp::create(b, loc, samples, firstRow);
  Value count = arith::MinSIOp::create(b, loc, rows, left);
  // Whole tiles of rows: arrays have room for them, and what stands there does
  // not matter.
  int64_t unit = chooseTile(target, sampleBlock).rows;
  Value up = arith::AddIOp::create(b, loc, count, number(unit - 1));
  blockEnd = arith::AndIOp::create(b, loc, up, number(-unit));
  blockSamples = count;
}

LLVM::LLVMFuncOp ProgramEmitter::emitSamplesTask(StageOp stage) {
  IRMapping scalars;
  LLVM::LLVMFuncOp task = beginTask(loc, stage.getBody().getArguments(),
                                    "$samples" + Twine(stageCount), scalars);
  beginBlock(task.getArgument(1));
  emitSamplesBody(stage.getBody().front(), scalars);
  LLVM::ReturnOp::create(b, loc, ValueRange());
  return task;
}

/// Whether a stage over samples has layers that are work for several threads
/// even where a few samples meet them.
bool ProgramEmitter::isCutByColumns(StageOp stage) {
  // For eight samples about twenty microseconds, ten times what it takes to
  // hand over a loop.
  constexpr double leastPerSample = 250000;
  bool wide = false;
  WalkResult walked = stage.walk([&](Operation *op) {
    if (auto group = dyn_cast<GroupOp>(op)) {
      GroupCost cost = estimateCost(group, StageKind::Samples, target);
      wide |= getColumnUnit(group, target) > 0 &&
              cost.flopsPerSample >= leastPerSample;
    }
    // Blocks leave such a loop when their samples have stopped, each for
    // itself.
    auto loop = dyn_cast<scf::ForOp>(op);
    return loop && findFixedPoint(loop) ? WalkResult::interrupt()
                                        : WalkResult::advance();
  });
  return wide && !walked.wasInterrupted();
}

/// A stage over samples, kernel by kernel.
void ProgramEmitter::emitSamplesKernels(Block &block, IRMapping &scalars,
                                        Value workers, Value blocks) {
  for (Operation &op : block.without_terminator()) {
    if (auto group = dyn_cast<GroupOp>(op))
      emitSamplesKernel(group, scalars, workers, blocks);
    else if (auto loop = dyn_cast<scf::ForOp>(op))
      emitLoop(loop, scalars, [&](Block &body, IRMapping &inner) {
        emitSamplesKernels(body, inner, workers, blocks);
      });
    else if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      b.clone(op, scalars);
  }
}

/// One kernel for all blocks of samples, a contraction in parts of its columns.
void ProgramEmitter::emitSamplesKernel(GroupOp group, IRMapping &scalars,
                                       Value workers, Value blocks) {
  int32_t next = firstScalarSlot();
  for (Value input : group.getInputs())
    if (!isa<RankedTensorType>(input.getType()))
      storeSlot(scalars.lookupOrDefault(input), context, next++);
  int64_t unit = getColumnUnit(group, target);
  int64_t columns =
      unit ? cast<RankedTensorType>(group.getResult(0).getType()).getDimSize(1)
           : 1;
  Place here = getPlace();
  IRMapping inner;
  std::string suffix =
      ("$samples" + Twine(stageCount) + "_" + Twine(stageKernels++)).str();
  LLVM::LLVMFuncOp task =
      beginTask(group.getLoc(), group.getInputs(), suffix, inner);
  stages.back().runs = -stages.back().runs;
  Value index = task.getArgument(1);
  Value parts = loadSlot(b.getI64Type(), context, SlotParts);
  owner = arith::DivUIOp::create(b, loc, index, parts);
  Value part = arith::RemUIOp::create(b, loc, index, parts);
  beginBlock(owner);
  std::optional<ColumnPart> cut;
  if (unit) {
    Value each = loadSlot(b.getI64Type(), context, SlotPartColumns);
    Value from = arith::MulIOp::create(b, loc, part, each);
    Value to = arith::MinSIOp::create(
        b, loc, arith::AddIOp::create(b, loc, from, each), number(columns));
    cut = {from, to, part};
  }
  emitGroupCall(group, StageKind::Samples, inner, number(0), blockEnd, cut);
  LLVM::ReturnOp::create(b, loc, ValueRange());
  goBack(here);

  Value count = number(1);
  if (unit) {
    count = ceilDiv(workers, blocks);
    Value units = ceilDiv(number(llvm::divideCeil(columns, unit)), count);
    Value each = arith::MulIOp::create(b, loc, units, number(unit));
    count = ceilDiv(number(columns), each);
    LLVM::StoreOp::create(b, loc, each, slot(context, SlotPartColumns), 8);
  }
  LLVM::StoreOp::create(b, loc, count, slot(context, SlotParts), 8);
  emitStage(task, arith::MulIOp::create(b, loc, count, blocks), emitIsShared());
}

void ProgramEmitter::emitSamplesBody(Block &block, IRMapping &scalars) {
  for (Operation &op : block.without_terminator()) {
    if (auto group = dyn_cast<GroupOp>(op))
      emitGroupCall(group, StageKind::Samples, scalars, number(0), blockEnd);
    else if (auto loop = dyn_cast<scf::ForOp>(op))
      emitLoop(loop, scalars, [&](Block &body, IRMapping &inner) {
        emitSamplesBody(body, inner);
      });
    else if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      b.clone(op, scalars);
  }
}

/// Whether any of the block's samples has something else than zero in `array`,
/// a number for each row.
Value ProgramEmitter::emitAnyRow(Value array) {
  Type element = cast<RankedTensorType>(array.getType()).getElementType();
  Value address = getArrayAddress(array);
  Value none = arith::ConstantOp::create(b, loc, b.getBoolAttr(false));
  auto rows = scf::ForOp::create(
      b, loc, number(0), blockSamples, number(1), none,
      [&](OpBuilder &inner, Location loc, Value row, ValueRange any) {
        Value place = LLVM::GEPOp::create(inner, loc, pointerType, element,
                                          address, ArrayRef<LLVM::GEPArg>{row});
        Value value = LLVM::LoadOp::create(inner, loc, element, place);
        Value zero = arith::ConstantOp::create(
            inner, loc, inner.getFloatAttr(element, 0.0));
        Value set = arith::CmpFOp::create(inner, loc, arith::CmpFPredicate::UNE,
                                          value, zero);
        Value some = arith::OrIOp::create(inner, loc, any.front(), set);
        scf::YieldOp::create(inner, loc, some);
      });
  return rows.getResult(0);
}

/// Clones a loop without its arrays, which stay where they are.
void ProgramEmitter::emitLoop(
    scf::ForOp loop, IRMapping &scalars,
    function_ref<void(Block &, IRMapping &)> emitBody) {
  // All samples of the block have stopped: what is left changes nothing.
  std::optional<unsigned> stop;
  if (blockSamples && llvm::all_of(loop.getInitArgs().getTypes(),
                                   llvm::IsaPred<RankedTensorType>))
    stop = findFixedPoint(loop);
  std::optional<llvm::APInt> trips = loop.getStaticTripCount();
  llvm::SaveAndRestore inside(
      times,
      !stop && trips ? times * static_cast<double>(trips->getZExtValue()) : 0);
  if (stop) {
    Value bound = scalars.lookupOrDefault(loop.getUpperBound());
    Value step = scalars.lookupOrDefault(loop.getStep());
    Value running = loop.getRegionIterArg(*stop);
    scf::WhileOp::create(
        b, loop.getLoc(), TypeRange{bound.getType()},
        ValueRange{scalars.lookupOrDefault(loop.getLowerBound())},
        [&](OpBuilder &, Location at, ValueRange arguments) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToEnd(arguments.front().getParentBlock());
          Value more = arith::CmpIOp::create(b, at, arith::CmpIPredicate::slt,
                                             arguments.front(), bound);
          Value any = emitAnyRow(running);
          scf::ConditionOp::create(
              b, at, arith::AndIOp::create(b, at, more, any), arguments);
        },
        [&](OpBuilder &, Location at, ValueRange arguments) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToEnd(arguments.front().getParentBlock());
          scalars.map(loop.getInductionVar(), arguments.front());
          emitBody(*loop.getBody(), scalars);
          Value next = arith::AddIOp::create(b, at, arguments.front(), step);
          scf::YieldOp::create(b, at, next);
        });
    return;
  }
  cloneLoop(
      b, loop, scalars, scalars.lookupOrDefault(loop.getLowerBound()),
      scalars.lookupOrDefault(loop.getUpperBound()),
      scalars.lookupOrDefault(loop.getStep()), [](Value) { return true; },
      /*counter=*/nullptr, [&] { emitBody(*loop.getBody(), scalars); });
}

/// Emits the groups of one level of a params stage as tasks of about equal
/// work: rows of large groups, several small groups together. Returns the
/// function and the number of tasks, which depends on the program alone.
std::pair<LLVM::LLVMFuncOp, int64_t>
ProgramEmitter::emitParamsTask(StageOp stage, ArrayRef<GroupOp> groups,
                               unsigned level) {
  constexpr int64_t wantedTasks = 64;
  constexpr double leastWork = 20000;
  struct Piece {
    GroupOp group;
    int64_t rows, chunk, count;
    double work;
  };
  SmallVector<Piece> pieces;
  double total = 0;
  for (GroupOp group : groups) {
    GroupCost cost = estimateCost(group, StageKind::Params, target);
    double work = cost.flopsBase + maxBatch * cost.flopsPerSample;
    pieces.push_back({group, cost.rows, cost.rowUnit, 1, work});
    total += work;
  }
  double grain = std::max(total / wantedTasks, leastWork);
  for (Piece &piece : pieces) {
    int64_t units = llvm::divideCeil(piece.rows, piece.chunk);
    int64_t cuts =
        std::clamp<int64_t>(std::llround(piece.work / grain), 1, units);
    piece.chunk *= llvm::divideCeil(units, cuts);
    piece.count = llvm::divideCeil(piece.rows, piece.chunk);
  }
  // What is cut first, then the small ones, in their order.
  SmallVector<Piece> small;
  llvm::copy_if(pieces, std::back_inserter(small),
                [](const Piece &piece) { return piece.count == 1; });
  llvm::erase_if(pieces, [](const Piece &piece) { return piece.count == 1; });
  pieces.append(small);

  IRMapping scalars;
  LLVM::LLVMFuncOp task =
      beginTask(loc, stage.getBody().getArguments(),
                "$params" + Twine(stageCount) + "_" + Twine(level), scalars);
  for (Operation &op : stage.getBody().front().without_terminator())
    if (!isa<GroupOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      b.clone(op, scalars);
  Value index = task.getArgument(1);
  Block *entry = b.getInsertionBlock();
  int64_t tasks = 0;
  for (auto *piece = pieces.begin(); piece != pieces.end();) {
    auto *last = std::next(piece);
    double work = piece->work;
    if (piece->count == 1)
      for (; last != pieces.end() && last->count == 1 &&
             work + last->work <= grain;
           ++last)
        work += last->work;
    int64_t end = tasks + piece->count;
    Value from = number(tasks), to = number(end);
    Value mine = arith::AndIOp::create(
        b, loc,
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, index, from),
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index, to));
    auto branch = scf::IfOp::create(b, loc, mine, /*withElseRegion=*/false);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    for (auto *part = piece; part != last; ++part) {
      Value low = number(0), high = number(part->rows);
      if (part->count > 1) {
        Value local = arith::SubIOp::create(b, loc, index, from);
        low = arith::MulIOp::create(b, loc, local, number(part->chunk));
        high = arith::MinSIOp::create(
            b, loc, high,
            arith::AddIOp::create(b, loc, low, number(part->chunk)));
      }
      emitGroupCall(part->group, StageKind::Params, scalars, low, high);
    }
    b.setInsertionPointToEnd(entry);
    tasks = end;
    piece = last;
  }
  LLVM::ReturnOp::create(b, loc, ValueRange());
  return {task, tasks};
}

/// Takes the runtime's mark, if it has one, to the context.
void ProgramEmitter::loadMark() {
  Value host = loadField(pointerType, runArgs, offsetof(pcx_run_args_t, host));
  Value size =
      loadField(b.getI32Type(), host, offsetof(pcx_host_t, struct_size));
  constexpr int32_t end = offsetof(pcx_host_t, mark) + sizeof(pcx_mark_fn);
  Value least = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(end));
  Value has =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::uge, size, least);
  Value none = LLVM::ZeroOp::create(b, loc, pointerType);
  LLVM::StoreOp::create(b, loc, none, slot(context, SlotMark), 8);
  Value self = loadField(pointerType, host, offsetof(pcx_host_t, self));
  LLVM::StoreOp::create(b, loc, self, slot(context, SlotMarkSelf), 8);
  auto branch = scf::IfOp::create(b, loc, has, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  Value mark = loadField(pointerType, host, offsetof(pcx_host_t, mark));
  LLVM::StoreOp::create(b, loc, mark, slot(context, SlotMark), 8);
}

void ProgramEmitter::emitMark(Value worker, uint32_t what, Value rows) {
  Value mark = loadSlot(pointerType, context, SlotMark);
  Value none = LLVM::ZeroOp::create(b, loc, pointerType);
  Value wanted =
      LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, mark, none);
  auto branch = scf::IfOp::create(b, loc, wanted, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  Value self = loadSlot(pointerType, context, SlotMarkSelf);
  Value index = arith::ConstantOp::create(
      b, loc, b.getI32IntegerAttr(static_cast<int32_t>(what)));
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {pointerType, b.getI64Type(), b.getI32Type(), b.getI64Type()});
  LLVM::CallOp::create(b, loc, type,
                       ValueRange{mark, self, worker, index, rows});
}

/// Whether the samples at hand are enough for several threads to share the
/// stage that was emitted last.
Value ProgramEmitter::emitIsShared() {
  const GroupCost &cost = stages.back().cost;
  // Handing a loop over and waiting for the others takes up to two
  // microseconds.
  constexpr double leastWork = 200000;
  double missing = leastWork - cost.flopsBase;
  double least = 1;
  if (missing > 0)
    least = cost.flopsPerSample > 0 ? std::ceil(missing / cost.flopsPerSample)
                                    : maxBatch + 1.0;
  least = std::min(least, maxBatch + 1.0);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, samples,
                               number(static_cast<int64_t>(least)));
}

/// Runs the stage that was emitted last.
void ProgramEmitter::emitStage(LLVM::LLVMFuncOp task, Value count,
                               Value shared) {
  if (!marked)
    return emitParallel(task, count, shared);
  uint32_t what = PCX_MARK_STAGE + (stages.size() - 1);
  emitMark(number(0), what, number(PCX_MARK_BEGIN));
  emitParallel(task, count, shared);
  emitMark(number(0), what, number(0));
}

void ProgramEmitter::emitParallel(LLVM::LLVMFuncOp task, Value count,
                                  Value shared) {
  // One task needs no other thread.
  Value several = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sgt,
                                        count, number(1));
  several = arith::AndIOp::create(b, loc, several, shared);
  auto branch = scf::IfOp::create(b, loc, several, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  Value host = loadField(pointerType, runArgs, offsetof(pcx_run_args_t, host));
  Value self = loadField(pointerType, host, offsetof(pcx_host_t, self));
  Value parallelFor =
      loadField(pointerType, host, offsetof(pcx_host_t, parallel_for));
  Value function = LLVM::AddressOfOp::create(b, loc, task);
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {pointerType, pointerType, pointerType, b.getI64Type()});
  LLVM::CallOp::create(b, loc, type,
                       ValueRange{parallelFor, self, function, context, count});
  b.setInsertionPoint(branch.elseBlock()->getTerminator());
  Value zero = number(0);
  auto tasks = scf::ForOp::create(b, loc, zero, count, number(1));
  b.setInsertionPoint(tasks.getBody()->getTerminator());
  LLVM::CallOp::create(b, loc, task,
                       ValueRange{context, tasks.getInductionVar(), zero});
}

void ProgramEmitter::emitStageCall(StageOp stage, IRMapping &scalars) {
  int32_t next = firstScalarSlot();
  for (Value input : stage.getInputs())
    if (!isa<RankedTensorType>(input.getType()))
      storeSlot(scalars.lookupOrDefault(input), context, next++);
  Place here = getPlace();
  ++stageCount;
  if (stage.getKind() == StageKind::Params) {
    for (auto [level, groups] : llvm::enumerate(getLevels(stage))) {
      auto [task, count] = emitParamsTask(stage, groups, level);
      goBack(here);
      emitStage(task, number(count), emitIsShared());
    }
    return;
  }
  LLVM::LLVMFuncOp task = emitSamplesTask(stage);
  goBack(here);
  Value shared = emitIsShared();
  Value host = loadField(pointerType, runArgs, offsetof(pcx_run_args_t, host));
  Value workers = arith::ExtUIOp::create(
      b, loc, b.getI64Type(),
      loadField(b.getI32Type(), host, offsetof(pcx_host_t, workers)));
  workers = arith::SelectOp::create(b, loc, shared, workers, number(1));
  int64_t unit = chooseTile(target, sampleBlock).rows;
  // Rows of a block are whole tiles; results do not depend on the cut.
  auto cut = [&](Value blocks) {
    Value rows = ceilDiv(samples, blocks);
    rows = arith::AndIOp::create(
        b, loc, arith::AddIOp::create(b, loc, rows, number(unit - 1)),
        number(-unit));
    LLVM::StoreOp::create(b, loc, rows, slot(context, SlotBlockRows), 8);
    return ceilDiv(samples, rows);
  };
  Value least = ceilDiv(samples, number(sampleBlock));
  auto emitWhole = [&]() {
    // As few blocks as hold the samples, but a multiple of the workers.
    Value blocks =
        arith::MulIOp::create(b, loc, ceilDiv(least, workers), workers);
    emitStage(task, cut(blocks), shared);
  };
  if (!isCutByColumns(stage))
    return emitWhole();
  // With less than two tiles of samples for each worker, columns are cut, too.
  // Every block has the memory of a worker.
  auto isLess = [&](Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lhs, rhs);
  };
  Value tiles = ceilDiv(samples, number(unit));
  Value few = arith::AndIOp::create(
      b, loc, isLess(number(1), workers),
      isLess(tiles, arith::MulIOp::create(b, loc, workers, number(2))));
  few = arith::AndIOp::create(
      b, loc, few,
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, least, workers));
  auto branch = scf::IfOp::create(b, loc, few, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.elseBlock()->getTerminator());
  emitWhole();
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  stageKernels = 0;
  IRMapping inner;
  for (auto [input, argument] :
       llvm::zip_equal(stage.getInputs(), stage.getBody().getArguments()))
    if (!isa<RankedTensorType>(input.getType()))
      inner.map(argument, scalars.lookupOrDefault(input));
  emitSamplesKernels(stage.getBody().front(), inner, workers, cut(least));
}

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

void ProgramEmitter::emitBlock(Block &block, IRMapping &scalars) {
  for (Operation &op : block.without_terminator()) {
    if (auto stage = dyn_cast<StageOp>(op)) {
      emitStageCall(stage, scalars);
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      scalars.map(extract.getResult(),
                  LLVM::LoadOp::create(b, op.getLoc(), extract.getType(),
                                       getArrayAddress(extract.getTensor())));
    } else if (auto made = dyn_cast<tensor::FromElementsOp>(op)) {
      LLVM::StoreOp::create(b, op.getLoc(),
                            scalars.lookupOrDefault(made.getElements()[0]),
                            getArrayAddress(made.getResult()));
    } else if (isa<BatchSizeOp>(op)) {
      scalars.map(
          op.getResult(0),
          arith::SIToFPOp::create(b, op.getLoc(), b.getF64Type(), samples));
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      emitLoop(loop, scalars,
               [&](Block &body, IRMapping &inner) { emitBlock(body, inner); });
    } else {
      b.clone(op, scalars);
    }
  }
}

DictionaryAttr ProgramEmitter::getEntryFacts() {
  SmallVector<Attribute> stageInfos;
  for (const Stage &stage : stages) {
    SmallVector<int64_t> used;
    SmallVector<double> calls;
    for (auto [kernel, count] : stage.calls) {
      used.push_back(kernel);
      calls.push_back(count);
    }
    stageInfos.push_back(b.getArrayAttr(
        {b.getStringAttr(stage.name), b.getStringAttr(stage.task),
         b.getF64FloatAttr(stage.runs), b.getDenseI64ArrayAttr(used),
         b.getDenseF64ArrayAttr(calls)}));
  }
  auto named = [&](StringRef name, Attribute value) {
    return b.getNamedAttr(name, value);
  };
  SmallVector<NamedAttribute> facts = tables.getPortFacts(program);
  facts.append({named("program", b.getStringAttr(program.getName())),
                named("cpu", b.getStringAttr(target.name)),
                named("info", program->getAttr(PCDialect::kProgramAttrName)),
                named("required", b.getI64IntegerAttr(target.required)),
                named("max_batch", b.getI64IntegerAttr(maxBatch)),
                named("sample_block", b.getI64IntegerAttr(sampleBlock)),
                named("workspace_bytes", b.getI64IntegerAttr(workspaceBytes)),
                named("worker_bytes", b.getI64IntegerAttr(workerBytes)),
                named("kernels", b.getArrayAttr(kernelInfos)),
                named("marked", b.getBoolAttr(marked)),
                named("stages", b.getArrayAttr(stageInfos))});
  return b.getDictionaryAttr(facts);
}

void ProgramEmitter::run() {
  Type i32 = b.getI32Type(), i64 = b.getI64Type(), f64 = b.getF64Type();
  LLVM::LLVMFuncOp entry =
      createFunction("", i32, {pointerType}, loc, LLVM::Linkage::External);
  Block *body = entry.addEntryBlock(b);
  b.setInsertionPointToStart(body);
  runArgs = body->getArgument(0);
  Value n = loadField(i64, runArgs, offsetof(pcx_run_args_t, n));
  Value fits = arith::AndIOp::create(
      b, loc,
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge, n, number(1)),
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, n,
                            number(maxBatch)));
  auto code = [&](int32_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
  };
  // Its size is known when all stages are.
  auto memory = LLVM::AllocaOp::create(b, loc, pointerType, i64, number(0), 8);
  context = memory;
  auto branch = scf::IfOp::create(b, loc, TypeRange{i32}, fits,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  LLVM::ReturnOp::create(b, loc, branch.getResults());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, code(PCX_RUN_BAD_BATCH));
  b.setInsertionPointToStart(branch.thenBlock());
  auto keep = [&](Slot index, size_t offset, Type type) {
    Value value = loadField(type, runArgs, offset);
    LLVM::StoreOp::create(b, loc, value, slot(context, index), 8);
  };
  LLVM::StoreOp::create(b, loc, n, slot(context, SlotSamples), 8);
  keep(SlotWorkspace, offsetof(pcx_run_args_t, workspace), pointerType);
  keep(SlotInputs, offsetof(pcx_run_args_t, inputs), pointerType);
  keep(SlotOutputs, offsetof(pcx_run_args_t, outputs), pointerType);
  keep(SlotStorage, offsetof(pcx_run_args_t, storage), pointerType);
  samples = loadSlot(i64, context, SlotSamples);
  if (marked)
    loadMark();

  IRMapping scalars;
  for (BlockArgument argument : program.getArguments()) {
    auto port = program.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                   PCDialect::kPortAttrName);
    StringRef name = port.getName();
    if (port.getKind() == PortKind::Hyper) {
      Value hypers =
          loadField(pointerType, runArgs, offsetof(pcx_run_args_t, hypers));
      scalars.map(argument,
                  loadField(f64, hypers,
                            tables.hyperIndex.lookup(name) * sizeof(double)));
    } else if (port.getKind() == PortKind::Counter) {
      size_t offset = llvm::StringSwitch<size_t>(name)
                          .Case("seed", offsetof(pcx_run_args_t, seed))
                          .Case("call", offsetof(pcx_run_args_t, call))
                          .Case("epoch", offsetof(pcx_run_args_t, epoch))
                          .Default(offsetof(pcx_run_args_t, total_steps));
      scalars.map(argument, loadField(argument.getType(), runArgs, offset));
    }
  }
  emitBlock(program.getBody().front(), scalars);
  scf::YieldOp::create(b, loc, code(PCX_RUN_OK));

  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(memory);
  memory.getArraySizeMutable().assign(number(firstScalarSlot() + mostScalars));
  entry->setAttr(kEntryAttrName, getEntryFacts());
}

/// Products of bfloat16 have no slow way: they would round for nothing.
static LogicalResult checkProducts(ModuleOp module, const CPUTarget &target) {
  if (target.getNarrowProducts() != NarrowProducts::None)
    return success();
  WalkResult checked = module.walk([&](linalg::GenericOp op) {
    if (getNarrowParts(op) == 0)
      return WalkResult::advance();
    InFlightDiagnostic diag =
        op.emitError("products in bf16 need AMX or AVX-512 BF16, which ");
    // A virtual machine can mask what a CPU of that name has.
    if (target.required & PCX_CPU_NATIVE)
      diag << "this machine's CPU does not have; name another machine's";
    else
      diag << "CPU '" << target.name << "' does not have; name one that has";
    diag << " with --mcpu, such as sapphirerapids, cooperlake or znver4, "
            "compile for --target=cuda alone, or leave --precision=bf16 out";
    return WalkResult::interrupt();
  });
  return failure(checked.wasInterrupted());
}

namespace {
struct EmitCPUPass : public pc::impl::EmitCPUPassBase<EmitCPUPass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> programs;
    for (auto func : module.getOps<func::FuncOp>())
      if (func->hasAttr(PCDialect::kWorkspaceAttrName))
        programs.push_back(func);
    if (programs.empty())
      return;
    SmallVector<CPUTarget> targets;
    SmallVector<StringRef> spelled;
    for (StringRef name : cpus) {
      FailureOr<CPUTarget> target = CPUTarget::parse(
          name, [&]() { return module.emitError("cannot generate code: "); });
      if (failed(target))
        return signalPassFailure();
      target->tiles = tiles;
      const auto *same = llvm::find_if(targets, [&](const CPUTarget &other) {
        return other.name == target->name;
      });
      if (same != targets.end()) {
        StringRef earlier = spelled[same - targets.begin()];
        if (name == earlier) {
          module.emitError("cannot generate code: CPU '")
              << name << "' is named twice";
          return signalPassFailure();
        }
        module.emitWarning("CPUs '")
            << earlier << "' and '" << name
            << "' are the same here: code is generated for the first alone";
        continue;
      }
      targets.push_back(*target);
      spelled.push_back(name);
    }
    ModuleTables tables;
    for (func::FuncOp program : programs)
      if (failed(tables.add(program)))
        return signalPassFailure();
    for (const CPUTarget &target : targets)
      if (failed(checkProducts(module, target)))
        return signalPassFailure();
    for (func::FuncOp program : programs) {
      for (const CPUTarget &target : targets)
        ProgramEmitter(module, program, target, tables, profile).run();
      program.erase();
    }
    Builder builder(&getContext());
    module->setAttr(kStorageAttrName, builder.getArrayAttr(tables.storage));
    module->setAttr(kHypersAttrName, builder.getArrayAttr(tables.hypers));
  }
};
} // namespace
