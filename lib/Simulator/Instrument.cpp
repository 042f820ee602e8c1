//===- Instrument.cpp - Makes what kernels do visible ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Accesses get a call in front of them; what only a GPU has becomes a call;
// each basic block counts its runs. All address spaces are the host's: arrays
// in shared memory become offsets into the block's, which the simulator knows.
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/Alignment.h"

using namespace llvm;
using namespace pc::sim;

namespace {
constexpr unsigned kSharedSpace = 3;

class Instrumenter {
public:
  Instrumenter(llvm::Module &module, Program &program)
      : module(module), program(program), context(module.getContext()),
        i32(Type::getInt32Ty(context)), i64(Type::getInt64Ty(context)),
        f32(Type::getFloatTy(context)), pointer(PointerType::get(context, 0)),
        none(Type::getVoidTy(context)) {}
  Error run();

private:
  Error refuse(const Instruction &instruction, const Twine &what);
  uint32_t addSite(const Instruction &instruction);
  Value *number(uint32_t value) { return ConstantInt::get(i32, value); }
  FunctionCallee hook(StringRef name, Type *result, ArrayRef<Type *> types) {
    return module.getOrInsertFunction(
        name, FunctionType::get(result, types, /*isVarArg=*/false));
  }
  static Value *generic(IRBuilder<> &b, Value *address) {
    return b.CreateAddrSpaceCast(address, b.getPtrTy(0));
  }

  llvm::SmallPtrSet<Function *, 4> getKernelsThatReach(Function *function);
  void placeSharedArrays();
  void placeStack(Function &function);
  void prepareFunction(Function &function);
  Error checkScope(const Instruction &instruction, SyncScope::ID scope);
  Error checkParameter(const Instruction &instruction);
  void countBlocks(Function &function);
  Error instrumentFunction(Function &function);
  void noteAccess(Instruction &instruction, Value *address, Type *type,
                  Align alignment, uint32_t flags);
  Error instrumentCall(CallInst &call);
  Error instrumentIntrinsic(CallInst &call);
  Error replaceRounding(FPTruncInst &rounding);
  void replaceShuffle(CallInst &call, Shuffle kind);
  void replaceMatrix(CallInst &call, MatrixKind kind);
  void replaceLoadMatrix(CallInst &call, unsigned count, bool transposed);
  void replaceAsyncCopy(CallInst &call, uint32_t bytes);
  Value *makeArray(Function &function, unsigned elements);
  Error addRunner(Function &kernel);

  llvm::Module &module;
  Program &program;
  LLVMContext &context;
  Type *i32, *i64, *f32, *pointer, *none;
  std::vector<Function *> kernels;
};
} // namespace

std::string pc::sim::getRunnerName(StringRef kernel) {
  return (kernel + ".run").str();
}

Error Instrumenter::refuse(const Instruction &instruction, const Twine &what) {
  return createStringError("kernel code in '" +
                           instruction.getFunction()->getName() +
                           "' has what the simulator does not know: " + what);
}

uint32_t Instrumenter::addSite(const Instruction &instruction) {
  Site site;
  site.function = instruction.getFunction()->getName().str();
  raw_string_ostream os(site.text);
  instruction.print(os);
  site.text = StringRef(site.text).trim().str();
  if (const DILocation *place = instruction.getDebugLoc()) {
    site.line = place->getLine();
    while (const DILocation *caller = place->getInlinedAt())
      place = caller;
    // Code that several callers share has the lines of one of them.
    site.caller = place->getLine();
  }
  program.sites.push_back(std::move(site));
  return program.sites.size() - 1;
}

/// Kernels that reach a function.
llvm::SmallPtrSet<Function *, 4>
Instrumenter::getKernelsThatReach(Function *function) {
  llvm::SmallPtrSet<Function *, 4> found;
  for (Function *kernel : kernels) {
    llvm::SmallPtrSet<Function *, 8> seen;
    seen.insert(kernel);
    SmallVector<Function *> left{kernel};
    while (!left.empty())
      for (Instruction &instruction : instructions(*left.pop_back_val()))
        if (auto *call = dyn_cast<CallBase>(&instruction))
          if (Function *callee = call->getCalledFunction();
              callee && !callee->isDeclaration() && seen.insert(callee).second)
            left.push_back(callee);
    if (seen.contains(function))
      found.insert(kernel);
  }
  return found;
}

