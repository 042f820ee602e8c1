//===- EmitGPU.cpp - Kernels of programs and what launches them -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The function for the host keeps the scalars and the loops of a program: it
// appends the scalars that a stage reads, in the order in which stages run, and
// names the launches. A persistent kernel walks through the same stages and
// takes the scalars one after another; so a learning rate that changes from
// step to step, or a bound of a loop, is computed once and on the host.
//
// Blocks of a persistent kernel meet at a counter in the workspace: the last
// one to come sets it back and starts the next generation.
//
//===----------------------------------------------------------------------===//

#include "../EntryAttributes.h"
#include "../Programs.h"
#include "EmitGather.h"
#include "GroupEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Codegen/CPU/Target.h"
#include "pc/Codegen/GPU/Passes.h"
#include "pc/Dialect/PC/Transforms/Buffers.h"
#include "pc/Dialect/PC/Transforms/Structured.h"
#include "pcx/abi.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SaveAndRestore.h"

#include <cstddef>

using namespace mlir;

namespace pc {
#define GEN_PASS_DEF_EMITGPUPASS
#include "pc/Codegen/GPU/Passes.h.inc"
} // namespace pc

using namespace pc;

namespace {

constexpr llvm::StringLiteral kBarrierName = "pcx_meet";
/// Operations of groups' code that a program's kernels may hold copies of: what
/// a multiprocessor's instruction cache of 128 KiB holds, where an operation
/// becomes half an instruction of 16 bytes (counted on the models).
constexpr int64_t kMostCopied = 16384;
/// Blocks of a launch that share its work, at most.
constexpr int64_t kMostBlocks = 2048;
/// Blocks of a persistent kernel for which there is a multiprocessor each on a
/// large GPU.
constexpr int64_t kManyBlocks = 128;

/// Emits one program.
class ProgramEmitter {
public:
  ProgramEmitter(ModuleOp module, gpu::GPUModuleOp kernels,
                 func::FuncOp program, const CPUTarget &host,
                 const ModuleTables &tables, const GroupChoices &choices,
                 int64_t sharedBytes);
  void run();

private:
  // Small pieces of code.
  Value number(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value small(int64_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value narrow(Value value) {
    return arith::TruncIOp::create(b, loc, b.getI32Type(), value);
  }
  Value behind(Value address, Value bytes) {
    return LLVM::GEPOp::create(b, loc, globalType, b.getI8Type(), address,
                               ArrayRef<LLVM::GEPArg>{bytes});
  }
  Value loadField(Type type, Value structure, size_t offset) {
    Value address = LLVM::GEPOp::create(
        b, loc, structure.getType(), b.getI8Type(), structure,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return LLVM::LoadOp::create(b, loc, type, address);
  }
  /// Clones a loop without its arrays, which stay where they are.
  void emitLoop(scf::ForOp loop, IRMapping &scalars, Value lower, Value upper,
                Value step, function_ref<void(Block &, IRMapping &)> emitBody);

  // The host.
  void emitHostBlock(Block &block, IRMapping &scalars);
  void emitHostStage(StageOp stage, IRMapping &scalars);
  void emitHostGroups(Block &block, StageKind kind, IRMapping &scalars);
  void appendScalars(ValueRange values, IRMapping &scalars);
  void launch(unsigned index);
  Value getHostStorage(Value array);
  LLVM::LLVMFuncOp emitHost();

  // The device.
  LLVM::LLVMFuncOp beginKernel(StringRef name, Location at);
  void endKernel(LLVM::LLVMFuncOp kernel);
  void emitDeviceBlock(Block &block);
  void emitDeviceStage(StageOp stage);
  void emitDeviceGroups(Block &block, IRMapping &scalars);
  LLVM::LLVMFuncOp emitGroupCall(GroupOp group, StageKind kind,
                                 IRMapping &scalars, Value rows, Value team,
                                 Value teams);
  void takeScalars(ValueRange values, IRMapping &scalars);
  Value getArrayAddress(Value array);
  int64_t countArrays();
  Value takeAddress(int64_t array, int64_t offset);
  Value getGlobalAddress(Value array);
  Value getSharedAddress(int64_t offset);
  int64_t getAlignment(Value array);
  ArrayPlace getPlace(Value array);
  int64_t getMostSlices(StageOp stage);
  void chooseResidents(StageOp stage);
  void copyResidents(Value blocksOfSamples);
  void meet();
  /// The number of the workspace among the program's arrays; see pcx/abi.h.
  int64_t getWorkspaceNumber() const {
    return inputCount + outputCount +
           static_cast<int64_t>(tables.storage.size());
  }
  int64_t getLaunchBlocks(GroupOp group, StageKind kind);
  int64_t addKernel(const Twine &what, const GroupWork &work);
  unsigned emitGroupKernel(GroupOp group, StageKind kind);
  void limitCopies();

  ModuleOp module;
  gpu::GPUModuleOp kernelModule;
  func::FuncOp program;
  const CPUTarget &host;
  const ModuleTables &tables;
  const GroupChoices choices;
  const bool persistent;
  /// Shared memory that a block can have.
  const int64_t sharedBytes;
  OpBuilder b;
  Location loc;
  Type pointerType, globalType;
  int64_t sampleBlock, maxBatch, workspaceBytes, blockBytes;
  int64_t inputCount = 0, outputCount = 0;
  /// Where the blocks' counter lies in the workspace.
  int64_t meetOffset;

  // Of the host's function.
  Value runArgs, deviceHost, scalarMemory;
  int64_t mostScalars = 1;

  // Of the kernel being emitted.
  Value table, scalarArray, samples, block, blocks;
  /// The table is among the kernel's parameters.
  bool takesValues = false;
  /// Scalars taken so far, an i64.
  Value cursor;
  /// First sample of the block of samples at hand, or null.
  Value firstRow;
  /// Matrices in the block's shared memory, and how much of it they take.
  struct Resident {
    Value array;
    ResidentMatrix matrix;
    int64_t offset;
  };
  llvm::MapVector<BufferAttr, Resident> residents;
  int64_t residentBytes = 0;
  /// Rows in the scratch are apart, and it lies in the block's shared memory in
  /// front of those matrices.
  bool paddedRows = false, scratchShared = false;
  /// Slices of an operand that products have in shared memory, at most.
  int64_t stages = kMostStages;
  /// Whether all blocks have met since anything was written.
  bool met = true;
  /// Groups of a params stage begin at different blocks.
  int64_t nextTeam = 0;

  /// Group functions so far.
  struct Function {
    GroupOp group;
    StageKind stage;
    GroupBinding binding;
    int64_t ownBytes; ///< that each thread reads before it begins
    LLVM::LLVMFuncOp func;
    int64_t info;
  };
  std::vector<Function> functions;
  SmallVector<Attribute> kernelInfos;
  /// Launches so far.
  struct Launch {
    std::string kernel;
    int64_t sharedBytes = 0;
    bool cooperative = false;
    int64_t blocks = 0;
    double runs = 1;
    llvm::MapVector<int64_t, double> calls; ///< by the kernel's index
    /// The table, if it is among the parameters: numbers of arrays, offsets.
    SmallVector<std::pair<int64_t, int64_t>> addresses;
  };
  std::vector<Launch> launches;
  /// Kernels of one group, by its function.
  llvm::DenseMap<Operation *, StringAttr> groupKernels;
  int64_t kernelCount = 0;
  void addUse(Launch &launch, int64_t kernel);
  /// Blocks of a persistent kernel, at most.
  int64_t mostBlocks = 1;
  /// How often the code at hand runs in a call, 0 if only the call knows.
  double times = 1;
  /// How often all blocks meet in a call, as far as that is known, and its row
  /// in the table of kernels.
  double meets = 0;
  int64_t meetKernel = -1;
};

} // namespace

static double getTimes(scf::ForOp loop, double times) {
  std::optional<llvm::APInt> trips = loop.getStaticTripCount();
  return trips ? times * static_cast<double>(trips->getZExtValue()) : 0;
}

ProgramEmitter::ProgramEmitter(ModuleOp module, gpu::GPUModuleOp kernels,
                               func::FuncOp program, const CPUTarget &host,
                               const ModuleTables &tables,
                               const GroupChoices &choices, int64_t sharedBytes)
    : module(module), kernelModule(kernels), program(program), host(host),
      tables(tables), choices(choices), persistent(choices.persistent),
      sharedBytes(sharedBytes), b(module.getContext()), loc(program.getLoc()),
      pointerType(LLVM::LLVMPointerType::get(module.getContext())),
      globalType(
          LLVM::LLVMPointerType::get(module.getContext(), kGlobalSpace)) {
  auto fact = [&](StringRef name) {
    return program->getAttrOfType<IntegerAttr>(name).getInt();
  };
  sampleBlock = fact(PCDialect::kSampleBlockAttrName);
  maxBatch = fact(PCDialect::kMaxBatchAttrName);
  blockBytes =
      llvm::alignTo(fact(PCDialect::kWorkerAttrName), PCX_DEVICE_ALIGNMENT);
  meetOffset =
      llvm::alignTo(fact(PCDialect::kWorkspaceAttrName), PCX_DEVICE_ALIGNMENT);
  workspaceBytes = meetOffset + PCX_DEVICE_ALIGNMENT;
  paddedRows = program->hasAttr(PCDialect::kPaddedAttrName);
  for (unsigned i = 0; i < program.getNumArguments(); ++i)
    inputCount +=
        program.getArgAttrOfType<PortAttr>(i, PCDialect::kPortAttrName)
            .getKind() == PortKind::Input;
  for (unsigned i = 0; i < program.getNumResults(); ++i)
    outputCount +=
        !program.getResultAttrOfType<PortAttr>(i, PCDialect::kPortAttrName)
             .isStorage();
}

void ProgramEmitter::emitLoop(
    scf::ForOp loop, IRMapping &scalars, Value lower, Value upper, Value step,
    function_ref<void(Block &, IRMapping &)> emitBody) {
  llvm::SaveAndRestore inside(times, getTimes(loop, times));
  // A kernel counts the scalars that it has taken.
  cloneLoop(
      b, loop, scalars, lower, upper, step,
      [&](Value init) { return scalars.contains(init); },
      cursor ? &cursor : nullptr, [&] { emitBody(*loop.getBody(), scalars); });
}

//===----------------------------------------------------------------------===//
// The host
//===----------------------------------------------------------------------===//

/// Address of an array of integers.
Value ProgramEmitter::getHostStorage(Value array) {
  BufferAttr buffer = getBuffer(program, array);
  assert(buffer.getSpace() == BufferSpace::Storage &&
         "the host has persistent numbers only");
  Value pointers =
      loadField(pointerType, runArgs, offsetof(pcx_device_args_t, storage));
  return loadField(pointerType, pointers,
                   tables.getPortIndex(program, buffer) * sizeof(void *));
}

/// Hands the numbers among `values` to the next launch.
void ProgramEmitter::appendScalars(ValueRange values, IRMapping &scalars) {
  int64_t count = 0;
  for (Value value : values) {
    if (isa<RankedTensorType>(value.getType()))
      continue;
    Value scalar = scalars.lookupOrDefault(value);
    if (isa<IndexType>(scalar.getType()))
      scalar = arith::IndexCastOp::create(b, loc, b.getI64Type(), scalar);
    Value place = LLVM::GEPOp::create(
        b, loc, pointerType, b.getI64Type(), scalarMemory,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(count++)});
    LLVM::StoreOp::create(b, loc, scalar, place, 8);
  }
  if (count == 0)
    return;
  mostScalars = std::max(mostScalars, count);
  Value append =
      loadField(pointerType, deviceHost, offsetof(pcx_device_host_t, append));
  Value self =
      loadField(pointerType, deviceHost, offsetof(pcx_device_host_t, self));
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointerType, pointerType, b.getI64Type()});
  LLVM::CallOp::create(b, loc, type,
                       ValueRange{append, self, scalarMemory, number(count)});
}