/// Gives every array in shared memory its offset, the same in all kernels that
/// use it. Between two lies memory that is none; dynamic memory is last.
void Instrumenter::placeSharedArrays() {
  constexpr uint64_t gap = 16;
  const DataLayout &layout = module.getDataLayout();
  std::vector<GlobalVariable *> arrays;
  for (bool dynamic : {false, true})
    for (GlobalVariable &global : module.globals())
      if (global.getAddressSpace() == kSharedSpace &&
          global.isDeclaration() == dynamic)
        arrays.push_back(&global);
  llvm::DenseMap<Function *, uint64_t> ends;
  FunctionCallee place = hook("pcx_sim_shared", pointer, {i32});
  for (GlobalVariable *array : arrays) {
    convertUsersOfConstantsToInstructions({array});
    llvm::SetVector<Function *> users, reaching;
    for (User *user : array->users())
      if (auto *instruction = dyn_cast<Instruction>(user))
        users.insert(instruction->getFunction());
    for (Function *user : users)
      for (Function *kernel : getKernelsThatReach(user))
        reaching.insert(kernel);
    uint64_t offset = 0;
    for (Function *kernel : reaching)
      offset = std::max(offset, ends[kernel]);
    offset =
        alignTo(offset, std::max(array->getAlign().valueOrOne(), Align(16)));
    uint64_t bytes =
        array->isDeclaration()
            ? 0
            : uint64_t(layout.getTypeAllocSize(array->getValueType()));
    for (Function *kernel : reaching) {
      Program::Kernel &entry = program.kernels[kernel->getName()];
      if (array->isDeclaration()) {
        entry.dynamicOffset = static_cast<uint32_t>(offset);
        continue;
      }
      entry.sharedBytes += static_cast<uint32_t>(bytes);
      entry.arrays.push_back({static_cast<uint32_t>(offset),
                              static_cast<uint32_t>(offset + bytes)});
      ends[kernel] = offset + bytes + gap;
      entry.dynamicOffset =
          static_cast<uint32_t>(alignTo(ends[kernel], Align(16)));
    }
    llvm::DenseMap<Function *, Value *> addresses;
    for (Use &use : make_early_inc_range(array->uses())) {
      auto *user = dyn_cast<Instruction>(use.getUser());
      if (!user)
        continue;
      Value *&address = addresses[user->getFunction()];
      if (!address) {
        BasicBlock &entry = user->getFunction()->getEntryBlock();
        IRBuilder<> b(&entry, entry.getFirstInsertionPt());
        address = b.CreateAddrSpaceCast(
            b.CreateCall(place, number(static_cast<uint32_t>(offset))),
            array->getType());
      }
      use.set(address);
    }
    if (array->use_empty())
      array->eraseFromParent();
  }
}

/// The host's stack is in address space 0.
void Instrumenter::placeStack(Function &function) {
  for (Instruction &instruction : make_early_inc_range(instructions(function)))
    if (auto *old = dyn_cast<AllocaInst>(&instruction);
        old && old->getAddressSpace() != 0) {
      IRBuilder<> b(old);
      AllocaInst *array =
          b.CreateAlloca(old->getAllocatedType(), 0u, old->getArraySize());
      array->setAlignment(old->getAlign());
      old->replaceAllUsesWith(b.CreateAddrSpaceCast(array, old->getType()));
      old->eraseFromParent();
    }
}

/// The host's function of the same meaning as one of libdevice; empty if the
/// simulator does not know it.
static std::string getHostFunction(StringRef name) {
  if (!name.consume_front("__nv_"))
    return "";
  StringRef stem = name;
  // Fast variants are approximations of the same function.
  stem.consume_front("fast_");
  static constexpr StringRef known[] = {
      "exp",  "exp2", "expm1", "log",  "log2", "log1p", "tanh",
      "sqrt", "erf",  "fabs",  "pow",  "fma",  "floor", "ceil",
      "sin",  "cos",  "fmin",  "fmax", "rint", "round"};
  StringRef function = stem;
  if (!is_contained(known, function) &&
      (!function.consume_back("f") || !is_contained(known, function)))
    return "";
  return stem.str();
}

void Instrumenter::prepareFunction(Function &function) {
  if (function.getCallingConv() == CallingConv::PTX_Kernel)
    kernels.push_back(&function);
  function.setCallingConv(CallingConv::C);
  for (StringRef attribute : {"target-cpu", "target-features"})
    function.removeFnAttr(attribute);
  function.setComdat(nullptr);
  for (User *user : function.users())
    if (auto *call = dyn_cast<CallBase>(user))
      call->setCallingConv(CallingConv::C);
}

void Instrumenter::countBlocks(Function &function) {
  Value *runs = module.getOrInsertGlobal("pcx.sim.runs", i64);
  for (BasicBlock &block : function) {
    BlockCost cost;
    for (Instruction &instruction : block) {
      if (isa<PHINode>(instruction) || instruction.isDebugOrPseudoInst())
        continue;
      ++cost.instructions;
      unsigned lanes = 1;
      if (auto *type = dyn_cast<FixedVectorType>(instruction.getType()))
        lanes = type->getNumElements();
      if (!instruction.getType()->isFPOrFPVectorTy())
        continue;
      switch (instruction.getOpcode()) {
      case Instruction::FAdd:
      case Instruction::FSub:
      case Instruction::FMul:
      case Instruction::FDiv:
        cost.flops += lanes;
        break;
      case Instruction::Call:
        if (auto *call = dyn_cast<IntrinsicInst>(&instruction))
          if (call->getIntrinsicID() == Intrinsic::fma ||
              call->getIntrinsicID() == Intrinsic::fmuladd)
            cost.flops += 2 * lanes;
        break;
      default:
        break;
      }
    }
    IRBuilder<> b(&block, block.getFirstInsertionPt());
    Value *place =
        b.CreateConstInBoundsGEP1_64(i64, runs, program.blocks.size());
    b.CreateStore(b.CreateAdd(b.CreateLoad(i64, place), b.getInt64(1)), place);
    program.blocks.push_back(cost);
  }
}

void Instrumenter::noteAccess(Instruction &instruction, Value *address,
                              Type *type, Align alignment, uint32_t flags) {
  FunctionCallee access =
      hook("pcx_sim_access", none, {pointer, i32, i32, i32, i32});
  uint64_t bytes = module.getDataLayout().getTypeStoreSize(type);
  uint32_t site = addSite(instruction);
  IRBuilder<> b(&instruction);
  b.CreateCall(access,
               {generic(b, address), number(bytes), number(alignment.value()),
                number(flags), number(site)});
}

static uint32_t getOrderFlags(AtomicOrdering order) {
  uint32_t flags = AccessAtomic;
  if (isAcquireOrStronger(order))
    flags |= AccessAcquire;
  if (isReleaseOrStronger(order))
    flags |= AccessRelease;
  return flags;
}

/// Fences and atomics are taken to be those of the device.
Error Instrumenter::checkScope(const Instruction &instruction,
                               SyncScope::ID scope) {
  SmallVector<StringRef> names;
  context.getSyncScopeNames(names);
  if (names[scope].empty() || names[scope] == "device")
    return Error::success();
  return refuse(instruction, "syncscope '" + names[scope] + "'");
}

/// Whether an address may lie in a parameter that a kernel is passed by value.
static bool mayBeParameter(const Value *address) {
  SmallVector<const Value *> objects;
  if (address)
    getUnderlyingObjects(address, objects);
  return llvm::any_of(objects, [](const Value *object) {
    auto *argument = dyn_cast<Argument>(object);
    return argument && argument->hasByValAttr();
  });
}