void ProgramEmitter::launch(unsigned index) {
  Value launch =
      loadField(pointerType, deviceHost, offsetof(pcx_device_host_t, launch));
  Value self =
      loadField(pointerType, deviceHost, offsetof(pcx_device_host_t, self));
  auto type = LLVM::LLVMFunctionType::get(b.getI32Type(),
                                          {pointerType, b.getI32Type()});
  // The runtime remembers a failure and reports it when the run ends.
  LLVM::CallOp::create(b, loc, type, ValueRange{launch, self, small(index)});
}

void ProgramEmitter::emitHostGroups(Block &block, StageKind kind,
                                    IRMapping &scalars) {
  for (Operation &op : block.without_terminator()) {
    if (auto group = dyn_cast<GroupOp>(op)) {
      OpBuilder::InsertPoint here = b.saveInsertionPoint();
      unsigned index = emitGroupKernel(group, kind);
      b.restoreInsertionPoint(here);
      appendScalars(group.getInputs(), scalars);
      launch(index);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      emitLoop(loop, scalars, scalars.lookupOrDefault(loop.getLowerBound()),
               scalars.lookupOrDefault(loop.getUpperBound()),
               scalars.lookupOrDefault(loop.getStep()),
               [&](Block &body, IRMapping &inner) {
                 emitHostGroups(body, kind, inner);
               });
    } else if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      b.clone(op, scalars);
    }
  }
}

void ProgramEmitter::emitHostStage(StageOp stage, IRMapping &scalars) {
  if (persistent)
    return appendScalars(stage.getInputs(), scalars);
  IRMapping inner;
  for (auto [input, argument] :
       llvm::zip_equal(stage.getInputs(), stage.getBody().getArguments()))
    if (!isa<RankedTensorType>(input.getType()))
      inner.map(argument, scalars.lookupOrDefault(input));
  emitHostGroups(stage.getBody().front(), stage.getKind(), inner);
}