/// A parameter is read, at a place that is known.
Error Instrumenter::checkParameter(const Instruction &instruction) {
  const Value *address = getLoadStorePointerOperand(&instruction);
  if (!isa<LoadInst>(instruction))
    return refuse(instruction, "a parameter that is written");
  const DataLayout &layout = module.getDataLayout();
  APInt offset(layout.getIndexTypeSizeInBits(address->getType()), 0);
  auto *argument =
      dyn_cast<Argument>(address->stripAndAccumulateConstantOffsets(
          layout, offset, /*AllowNonInbounds=*/true));
  if (!argument)
    return refuse(instruction, "a place in a parameter that is no constant");
  uint64_t end =
      offset.getZExtValue() + layout.getTypeStoreSize(instruction.getType());
  if (offset.isNegative() ||
      end > layout.getTypeAllocSize(argument->getParamByValType()))
    return refuse(instruction, "a place beyond its parameter");
  return Error::success();
}

Error Instrumenter::instrumentFunction(Function &function) {
  placeStack(function);
  // Calls that are added are not to be looked at.
  SmallVector<Instruction *> all;
  for (Instruction &instruction : instructions(function))
    all.push_back(&instruction);
  countBlocks(function);
  for (Instruction *instruction : all) {
    if (std::optional<SyncScope::ID> scope = getAtomicSyncScopeID(instruction))
      if (Error error = checkScope(*instruction, *scope))
        return error;
    if (mayBeParameter(getLoadStorePointerOperand(instruction))) {
      if (Error error = checkParameter(*instruction))
        return error;
    } else if (auto *load = dyn_cast<LoadInst>(instruction)) {
      uint32_t flags =
          load->isAtomic() ? getOrderFlags(load->getOrdering()) : 0;
      if (load->isAtomic() || load->isVolatile())
        flags |= AccessSpin;
      noteAccess(*load, load->getPointerOperand(), load->getType(),
                 load->getAlign(), flags);
    } else if (auto *store = dyn_cast<StoreInst>(instruction)) {
      uint32_t flags =
          store->isAtomic() ? getOrderFlags(store->getOrdering()) : 0;
      noteAccess(*store, store->getPointerOperand(),
                 store->getValueOperand()->getType(), store->getAlign(),
                 flags | AccessWrite);
    } else if (auto *update = dyn_cast<AtomicRMWInst>(instruction)) {
      noteAccess(*update, update->getPointerOperand(), update->getType(),
                 update->getAlign(),
                 getOrderFlags(update->getOrdering()) | AccessWrite |
                     AccessUpdate | AccessSpin);
    } else if (auto *exchange = dyn_cast<AtomicCmpXchgInst>(instruction)) {
      noteAccess(*exchange, exchange->getPointerOperand(),
                 exchange->getNewValOperand()->getType(), exchange->getAlign(),
                 getOrderFlags(exchange->getSuccessOrdering()) | AccessWrite |
                     AccessUpdate | AccessSpin);
    } else if (auto *fence = dyn_cast<FenceInst>(instruction)) {
      IRBuilder<> b(fence);
      b.CreateCall(hook("pcx_sim_fence", none, {}));
      fence->eraseFromParent();
    } else if (isa<PtrToIntInst>(instruction)) {
      if (instruction->getType()->getScalarSizeInBits() < 64)
        return refuse(*instruction, "an address in less than 64 bits");
    } else if (auto *rounding = dyn_cast<FPTruncInst>(instruction)) {
      if (rounding->getType()->getScalarType()->isBFloatTy())
        if (Error error = replaceRounding(*rounding))
          return error;
    } else if (auto *call = dyn_cast<CallInst>(instruction)) {
      if (Error error = instrumentCall(*call))
        return error;
    } else if (isa<CallBase>(instruction)) {
      return refuse(*instruction, "a call that is none");
    }
  }
  return Error::success();
}

Error Instrumenter::instrumentCall(CallInst &call) {
  if (auto *assembly = dyn_cast<InlineAsm>(call.getCalledOperand())) {
    // Nothing, which the optimiser takes for something.
    if (!assembly->getAsmString().empty() || call.arg_size() != 1 ||
        call.getType() != call.getArgOperand(0)->getType())
      return refuse(call, "inline assembly");
    call.replaceAllUsesWith(call.getArgOperand(0));
    call.eraseFromParent();
    return Error::success();
  }
  Function *callee = call.getCalledFunction();
  if (!callee)
    return refuse(call, "an indirect call");
  if (callee->isIntrinsic())
    return instrumentIntrinsic(call);
  if (!callee->isDeclaration())
    return Error::success();
  std::string host = getHostFunction(callee->getName());
  if (host.empty())
    return refuse(call, "function '" + callee->getName() + "'");
  call.setCalledFunction(
      module.getOrInsertFunction(host, callee->getFunctionType()));
  return Error::success();
}