static bool hasStages(scf::ForOp loop) {
  return loop.walk([](StageOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

/// What a kernel cannot know of the bounds of a loop.
static SmallVector<Value> getOpenBounds(scf::ForOp loop) {
  SmallVector<Value> open;
  for (Value bound :
       {loop.getLowerBound(), loop.getUpperBound(), loop.getStep()})
    if (!matchPattern(bound, m_Constant()))
      open.push_back(bound);
  return open;
}

void ProgramEmitter::emitHostBlock(Block &block, IRMapping &scalars) {
  for (Operation &op : block.without_terminator()) {
    if (auto stage = dyn_cast<StageOp>(op)) {
      emitHostStage(stage, scalars);
    } else if (auto extract = dyn_cast<tensor::ExtractOp>(op)) {
      scalars.map(extract.getResult(),
                  LLVM::LoadOp::create(b, op.getLoc(), extract.getType(),
                                       getHostStorage(extract.getTensor()))
                      .getResult());
    } else if (auto made = dyn_cast<tensor::FromElementsOp>(op)) {
      LLVM::StoreOp::create(b, op.getLoc(),
                            scalars.lookupOrDefault(made.getElements()[0]),
                            getHostStorage(made.getResult()));
    } else if (isa<BatchSizeOp>(op)) {
      Value n =
          loadField(b.getI64Type(), runArgs, offsetof(pcx_device_args_t, n));
      scalars.map(op.getResult(0),
                  arith::SIToFPOp::create(b, op.getLoc(), b.getF64Type(), n)
                      .getResult());
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      if (persistent && hasStages(loop))
        appendScalars(getOpenBounds(loop), scalars);
      emitLoop(
          loop, scalars, scalars.lookupOrDefault(loop.getLowerBound()),
          scalars.lookupOrDefault(loop.getUpperBound()),
          scalars.lookupOrDefault(loop.getStep()),
          [&](Block &body, IRMapping &inner) { emitHostBlock(body, inner); });
    } else {
      b.clone(op, scalars);
    }
  }
}

LLVM::LLVMFuncOp ProgramEmitter::emitHost() {
  Type i32 = b.getI32Type(), f64 = b.getF64Type();
  OpBuilder end = OpBuilder::atBlockEnd(module.getBody());
  auto entry = LLVM::LLVMFuncOp::create(
      end, loc, (program.getName() + "$cuda").str(),
      LLVM::LLVMFunctionType::get(i32, {pointerType}), LLVM::Linkage::External);
  host.setAttributes(entry);
  Block *body = entry.addEntryBlock(b);
  b.setInsertionPointToStart(body);
  cursor = Value();
  times = 1;
  runArgs = body->getArgument(0);
  auto memory =
      LLVM::AllocaOp::create(b, loc, pointerType, b.getI64Type(), number(0), 8);
  scalarMemory = memory;
  deviceHost =
      loadField(pointerType, runArgs, offsetof(pcx_device_args_t, host));
  IRMapping scalars;
  for (BlockArgument argument : program.getArguments()) {
    auto port = program.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                                   PCDialect::kPortAttrName);
    StringRef name = port.getName();
    if (port.getKind() == PortKind::Hyper) {
      Value hypers =
          loadField(pointerType, runArgs, offsetof(pcx_device_args_t, hypers));
      scalars.map(argument,
                  loadField(f64, hypers,
                            tables.hyperIndex.lookup(name) * sizeof(double)));
    } else if (port.getKind() == PortKind::Counter) {
      size_t offset = llvm::StringSwitch<size_t>(name)
                          .Case("seed", offsetof(pcx_device_args_t, seed))
                          .Case("call", offsetof(pcx_device_args_t, call))
                          .Case("epoch", offsetof(pcx_device_args_t, epoch))
                          .Default(offsetof(pcx_device_args_t, total_steps));
      scalars.map(argument, loadField(argument.getType(), runArgs, offset));
    }
  }
  emitHostBlock(program.getBody().front(), scalars);
  if (persistent)
    launch(0);
  LLVM::ReturnOp::create(b, loc, small(PCX_RUN_OK));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(memory);
  memory.getArraySizeMutable().assign(number(mostScalars));
  return entry;
}

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

/// Begins the kernel of the last launch.
LLVM::LLVMFuncOp ProgramEmitter::beginKernel(StringRef name, Location at) {
  LLVM::LLVMFuncOp kernel = createKernel(kernelModule, at, name, takesValues);
  // Otherwise the assembler keeps registers for a second block of a
  // multiprocessor, and spills.
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(1));
  kernel.setConvergent(true);
  Block *body = kernel.addEntryBlock(b);
  b.setInsertionPointToStart(body);
  table = body->getArgument(0);
  scalarArray = body->getArgument(1);
  samples = narrow(body->getArgument(2));
  block = NVVM::BlockIdXOp::create(b, loc, b.getI32Type());
  blocks = NVVM::GridDimXOp::create(b, loc, b.getI32Type());
  cursor = number(0);
  firstRow = Value();
  nextTeam = 0;
  met = true;
  return kernel;
}

void ProgramEmitter::endKernel(LLVM::LLVMFuncOp kernel) {
  LLVM::ReturnOp::create(b, loc, ValueRange());
  if (!takesValues)
    return;
  auto &addresses = launches.back().addresses;
  // None would be a table in memory.
  if (addresses.empty())
    addresses.push_back({getWorkspaceNumber(), 0});
  kernel.setArgAttr(0, LLVM::LLVMDialect::getByValAttrName(),
                    TypeAttr::get(LLVM::LLVMArrayType::get(
                        globalType, static_cast<unsigned>(addresses.size()))));
  kernel.setArgAttr(0, LLVM::LLVMDialect::getAlignAttrName(),
                    b.getI64IntegerAttr(sizeof(void *)));
}

/// What the threads of a block read that read so many bytes each.
static double getReadBytes(int64_t bytes) { return double(bytes) * kThreads; }

/// Bytes of the numbers among `values`.
static int64_t getScalarBytes(ValueRange values) {
  int64_t bytes = 0;
  for (Value value : values)
    if (!isa<RankedTensorType>(value.getType()))
      bytes += isa<IndexType>(value.getType())
                   ? 8
                   : value.getType().getIntOrFloatBitWidth() / 8;
  return bytes;
}

/// Takes the next scalars of the launch: what the host appended for `values`.
void ProgramEmitter::takeScalars(ValueRange values, IRMapping &scalars) {
  assert(llvm::DenseSet<Value>(values.begin(), values.end()).size() ==
             values.size() &&
         "the host hands out each scalar once");
  int64_t count = 0;
  for (Value value : values) {
    if (isa<RankedTensorType>(value.getType()))
      continue;
    Type type = value.getType();
    bool isIndex = isa<IndexType>(type);
    Value at = arith::AddIOp::create(b, loc, cursor, number(count++));
    Value place = LLVM::GEPOp::create(b, loc, globalType, b.getI64Type(),
                                      scalarArray, ArrayRef<LLVM::GEPArg>{at});
    Value scalar =
        LLVM::LoadOp::create(b, loc, isIndex ? b.getI64Type() : type, place, 8);
    if (scalar.getType().getIntOrFloatBitWidth() >= 32)
      scalar = pinned(b, loc, scalar);
    if (isIndex)
      scalar = arith::IndexCastOp::create(b, loc, type, scalar);
    scalars.map(value, scalar);
  }
  if (!count)
    return;
  cursor = arith::AddIOp::create(b, loc, cursor, number(count));
  if (!persistent)
    return;
  GroupWork work;
  work.bytesBase = getReadBytes(getScalarBytes(values)) * mostBlocks;
  work.units.count = 0;
  addUse(launches.back(), addKernel("scalars", work));
}

/// Bytes of a sample of `array`.
static int64_t getRowBytes(Value array) {
  auto type = cast<RankedTensorType>(array.getType());
  int64_t bytes = type.getElementTypeBitWidth() / 8;
  for (int64_t dim : type.getShape().drop_front())
    bytes *= dim;
  return bytes;
}

/// Bytes that the address of what the code at hand sees of `array` is a
/// multiple of, as far as accesses profit.
int64_t ProgramEmitter::getAlignment(Value array) {
  int64_t alignment = kVectorBytes;
  int64_t place = getBuffer(program, array).getPosition();
  BufferSpace space = getBuffer(program, array).getSpace();
  if (space == BufferSpace::Workspace || space == BufferSpace::Scratch)
    while (place % alignment)
      alignment /= 2;
  if (firstRow && isBatched(array))
    while (getRowBytes(array) * sampleBlock % alignment)
      alignment /= 2;
  return alignment;
}

/// How an array lies for the code at hand.
ArrayPlace ProgramEmitter::getPlace(Value array) {
  BufferAttr buffer = getBuffer(program, array);
  auto resident = residents.find(buffer);
  if (resident != residents.end())
    return {resident->second.matrix.pitch, true};
  if (buffer.getSpace() != BufferSpace::Scratch)
    return {};
  auto type = cast<RankedTensorType>(array.getType());
  bool apart = paddedRows && type.getRank() > 1;
  return {apart ? getPaddedRow(type) : 0, scratchShared};
}

/// Shared memory that slices of the products of a stage take.
int64_t ProgramEmitter::getMostSlices(StageOp stage) {
  int64_t most = 0;
  stage.walk([&](GroupOp group) {
    linalg::GenericOp contraction = getContraction(group);
    if (!contraction)
      return;
    auto place = [&](unsigned index) {
      auto array =
          cast<BlockArgument>(contraction.getDpsInputOperand(index)->get());
      return getPlace(group.getInputs()[array.getArgNumber()]);
    };
    most = std::max(most, planContraction(contraction, stage.getKind(), choices,
                                          place(0), place(1), stages)
                              .getSharedBytes());
  });
  return most;
}

/// Decides what a block keeps in shared memory through a stage over samples:
/// what it computes of them, and the matrices that products read most often, as
/// far as they fit beside the slices of other operands.
void ProgramEmitter::chooseResidents(StageOp stage) {
  scratchShared = paddedRows;
  stages = 2;
  if (scratchShared && blockBytes + getMostSlices(stage) > sharedBytes)
    scratchShared = false;
  struct Candidate {
    Value array;
    double uses = 0;
  };
  llvm::MapVector<BufferAttr, Candidate> candidates;
  llvm::DenseSet<BufferAttr> excluded;
  stage.walk([&](GroupOp group) {
    for (Value result : group.getResults())
      excluded.insert(getBuffer(program, result));
    linalg::GenericOp contraction = getContraction(group);
    if (!contraction)
      return;
    auto right = cast<BlockArgument>(contraction.getDpsInputOperand(1)->get());
    Value array = group.getInputs()[right.getArgNumber()];
    if (!canBeResident(contraction) || isBatched(array))
      return;
    double uses = 1;
    for (auto loop = group->getParentOfType<scf::ForOp>();
         loop && stage->isProperAncestor(loop);
         loop = loop->getParentOfType<scf::ForOp>()) {
      // A number that only the call knows is taken to be a usual one.
      double trips = getTimes(loop, 1);
      uses *= trips ? trips : 8;
    }
    Candidate &candidate = candidates[getBuffer(program, array)];
    candidate.array = array;
    candidate.uses += uses;
  });
  // What is read most often first, and of that what is read first.
  SmallVector<std::pair<double, size_t>> order;
  for (auto [index, entry] : llvm::enumerate(candidates))
    if (entry.second.uses > 1 && !excluded.contains(entry.first))
      order.push_back({-entry.second.uses, index});
  llvm::sort(order);
  // Fewer slices of what is read once make room for what is read often.
  auto take = [&](int64_t mostStages) {
    stages = mostStages;
    residents.clear();
    residentBytes = scratchShared ? blockBytes : 0;
    for (auto [uses, index] : order) {
      auto &[buffer, candidate] = candidates.getArrayRef()[index];
      ResidentMatrix matrix(cast<RankedTensorType>(candidate.array.getType()));
      residents.insert({buffer, {candidate.array, matrix, residentBytes}});
      residentBytes += matrix.getBytes();
      if (residentBytes + getMostSlices(stage) <= sharedBytes)
        continue;
      residentBytes -= matrix.getBytes();
      residents.pop_back();
    }
    return residents.size();
  };
  size_t most = take(kMostStages);
  bool fits = residentBytes + getMostSlices(stage) <= sharedBytes;
  if (fits && most < order.size() && take(2) <= most)
    take(kMostStages);
  else if (!fits)
    take(2);
}

/// All threads of a block that has samples copy the resident matrices.
void ProgramEmitter::copyResidents(Value blocksOfSamples) {
  if (residents.empty())
    return;
  ThreadCode code(b, loc);
  GroupWork work;
  int64_t blocksWithSamples =
      std::min<int64_t>(llvm::divideCeil(maxBatch, sampleBlock), mostBlocks);
  double perSample = double(blocksWithSamples) / maxBatch;
  work.units.blocksOfSamples = blocksWithSamples;
  work.units.trips = 1;
  code.doIf(code.isLess(block, blocksOfSamples), [&]() {
    OpBuilder::InsertionGuard guard(b);
    b.restoreInsertionPoint(code.b.saveInsertionPoint());
    Value thread = NVVM::ThreadIdXOp::create(b, loc, b.getI32Type());
    for (auto &[buffer, resident] : residents) {
      emitResidentCopy(b, loc, resident.matrix,
                       getGlobalAddress(resident.array),
                       getSharedAddress(resident.offset), thread);
      work.units.bytes += resident.matrix.getCopiedBytes();
      work.bytesPerSample += resident.matrix.getCopiedBytes() * perSample;
      if (!takesValues)
        work.bytesPerSample += getReadBytes(sizeof(void *)) * perSample;
    }
    code.b.restoreInsertionPoint(b.saveInsertionPoint());
    code.commitCopies();
    code.awaitCopies(0);
    code.barrier();
  });
  addUse(launches.back(), addKernel("copy_weights", work));
}

Value ProgramEmitter::getSharedAddress(int64_t offset) {
  auto type = LLVM::LLVMPointerType::get(b.getContext(), kSharedSpace);
  Value shared = LLVM::AddressOfOp::create(b, loc, type, kSharedName);
  return LLVM::GEPOp::create(
      b, loc, type, b.getI8Type(), shared,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
}

/// Address of the first element that the code at hand sees of `array`.
Value ProgramEmitter::getArrayAddress(Value array) {
  BufferAttr buffer = getBuffer(program, array);
  auto resident = residents.find(buffer);
  if (resident != residents.end())
    return getSharedAddress(resident->second.offset);
  if (buffer.getSpace() == BufferSpace::Scratch && scratchShared)
    return getSharedAddress(buffer.getPosition());
  return getGlobalAddress(array);
}

/// Arrays that the program's groups touch, with the workspace.
int64_t ProgramEmitter::countArrays() {
  llvm::DenseSet<Attribute> arrays;
  auto add = [&](Value value) {
    if (!isa<RankedTensorType>(value.getType()))
      return;
    BufferAttr buffer = getBuffer(program, value);
    if (buffer.getSpace() != BufferSpace::Workspace &&
        buffer.getSpace() != BufferSpace::Scratch)
      arrays.insert(buffer);
  };
  program.walk([&](GroupOp group) {
    llvm::for_each(group.getInputs(), add);
    llvm::for_each(group.getOutputs(), add);
  });
  return arrays.size() + 1;
}

/// The address `offset` bytes behind the beginning of an array of the program.
/// The kernel of a group gets each as it is, so that launches of one kernel
/// differ in them; a persistent kernel one for all of an array.
Value ProgramEmitter::takeAddress(int64_t array, int64_t offset) {
  // Where the table has it.
  size_t place = array;
  if (takesValues) {
    auto &addresses = launches.back().addresses;
    std::pair<int64_t, int64_t> entry(array, persistent ? 0 : offset);
    place = addresses.size();
    if (persistent)
      place = llvm::find(addresses, entry) - addresses.begin();
    else
      offset = 0;
    if (place == addresses.size())
      addresses.push_back(entry);
  }
  Value address = loadField(globalType, table, place * sizeof(void *));
  if (!takesValues)
    address = pinned(b, loc, address);
  return offset == 0 ? address : behind(address, number(offset));
}

Value ProgramEmitter::getGlobalAddress(Value array) {
  BufferAttr buffer = getBuffer(program, array);
  Value address;
  switch (buffer.getSpace()) {
  case BufferSpace::Input:
    address = takeAddress(buffer.getPosition(), 0);
    break;
  case BufferSpace::Output:
    address = takeAddress(inputCount + buffer.getPosition(), 0);
    break;
  case BufferSpace::Storage:
    address = takeAddress(
        inputCount + outputCount + tables.getPortIndex(program, buffer), 0);
    break;
  case BufferSpace::Workspace:
    address = takeAddress(getWorkspaceNumber(), buffer.getPosition());
    break;
  case BufferSpace::Scratch: {
    address = takeAddress(getWorkspaceNumber(),
                          workspaceBytes + buffer.getPosition());
    if (!firstRow)
      return address;
    Value wide = arith::ExtUIOp::create(b, loc, b.getI64Type(), block);
    return behind(address,
                  arith::MulIOp::create(b, loc, wide, number(blockBytes)));
  }
  }
  if (!firstRow || !isBatched(array))
    return address;
  Value row = arith::ExtUIOp::create(b, loc, b.getI64Type(), firstRow);
  return behind(address,
                arith::MulIOp::create(b, loc, row, number(getRowBytes(array))));
}

/// Emits a call of the group's function, and the function if it is new.
LLVM::LLVMFuncOp ProgramEmitter::emitGroupCall(GroupOp group, StageKind kind,
                                               IRMapping &scalars, Value rows,
                                               Value team, Value teams) {
  GroupBinding binding;
  llvm::SmallDenseMap<BufferAttr, int> pointerOf;
  SmallVector<Value> arguments;
  auto bind = [&](Value array) {
    auto [known, inserted] =
        pointerOf.try_emplace(getBuffer(program, array), binding.pointerCount);
    if (inserted) {
      ++binding.pointerCount;
      binding.alignments.push_back(getAlignment(array));
      binding.places.push_back(getPlace(array));
      arguments.push_back(getArrayAddress(array));
    }
    return known->second;
  };
  for (Value operand : group.getInputs())
    binding.operandPointers.push_back(
        isa<RankedTensorType>(operand.getType()) ? bind(operand) : -1);
  for (Value result : group.getResults())
    binding.resultPointers.push_back(bind(result));
  for (Value operand : group.getInputs()) {
    if (isa<RankedTensorType>(operand.getType()))
      continue;
    Value scalar = scalars.lookup(operand);
    if (isa<IndexType>(scalar.getType()))
      scalar = arith::IndexCastOp::create(b, loc, b.getI64Type(), scalar);
    arguments.push_back(scalar);
  }
  arguments.append(
      {firstRow ? firstRow : small(0), rows, samples, team, teams});

  if (getContraction(group)) {
    binding.sliceOffset = residentBytes;
    binding.stages = stages;
  }
  // What a thread reads before it begins: the addresses of the arrays, of the
  // workspace one for all, unless they are parameters; and in a kernel of its
  // own also its scalars.
  int64_t addresses = 0;
  bool inWorkspace = false;
  for (auto &[buffer, pointer] : pointerOf) {
    bool shares = buffer.getSpace() == BufferSpace::Workspace ||
                  buffer.getSpace() == BufferSpace::Scratch;
    bool isGlobal = !binding.places[pointer].shared;
    inWorkspace |= shares && isGlobal;
    addresses += !shares && isGlobal;
  }
  addresses += inWorkspace;
  int64_t ownBytes = takesValues ? 0 : addresses * sizeof(void *);
  if (!persistent)
    ownBytes += getScalarBytes(group.getInputs());

  // Code is shared where groups are alike, a row of the table where they also
  // read as much.
  LLVM::LLVMFuncOp code;
  const Function *function = nullptr;
  for (Function &known : functions)
    if (known.stage == kind && known.binding == binding &&
        OperationEquivalence::isRegionEquivalentTo(
            &known.group.getBody(), &group.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      code = known.func;
      if (known.ownBytes == ownBytes)
        function = &known;
    }
  if (!function) {
    std::string what = getKernelName(group);
    if (!code)
      code = emitGroup(
          kernelModule,
          (program.getName() + "_" + Twine(functions.size()) + "_" + what)
              .str(),
          group, kind, choices, binding);
    GroupWork work = estimateWork(group, kind, choices, binding, maxBatch);
    int64_t blocks = getLaunchBlocks(group, kind);
    int64_t threads = getThreadsOfPoints(group, kind);
    int64_t most = blocks * kThreads;
    if (!persistent && threads && kind == StageKind::Samples)
      work.bytesPerSample +=
          double(ownBytes) * std::min(double(threads), double(most) / maxBatch);
    else if (!persistent)
      work.bytesBase +=
          double(ownBytes) * (threads ? std::min(threads, most) : most);
    else if (kind == StageKind::Params)
      work.bytesBase += getReadBytes(ownBytes) * blocks;
    else
      work.bytesPerSample += getReadBytes(ownBytes) *
                             llvm::divideCeil(maxBatch, sampleBlock) / maxBatch;
    functions.push_back(
        {group, kind, binding, ownBytes, code, addKernel(what, work)});
    function = &functions.back();
  }
  Launch &launch = launches.back();
  launch.sharedBytes =
      std::max(launch.sharedBytes,
               residentBytes + getSliceBytes(group, kind, choices, binding));
  addUse(launch, function->info);
  auto call =
      LLVM::CallOp::create(b, group.getLoc(), function->func, arguments);
  call.setConvergent(true);
  return function->func;
}

/// Blocks that share a group's work.
int64_t ProgramEmitter::getLaunchBlocks(GroupOp group, StageKind kind) {
  return std::min(getBlocks(group, kind, choices, maxBatch),
                  persistent ? mostBlocks : kMostBlocks);
}

/// Adds a row to the table of kernels and returns its number.
int64_t ProgramEmitter::addKernel(const Twine &what, const GroupWork &work) {
  const KernelUnits &units = work.units;
  auto index = static_cast<int64_t>(kernelInfos.size());
  kernelInfos.push_back(b.getArrayAttr(
      {b.getStringAttr(Twine(index) + " " + what),
       b.getDenseF64ArrayAttr({work.flopsBase, work.flopsPerSample,
                               work.bytesBase, work.bytesPerSample}),
       b.getI64IntegerAttr(0),
       b.getDenseF64ArrayAttr({units.count, units.blocksOfSamples, units.flops,
                               units.tensorFlops, double(units.bits),
                               units.bytes, units.sharedPasses, units.trips,
                               units.turns, units.chain})}));
  return index;
}

/// The code at hand calls a kernel.
void ProgramEmitter::addUse(Launch &launch, int64_t kernel) {
  auto [use, inserted] = launch.calls.try_emplace(kernel, times);
  if (!inserted)
    use->second = times && use->second ? use->second + times : 0;
}

/// All blocks wait for each other.
void ProgramEmitter::meet() {
  meets += times;
  if (meetKernel < 0) {
    GroupWork work;
    if (!takesValues)
      work.bytesBase = getReadBytes(sizeof(void *)) * mostBlocks;
    work.units.count = 0;
    meetKernel = addKernel("meet", work);
  }
  addUse(launches.back(), meetKernel);
  auto function = kernelModule.lookupSymbol<LLVM::LLVMFuncOp>(kBarrierName);
  if (!function) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(kernelModule.getBody());
    function = LLVM::LLVMFuncOp::create(
        b, loc, kBarrierName,
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                    {globalType}),
        LLVM::Linkage::Internal);
    function.setConvergent(true);
    Block *body = function.addEntryBlock(b);
    b.setInsertionPointToStart(body);
    Value counter = body->getArgument(0);
    Type i32 = b.getI32Type();
    Value generation = LLVM::GEPOp::create(b, loc, globalType, i32, counter,
                                           ArrayRef<LLVM::GEPArg>{1});
    NVVM::BarrierOp::create(b, loc);
    Value self = NVVM::ThreadIdXOp::create(b, loc, i32);
    Value count = NVVM::GridDimXOp::create(b, loc, i32);
    auto isEqual = [&](Value lhs, Value rhs) -> Value {
      return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lhs, rhs);
    };
    auto load = [&](LLVM::AtomicOrdering ordering) -> Value {
      return LLVM::LoadOp::create(b, loc, i32, generation, 4,
                                  /*isVolatile=*/false, /*isNonTemporal=*/false,
                                  /*isInvariant=*/false,
                                  /*isInvariantGroup=*/false, ordering,
                                  "device");
    };
    auto leader = scf::IfOp::create(b, loc, isEqual(self, small(0)),
                                    /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard inner(b);
      b.setInsertionPoint(leader.thenBlock()->getTerminator());
      Value before = load(LLVM::AtomicOrdering::monotonic);
      Value arrived = LLVM::AtomicRMWOp::create(
          b, loc, LLVM::AtomicBinOp::add, counter, small(1),
          LLVM::AtomicOrdering::acq_rel, "device");
      Value last =
          isEqual(arrived, arith::SubIOp::create(b, loc, count, small(1)));
      auto branch = scf::IfOp::create(b, loc, last, /*withElseRegion=*/true);
      b.setInsertionPoint(branch.thenBlock()->getTerminator());
      LLVM::StoreOp::create(b, loc, small(0), counter, 4, /*isVolatile=*/false,
                            /*isNonTemporal=*/false,
                            /*isInvariantGroup=*/false,
                            LLVM::AtomicOrdering::monotonic, "device");
      LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::add, generation,
                                small(1), LLVM::AtomicOrdering::release,
                                "device");
      b.setInsertionPoint(branch.elseBlock()->getTerminator());
      scf::WhileOp::create(
          b, loc, TypeRange(), ValueRange(),
          [&](OpBuilder &inner, Location at, ValueRange) {
            OpBuilder::InsertionGuard guard(b);
            b.restoreInsertionPoint(inner.saveInsertionPoint());
            Value now = load(LLVM::AtomicOrdering::acquire);
            Value waits = isEqual(now, before);
            scf::ConditionOp::create(b, at, waits, ValueRange());
          },
          [&](OpBuilder &inner, Location at, ValueRange) {
            scf::YieldOp::create(inner, at);
          });
    }
    NVVM::BarrierOp::create(b, loc);
    LLVM::ReturnOp::create(b, loc, ValueRange());
  }
  auto call = LLVM::CallOp::create(
      b, loc, function, takeAddress(getWorkspaceNumber(), meetOffset));
  call.setConvergent(true);
}