static constexpr std::pair<Intrinsic::ID, Special> kSpecials[] = {
    {Intrinsic::nvvm_read_ptx_sreg_tid_x, SpecialTidX},
    {Intrinsic::nvvm_read_ptx_sreg_tid_y, SpecialTidY},
    {Intrinsic::nvvm_read_ptx_sreg_tid_z, SpecialTidZ},
    {Intrinsic::nvvm_read_ptx_sreg_ntid_x, SpecialNtidX},
    {Intrinsic::nvvm_read_ptx_sreg_ntid_y, SpecialNtidY},
    {Intrinsic::nvvm_read_ptx_sreg_ntid_z, SpecialNtidZ},
    {Intrinsic::nvvm_read_ptx_sreg_ctaid_x, SpecialCtaidX},
    {Intrinsic::nvvm_read_ptx_sreg_ctaid_y, SpecialCtaidY},
    {Intrinsic::nvvm_read_ptx_sreg_ctaid_z, SpecialCtaidZ},
    {Intrinsic::nvvm_read_ptx_sreg_nctaid_x, SpecialNctaidX},
    {Intrinsic::nvvm_read_ptx_sreg_nctaid_y, SpecialNctaidY},
    {Intrinsic::nvvm_read_ptx_sreg_nctaid_z, SpecialNctaidZ},
    {Intrinsic::nvvm_read_ptx_sreg_laneid, SpecialLane},
    {Intrinsic::nvvm_read_ptx_sreg_warpid, SpecialWarp},
};

Error Instrumenter::instrumentIntrinsic(CallInst &call) {
  IRBuilder<> b(&call);
  auto replace = [&](Value *value) {
    if (value && !call.getType()->isVoidTy())
      call.replaceAllUsesWith(value);
    call.eraseFromParent();
    return Error::success();
  };
  auto shuffle = [&](Shuffle kind) {
    replaceShuffle(call, kind);
    return Error::success();
  };
  auto matrix = [&](MatrixKind kind) {
    replaceMatrix(call, kind);
    return Error::success();
  };
  auto loadMatrix = [&](unsigned count, bool transposed) {
    replaceLoadMatrix(call, count, transposed);
    return Error::success();
  };
  auto asyncCopy = [&](uint32_t bytes) {
    replaceAsyncCopy(call, bytes);
    return Error::success();
  };
  // What the hardware approximates is computed to the host's precision.
  auto unary = [&](Intrinsic::ID id) {
    return replace(b.CreateUnaryIntrinsic(id, call.getArgOperand(0)));
  };
  auto inverse = [&](Value *value) {
    return replace(b.CreateFDiv(ConstantFP::get(call.getType(), 1.0), value));
  };
  // To nearest, halves away from zero; the 13 bits that TF32 lacks are zero.
  auto roundToTF32 = [&]() {
    Value *bits = b.CreateBitCast(call.getArgOperand(0), i32);
    Value *magnitude = b.CreateAnd(bits, 0x7fffffff);
    Value *finite = b.CreateICmpULT(magnitude, number(0x7f800000));
    Value *isNaN = b.CreateICmpUGT(magnitude, number(0x7f800000));
    Value *rounded =
        b.CreateSelect(finite, b.CreateAdd(bits, number(0x1000)), bits);
    rounded = b.CreateSelect(isNaN, number(0x7fffffff), rounded);
    return replace(b.CreateAnd(rounded, number(0xffffe000)));
  };
  for (auto [id, which] : kSpecials)
    if (call.getIntrinsicID() == id)
      return replace(
          b.CreateCall(hook("pcx_sim_special", i32, {i32}), number(which)));
  switch (call.getIntrinsicID()) {
  case Intrinsic::nvvm_read_ptx_sreg_warpsize:
    return replace(number(32));

  case Intrinsic::nvvm_barrier_cta_sync_aligned_all:
  case Intrinsic::nvvm_barrier_cta_sync_all: {
    auto *id = dyn_cast<ConstantInt>(call.getArgOperand(0));
    if (!id || !id->isZero())
      return refuse(call, "a barrier other than 0");
    bool aligned =
        call.getIntrinsicID() == Intrinsic::nvvm_barrier_cta_sync_aligned_all;
    uint32_t site = addSite(call);
    return replace(b.CreateCall(hook("pcx_sim_barrier", none, {i32, i32}),
                                {number(aligned), number(site)}));
  }
  case Intrinsic::nvvm_bar_warp_sync: {
    uint32_t site = addSite(call);
    return replace(b.CreateCall(hook("pcx_sim_warp_barrier", none, {i32, i32}),
                                {call.getArgOperand(0), number(site)}));
  }

  case Intrinsic::nvvm_shfl_sync_up_i32:
  case Intrinsic::nvvm_shfl_sync_up_f32:
    return shuffle(ShuffleUp);
  case Intrinsic::nvvm_shfl_sync_down_i32:
  case Intrinsic::nvvm_shfl_sync_down_f32:
    return shuffle(ShuffleDown);
  case Intrinsic::nvvm_shfl_sync_bfly_i32:
  case Intrinsic::nvvm_shfl_sync_bfly_f32:
    return shuffle(ShuffleButterfly);
  case Intrinsic::nvvm_shfl_sync_idx_i32:
  case Intrinsic::nvvm_shfl_sync_idx_f32:
    return shuffle(ShuffleIndex);

  case Intrinsic::nvvm_f2tf32_rna:
    return roundToTF32();

  case Intrinsic::nvvm_mma_m16n8k8_row_col_tf32:
    return matrix(MatrixTF32);
  case Intrinsic::nvvm_mma_m16n8k16_row_col_bf16:
    return matrix(MatrixBF16);
  case Intrinsic::nvvm_mma_m16n8k16_row_col_f32_f32:
    return matrix(MatrixF16);

  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x1_b16:
    return loadMatrix(1, false);
  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x2_b16:
    return loadMatrix(2, false);
  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x4_b16:
    return loadMatrix(4, false);
  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x1_trans_b16:
    return loadMatrix(1, true);
  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x2_trans_b16:
    return loadMatrix(2, true);
  case Intrinsic::nvvm_ldmatrix_sync_aligned_m8n8_x4_trans_b16:
    return loadMatrix(4, true);

  case Intrinsic::nvvm_cp_async_ca_shared_global_4:
  case Intrinsic::nvvm_cp_async_ca_shared_global_4_s:
    return asyncCopy(4);
  case Intrinsic::nvvm_cp_async_ca_shared_global_8:
  case Intrinsic::nvvm_cp_async_ca_shared_global_8_s:
    return asyncCopy(8);
  case Intrinsic::nvvm_cp_async_ca_shared_global_16:
  case Intrinsic::nvvm_cp_async_ca_shared_global_16_s:
  case Intrinsic::nvvm_cp_async_cg_shared_global_16:
  case Intrinsic::nvvm_cp_async_cg_shared_global_16_s:
    return asyncCopy(16);
  case Intrinsic::nvvm_cp_async_commit_group:
    return replace(b.CreateCall(hook("pcx_sim_async_commit", none, {})));
  case Intrinsic::nvvm_cp_async_wait_group:
    return replace(b.CreateCall(hook("pcx_sim_async_wait", none, {i32}),
                                call.getArgOperand(0)));
  case Intrinsic::nvvm_cp_async_wait_all:
    b.CreateCall(hook("pcx_sim_async_commit", none, {}));
    return replace(
        b.CreateCall(hook("pcx_sim_async_wait", none, {i32}), number(0)));

  case Intrinsic::nvvm_ex2_approx:
  case Intrinsic::nvvm_ex2_approx_ftz:
    return unary(Intrinsic::exp2);
  case Intrinsic::nvvm_lg2_approx_f:
  case Intrinsic::nvvm_lg2_approx_ftz_f:
    return unary(Intrinsic::log2);
  case Intrinsic::nvvm_sqrt_approx_f:
  case Intrinsic::nvvm_sqrt_approx_ftz_f:
    return unary(Intrinsic::sqrt);
  case Intrinsic::nvvm_rsqrt_approx_f:
  case Intrinsic::nvvm_rsqrt_approx_ftz_f:
    return inverse(
        b.CreateUnaryIntrinsic(Intrinsic::sqrt, call.getArgOperand(0)));
  case Intrinsic::nvvm_rcp_approx_ftz_f:
    return inverse(call.getArgOperand(0));
  default:
    break;
  }
  Function *callee = call.getCalledFunction();
  // Of all others, those that touch no memory run as they are.
  if (callee->isTargetIntrinsic() ||
      !(call.doesNotAccessMemory() ||
        cast<IntrinsicInst>(call).isAssumeLikeIntrinsic()))
    return refuse(call, "'" + callee->getName() + "'");
  return Error::success();
}