/// The groups of a stage over samples, for the block's samples; all threads of
/// the block are done with one before the next begins.
void ProgramEmitter::emitDeviceGroups(Block &body, IRMapping &scalars) {
  for (Operation &op : body.without_terminator()) {
    if (auto group = dyn_cast<GroupOp>(op)) {
      Value left = arith::SubIOp::create(b, loc, samples, firstRow);
      Value rows = arith::MinSIOp::create(b, loc, left, small(sampleBlock));
      emitGroupCall(group, StageKind::Samples, scalars, rows, small(0),
                    small(1));
      NVVM::BarrierOp::create(b, loc);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      emitLoop(loop, scalars, scalars.lookup(loop.getLowerBound()),
               scalars.lookup(loop.getUpperBound()),
               scalars.lookup(loop.getStep()),
               [&](Block &inner, IRMapping &mapping) {
                 emitDeviceGroups(inner, mapping);
               });
    } else if (!isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
      b.clone(op, scalars);
    }
  }
}

void ProgramEmitter::emitDeviceStage(StageOp stage) {
  // What the stages before wrote is there.
  if (!met)
    meet();
  met = false;
  IRMapping scalars;
  SmallVector<Value> numbers;
  for (Value argument : stage.getBody().getArguments())
    if (!isa<RankedTensorType>(argument.getType()))
      numbers.push_back(argument);
  takeScalars(numbers, scalars);
  if (stage.getKind() == StageKind::Samples) {
    Value sum = arith::AddIOp::create(b, loc, samples, small(sampleBlock - 1));
    Value count = arith::DivUIOp::create(b, loc, sum, small(sampleBlock));
    chooseResidents(stage);
    copyResidents(count);
    auto loop = scf::ForOp::create(b, loc, block, count, blocks);
    llvm::SaveAndRestore uncounted(cursor, Value());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(loop.getBody()->getTerminator());
    firstRow = arith::MulIOp::create(b, loc, loop.getInductionVar(),
                                     small(sampleBlock));
    emitDeviceGroups(stage.getBody().front(), scalars);
    firstRow = Value();
    residents.clear();
    residentBytes = 0;
    scratchShared = false;
    stages = kMostStages;
    return;
  }
  for (Operation &op : stage.getBody().front().without_terminator())
    if (!isa<GroupOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
      b.clone(op, scalars);
  for (auto [level, groups] : llvm::enumerate(getLevels(stage))) {
    if (level > 0)
      meet();
    for (GroupOp group : groups) {
      // Small groups have work for few blocks: not for the same ones.
      Value shifted = arith::AddIOp::create(b, loc, block, small(nextTeam));
      Value team = arith::RemUIOp::create(b, loc, shifted, blocks);
      int64_t used = getBlocks(group, StageKind::Params, choices, maxBatch);
      nextTeam = (nextTeam + (1 << 20) - used % (1 << 20)) % (1 << 20);
      ThreadCode code(b, loc);
      code.doIf(code.isLess(team, small(used)), [&]() {
        OpBuilder::InsertionGuard guard(b);
        b.restoreInsertionPoint(code.b.saveInsertionPoint());
        emitGroupCall(group, StageKind::Params, scalars, small(0), team,
                      blocks);
      });
      // Threads share memory from group to group.
      NVVM::BarrierOp::create(b, loc);
    }
  }
}

void ProgramEmitter::emitDeviceBlock(Block &body) {
  for (Operation &op : body.without_terminator()) {
    if (auto stage = dyn_cast<StageOp>(op)) {
      emitDeviceStage(stage);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      if (!hasStages(loop))
        continue;
      IRMapping scalars;
      takeScalars(getOpenBounds(loop), scalars);
      auto bound = [&](Value value) -> Value {
        Attribute constant;
        if (matchPattern(value, m_Constant(&constant)))
          return arith::ConstantOp::create(b, loc, cast<TypedAttr>(constant));
        return scalars.lookup(value);
      };
      // An iteration begins where all have met, or after what came before the
      // loop, or after the one before.
      if (!met)
        meet();
      met = true;
      emitLoop(loop, scalars, bound(loop.getLowerBound()),
               bound(loop.getUpperBound()), bound(loop.getStep()),
               [&](Block &inner, IRMapping &) {
                 emitDeviceBlock(inner);
                 if (!met)
                   meet();
                 met = true;
               });
    }
  }
}

/// The kernel of one group, for all samples. Returns its launch.
unsigned ProgramEmitter::emitGroupKernel(GroupOp group, StageKind kind) {
  llvm::SaveAndRestore hostCursor(cursor);
  launches.emplace_back();
  takesValues =
      group->getNumOperands() + group.getNumResults() <= PCX_MOST_ADDRESSES;
  std::string name = (program.getName() + "_kernel" + Twine(kernelCount) + "_" +
                      getKernelName(group))
                         .str();
  launches.back().runs = times;
  LLVM::LLVMFuncOp kernel = beginKernel(name, group.getLoc());
  Operation *code = nullptr;
  ThreadCode at(b, loc);
  // Threads without a point need not read the scalars.
  Value hasPoint;
  if (int64_t threads = getThreadsOfPoints(group, kind))
    hasPoint =
        at.isLess(at.add(at.scaled(block, kThreads),
                         NVVM::ThreadIdXOp::create(b, loc, b.getI32Type())),
                  kind == StageKind::Samples ? at.scaled(samples, threads)
                                             : at.number(threads));
  at.doIf(hasPoint, [&]() {
    OpBuilder::InsertionGuard guard(b);
    b.restoreInsertionPoint(at.b.saveInsertionPoint());
    IRMapping scalars;
    takeScalars(group.getInputs(), scalars);
    code = emitGroupCall(group, kind, scalars, samples, block, blocks);
  });
  endKernel(kernel);
  Launch launch = std::move(launches.back());
  // Of one launch.
  launch.calls.front().second = 1;
  // Groups that share their function share the kernel that calls it.
  StringAttr symbol = kernel.getSymNameAttr();
  auto [shared, isNew] = groupKernels.try_emplace(code, symbol);
  if (takesValues && !isNew) {
    symbol = shared->second;
    kernel.erase();
  } else {
    ++kernelCount;
  }
  launch.kernel = symbol.str();
  // Another launch of the same kernel on the same arrays?
  for (auto [index, known] : llvm::enumerate(ArrayRef(launches).drop_back()))
    if (takesValues && known.kernel == launch.kernel &&
        known.addresses == launch.addresses &&
        known.calls.front().first == launch.calls.front().first) {
      launches.pop_back();
      Launch &same = launches[index];
      same.runs = times && same.runs ? same.runs + times : 0;
      return index;
    }
  launch.blocks = getLaunchBlocks(group, kind);
  launches.back() = std::move(launch);
  return launches.size() - 1;
}

/// The optimiser puts functions into what calls them. One copy for each layer
/// and step of a deep network takes minutes, there and in the driver, and has
/// instructions come from memory: what would be copied most stays a function,
/// until the rest is small enough.
void ProgramEmitter::limitCopies() {
  struct Code {
    LLVM::LLVMFuncOp func;
    int64_t size = 0, calls = 0;
    /// That calls leave behind beside the function.
    int64_t getCopied() const { return size * (calls - 1); }
  };
  llvm::MapVector<StringAttr, Code> codes;
  for (Function &function : functions) {
    Code &code = codes[function.func.getSymNameAttr()];
    if (code.func)
      continue;
    code.func = function.func;
    code.func.walk([&](Operation *) { ++code.size; });
  }
  kernelModule.walk([&](LLVM::CallOp call) {
    auto code = codes.find(call.getCalleeAttr().getAttr());
    if (code != codes.end())
      ++code->second.calls;
  });
  int64_t copied = 0;
  for (auto &[name, code] : codes)
    copied += code.size * code.calls;
  auto byCopies = codes.takeVector();
  llvm::stable_sort(byCopies, [](const auto &lhs, const auto &rhs) {
    return lhs.second.getCopied() > rhs.second.getCopied();
  });
  for (auto &[name, code] : byCopies) {
    if (copied <= kMostCopied || code.getCopied() <= 0)
      return;
    code.func.setNoInline(true);
    copied -= code.getCopied();
  }
}

//===----------------------------------------------------------------------===//
// The program
//===----------------------------------------------------------------------===//

void ProgramEmitter::run() {
  if (persistent) {
    Launch &launch = launches.emplace_back();
    launch.kernel = program.getName().str();
    launch.cooperative = true;
    // A block for every block of samples, and for every tile of a weight as far
    // as a device has use for them.
    mostBlocks = llvm::divideCeil(maxBatch, sampleBlock);
    program.walk([&](StageOp stage) {
      if (stage.getKind() != StageKind::Params)
        return;
      stage.walk([&](GroupOp group) {
        mostBlocks = std::max(
            mostBlocks,
            std::min(getBlocks(group, StageKind::Params, choices, maxBatch),
                     kManyBlocks));
      });
    });
    launch.blocks = mostBlocks;
    takesValues = countArrays() <= PCX_MOST_ADDRESSES;
    LLVM::LLVMFuncOp kernel = beginKernel(program.getName(), loc);
    emitDeviceBlock(program.getBody().front());
    endKernel(kernel);
  }
  LLVM::LLVMFuncOp entry = emitHost();
  limitCopies();

  SmallVector<Attribute> launchInfos;
  for (const Launch &launch : launches) {
    SmallVector<int64_t> used;
    SmallVector<double> calls;
    for (auto [kernel, count] : launch.calls) {
      used.push_back(kernel);
      calls.push_back(count);
    }
    SmallVector<int64_t> addresses;
    for (auto [array, offset] : launch.addresses)
      addresses.append({array, offset});
    launchInfos.push_back(b.getArrayAttr(
        {b.getStringAttr(launch.kernel),
         b.getDenseI64ArrayAttr({kThreads, launch.sharedBytes,
                                 launch.cooperative, 1, launch.blocks,
                                 /*samplesPerBlock=*/0}),
         b.getF64FloatAttr(launch.runs), b.getDenseI64ArrayAttr(used),
         b.getDenseF64ArrayAttr(calls), b.getDenseI64ArrayAttr(addresses)}));
  }
  auto named = [&](StringRef name, Attribute value) {
    return b.getNamedAttr(name, value);
  };
  SmallVector<NamedAttribute> facts = tables.getPortFacts(program);
  facts.append(
      {named("program", b.getStringAttr(program.getName())),
       named("cpu", b.getStringAttr(host.name)),
       named("info", program->getAttr(PCDialect::kProgramAttrName)),
       named("required", b.getI64IntegerAttr(host.required)),
       named("max_batch", b.getI64IntegerAttr(maxBatch)),
       named("sample_block", b.getI64IntegerAttr(1)),
       named("workspace_bytes", b.getI64IntegerAttr(workspaceBytes)),
       named("worker_bytes", b.getI64IntegerAttr(blockBytes)),
       named("kernels", b.getArrayAttr(kernelInfos)),
       named("marked", b.getBoolAttr(false)),
       named("stages", b.getArrayAttr({})),
       named("strategy", b.getStringAttr(persistent ? "persistent" : "graph")),
       named("meets", b.getF64FloatAttr(meets)),
       named("launches", b.getArrayAttr(launchInfos))});
  entry->setAttr(kEntryAttrName, b.getDictionaryAttr(facts));
}

/// A kernel for each group has one block of samples.
static LogicalResult checkBlocks(func::FuncOp program) {
  auto fact = [&](StringRef name) {
    return program->getAttrOfType<IntegerAttr>(name).getInt();
  };
  int64_t rows = fact(PCDialect::kSampleBlockAttrName);
  int64_t most = fact(PCDialect::kMaxBatchAttrName);
  if (rows >= most)
    return success();
  return program.emitError("a kernel for each group takes all samples at once: "
                           "expected a sample block of at least ")
         << most << ", found " << rows;
}

/// Points are numbered in 32 bits, and loops go on to the first number that is
/// none.
static LogicalResult checkSizes(func::FuncOp program) {
  int64_t maxBatch =
      program->getAttrOfType<IntegerAttr>(PCDialect::kMaxBatchAttrName)
          .getInt();
  constexpr double most = 2147483648.0 - kMostBlocks * kThreads * 2;
  auto check = [&](Operation *op, TypeRange types) {
    for (Type type : types) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor)
        continue;
      double elements = 1;
      for (int64_t dim : tensor.getShape())
        elements *= ShapedType::isDynamic(dim) ? maxBatch : dim;
      if (elements < most)
        continue;
      op->emitError("an array of ")
          << llvm::formatv("{0:f0}", elements).str()
          << " elements is too large for a device, expected less than "
          << llvm::formatv("{0:f0}", most).str()
          << "; use a smaller --batch or narrower layers";
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  };
  if (check(program, program.getArgumentTypes()).wasInterrupted())
    return failure();
  return failure(
      program
          .walk([&](Operation *op) { return check(op, op->getResultTypes()); })
          .wasInterrupted());
}

/// Tensor cores multiply float32 numbers that are rounded.
static LogicalResult checkRounded(func::FuncOp program) {
  WalkResult checked = program.walk([&](linalg::GenericOp op) {
    if (getStructuredKind(op) != StructuredKind::Contraction ||
        getElementTypeOrSelf(op.getResult(0)).isF32())
      return WalkResult::advance();
    op.emitError("products in tf32 are for models of f32, but found ")
        << op.getResult(0).getType()
        << "; leave --precision out or use --float=f32";
    return WalkResult::interrupt();
  });
  return failure(checked.wasInterrupted());
}

namespace {
struct EmitGPUPass : public pc::impl::EmitGPUPassBase<EmitGPUPass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    SmallVector<func::FuncOp> programs;
    for (auto func : module.getOps<func::FuncOp>())
      if (func->hasAttr(PCDialect::kWorkspaceAttrName))
        programs.push_back(func);
    if (programs.empty())
      return;
    // Any machine that pcc compiles for can be the host.
    FailureOr<CPUTarget> host = CPUTarget::parse("x86-64-v3", nullptr);
    if (strategy != "persistent" && strategy != "graph") {
      module.emitError("unknown strategy '")
          << strategy << "', expected persistent or graph";
      return signalPassFailure();
    }
    ModuleTables tables;
    for (func::FuncOp program : programs)
      if (failed(tables.add(program)) || failed(checkSizes(program)) ||
          (tf32 && failed(checkRounded(program))) ||
          (strategy == "graph" && failed(checkBlocks(program))))
        return signalPassFailure();
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    auto kernels = gpu::GPUModuleOp::create(b, module.getLoc(), "kernels");
    {
      OpBuilder inner = OpBuilder::atBlockEnd(kernels.getBody());
      LLVM::GlobalOp::create(
          inner, module.getLoc(), LLVM::LLVMArrayType::get(b.getI8Type(), 0),
          /*isConstant=*/false, LLVM::Linkage::External, kSharedName,
          Attribute(), /*alignment=*/16, kSharedSpace);
    }
    for (func::FuncOp program : programs) {
      ProgramEmitter(module, kernels, program, *host, tables,
                     {strategy == "persistent", tf32}, sharedBytes)
          .run();
      program.erase();
    }
    emitGather(kernels);
    module->setAttr(kStorageAttrName, b.getArrayAttr(tables.storage));
    module->setAttr(kHypersAttrName, b.getArrayAttr(tables.hypers));
  }
};
} // namespace