/// Rounding to bfloat16 as cvt.rn.bf16.f32 does it: to the nearest, ties to
/// even, subnormal numbers kept, every NaN 0x7fff. The host would need a
/// library function, or has an instruction that takes subnormal numbers for
/// zero.
Error Instrumenter::replaceRounding(FPTruncInst &rounding) {
  Value *value = rounding.getOperand(0);
  if (!value->getType()->getScalarType()->isFloatTy())
    return refuse(rounding, "rounding to bfloat of another type than float");
  IRBuilder<> b(&rounding);
  auto likeValue = [&](Type *type) -> Type * {
    if (auto *vector = dyn_cast<VectorType>(value->getType()))
      return VectorType::get(type, vector->getElementCount());
    return type;
  };
  Type *words = likeValue(i32);
  auto constant = [&](uint32_t word) { return ConstantInt::get(words, word); };
  Value *bits = b.CreateBitCast(value, words);
  Value *odd = b.CreateAnd(b.CreateLShr(bits, constant(16)), constant(1));
  Value *sum = b.CreateAdd(b.CreateAdd(bits, constant(0x7fff)), odd);
  Value *upper = b.CreateSelect(b.CreateFCmpUNO(value, value), constant(0x7fff),
                                b.CreateLShr(sum, constant(16)));
  Value *half = b.CreateTrunc(upper, likeValue(b.getInt16Ty()));
  rounding.replaceAllUsesWith(b.CreateBitCast(half, rounding.getType()));
  rounding.eraseFromParent();
  return Error::success();
}

void Instrumenter::replaceShuffle(CallInst &call, Shuffle kind) {
  uint32_t site = addSite(call);
  IRBuilder<> b(&call);
  Value *value = b.CreateBitCast(call.getArgOperand(1), i32);
  Value *result =
      b.CreateCall(hook("pcx_sim_shuffle", i32, {i32, i32, i32, i32, i32, i32}),
                   {call.getArgOperand(0), value, call.getArgOperand(2),
                    call.getArgOperand(3), number(kind), number(site)});
  call.replaceAllUsesWith(b.CreateBitCast(result, call.getType()));
  call.eraseFromParent();
}

/// Memory for so many registers, on the stack.
Value *Instrumenter::makeArray(Function &function, unsigned elements) {
  BasicBlock &entry = function.getEntryBlock();
  IRBuilder<> b(&entry, entry.begin());
  return b.CreateAlloca(ArrayType::get(i32, elements));
}

void Instrumenter::replaceMatrix(CallInst &call, MatrixKind kind) {
  uint32_t site = addSite(call);
  Function &function = *call.getFunction();
  Value *a = makeArray(function, 4), *right = makeArray(function, 2);
  Value *sum = makeArray(function, 4), *result = makeArray(function, 4);
  IRBuilder<> b(&call);
  unsigned next = 0;
  auto put = [&](Value *array, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      b.CreateStore(call.getArgOperand(next++),
                    b.CreateConstInBoundsGEP1_32(i32, array, i));
  };
  put(a, 4);
  put(right, 2);
  put(sum, 4);
  b.CreateCall(hook("pcx_sim_matrix", none,
                    {i32, pointer, pointer, pointer, pointer, i32}),
               {number(kind), a, right, sum, result, number(site)});
  Value *all = PoisonValue::get(call.getType());
  for (unsigned i = 0; i < 4; ++i)
    all = b.CreateInsertValue(
        all, b.CreateLoad(f32, b.CreateConstInBoundsGEP1_32(i32, result, i)),
        i);
  call.replaceAllUsesWith(all);
  call.eraseFromParent();
}

void Instrumenter::replaceLoadMatrix(CallInst &call, unsigned count,
                                     bool transposed) {
  uint32_t site = addSite(call);
  Value *result = makeArray(*call.getFunction(), count);
  IRBuilder<> b(&call);
  b.CreateCall(
      hook("pcx_sim_load_matrix", none, {i32, i32, pointer, pointer, i32}),
      {number(count), number(transposed), generic(b, call.getArgOperand(0)),
       result, number(site)});
  if (count == 1) {
    call.replaceAllUsesWith(b.CreateLoad(i32, result));
  } else {
    Value *all = PoisonValue::get(call.getType());
    for (unsigned i = 0; i < count; ++i)
      all = b.CreateInsertValue(
          all, b.CreateLoad(i32, b.CreateConstInBoundsGEP1_32(i32, result, i)),
          i);
    call.replaceAllUsesWith(all);
  }
  call.eraseFromParent();
}

void Instrumenter::replaceAsyncCopy(CallInst &call, uint32_t bytes) {
  uint32_t site = addSite(call);
  IRBuilder<> b(&call);
  Value *given = call.arg_size() > 2 ? call.getArgOperand(2) : number(bytes);
  b.CreateCall(
      hook("pcx_sim_async_copy", none, {pointer, pointer, i32, i32, i32}),
      {generic(b, call.getArgOperand(0)), generic(b, call.getArgOperand(1)),
       number(bytes), given, number(site)});
  call.eraseFromParent();
}

/// `void kernel.run(ptr arguments)` loads the parameters' values.
Error Instrumenter::addRunner(Function &kernel) {
  auto *runner = Function::Create(
      FunctionType::get(none, {pointer}, /*isVarArg=*/false),
      GlobalValue::ExternalLinkage, getRunnerName(kernel.getName()), module);
  IRBuilder<> b(BasicBlock::Create(context, "", runner));
  SmallVector<Value *> values;
  auto &known = program.kernels[kernel.getName()];
  for (Argument &argument : kernel.args()) {
    Value *place = b.CreateLoad(
        pointer, b.CreateConstInBoundsGEP1_32(pointer, runner->getArg(0),
                                              argument.getArgNo()));
    // What is passed by value is looked at where it lies.
    Type *type = argument.getParamByValType();
    values.push_back(type ? place : b.CreateLoad(argument.getType(), place));
    known.parameters.push_back(module.getDataLayout().getTypeAllocSize(
        type ? type : argument.getType()));
    argument.removeAttr(Attribute::ByVal);
  }
  b.CreateCall(&kernel, values);
  b.CreateRetVoid();
  return Error::success();
}

Error Instrumenter::run() {
  SmallVector<Function *> functions;
  for (Function &function : module)
    functions.push_back(&function);
  for (Function *function : functions)
    prepareFunction(*function);
  if (kernels.empty())
    return createStringError("there is no kernel in the module");
  for (const GlobalVariable &global : module.globals())
    if (global.getAddressSpace() != kSharedSpace &&
        !global.getName().starts_with("llvm."))
      return createStringError(
          "variable '" + global.getName() + "' is in address space " +
          Twine(global.getAddressSpace()) +
          ", but the simulator knows those in shared memory (3) alone");
  for (Function *function : functions)
    if (!function->isDeclaration())
      if (Error error = instrumentFunction(*function))
        return error;
  placeSharedArrays();
  for (Function *kernel : kernels)
    if (Error error = addRunner(*kernel))
      return error;
  program.runs.assign(program.blocks.size(), 0);
  std::string message;
  raw_string_ostream os(message);
  if (verifyModule(module, &os))
    return createStringError("instrumented kernels are no valid IR: " +
                             message);
  return Error::success();
}

Error pc::sim::instrument(llvm::Module &module, Program &program) {
  return Instrumenter(module, program).run();
}
