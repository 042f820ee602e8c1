//===- EmitGather.cpp - Batches of a data set on the device ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one kernel that is the same in every artifact. A block makes rows of one
// input, its threads neighbouring units of a row: what they read and write lies
// side by side whatever the order of the samples. No arithmetic is done on
// values, so a batch has the bits that the host would have made.
//
//===----------------------------------------------------------------------===//

#include "EmitGather.h"
#include "GroupEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pcx/abi.h"

#include <cstddef>
#include <functional>

using namespace mlir;
using namespace pc;

static_assert(kThreads == PCX_GATHER_THREADS,
              "blocks have the threads that the runtime gives them");

namespace {
class GatherEmitter {
public:
  explicit GatherEmitter(gpu::GPUModuleOp module)
      : module(module), b(module.getContext()), loc(module.getLoc()),
        pointerType(
            LLVM::LLVMPointerType::get(module.getContext(), kGlobalSpace)) {}
  void run();

private:
  Value number(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value wide(Value value) {
    return arith::ExtUIOp::create(b, loc, b.getI64Type(), value);
  }
  /// Address of element `index` of an array.
  Value at(Type type, Value array, Value index) {
    return LLVM::GEPOp::create(b, loc, pointerType, type, array,
                               ArrayRef<LLVM::GEPArg>{index});
  }
  Value load(Type type, Value address, unsigned alignment) {
    return LLVM::LoadOp::create(b, loc, type, address, alignment);
  }
  Value loadField(Type type, size_t offset) {
    Value address = LLVM::GEPOp::create(
        b, loc, pointerType, b.getI8Type(), input,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return load(type, address, 8);
  }
  /// Calls `emitUnit` for those of `units` that are this thread's.
  void emitUnits(Value units, function_ref<void(Value unit)> emitUnit);
  void emitCopy(Type unit, unsigned bytes);
  void emitLookup(IntegerType type);
  void emitLookupOfFour(IntegerType type);
  void emitClass(IntegerType type, int64_t one);

  gpu::GPUModuleOp module;
  OpBuilder b;
  Location loc;
  Type pointerType;
  Value input;                   ///< its pcx_gather_t
  Value from, to, values, count; ///< what stands there
  Value thread, row, sample;     ///< of the row at hand
};
} // namespace

void GatherEmitter::emitUnits(Value units, function_ref<void(Value)> emitUnit) {
  auto loop = scf::ForOp::create(b, loc, thread, units, number(kThreads));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  emitUnit(loop.getInductionVar());
}

void GatherEmitter::emitCopy(Type unit, unsigned bytes) {
  auto rowOf = [&](Value array, Value index) {
    return at(unit, array, arith::MulIOp::create(b, loc, index, count));
  };
  Value source = rowOf(from, sample), target = rowOf(to, row);
  emitUnits(count, [&](Value index) {
    Value value = load(unit, at(unit, source, index), bytes);
    LLVM::StoreOp::create(b, loc, value, at(unit, target, index), bytes);
  });
}

void GatherEmitter::emitLookup(IntegerType type) {
  unsigned bytes = type.getWidth() / 8;
  Type byte = b.getI8Type();
  Value source = at(byte, from, arith::MulIOp::create(b, loc, sample, count));
  Value target = at(type, to, arith::MulIOp::create(b, loc, row, count));
  emitUnits(count, [&](Value index) {
    Value code = wide(load(byte, at(byte, source, index), 1));
    Value value = load(type, at(type, values, code), bytes);
    LLVM::StoreOp::create(b, loc, value, at(type, target, index), bytes);
  });
}

/// For rows of a multiple of four: a word of bytes, four values, one store.
void GatherEmitter::emitLookupOfFour(IntegerType type) {
  constexpr int64_t four = 4;
  auto words = VectorType::get(four, type);
  unsigned bytes = type.getWidth() / 8;
  Type word = b.getI32Type();
  Value units = arith::ShRUIOp::create(b, loc, count, number(2));
  Value source = at(word, from, arith::MulIOp::create(b, loc, sample, units));
  Value target = at(words, to, arith::MulIOp::create(b, loc, row, units));
  Value mask = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(255));
  emitUnits(units, [&](Value index) {
    Value codes = load(word, at(word, source, index), 4);
    Value result = LLVM::UndefOp::create(b, loc, words);
    for (int i = 0; i < four; ++i) {
      Value shift =
          arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(8 * i));
      Value code = wide(arith::AndIOp::create(
          b, loc, arith::ShRUIOp::create(b, loc, codes, shift), mask));
      Value value = load(type, at(type, values, code), bytes);
      Value place = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(i));
      result = LLVM::InsertElementOp::create(b, loc, result, value, place);
    }
    LLVM::StoreOp::create(b, loc, result, at(words, target, index), 16);
  });
}

/// `one` are the bits of 1 in an element.
void GatherEmitter::emitClass(IntegerType type, int64_t one) {
  unsigned bytes = type.getWidth() / 8;
  Value found = wide(load(b.getI32Type(), at(b.getI32Type(), from, sample), 4));
  Value target = at(type, to, arith::MulIOp::create(b, loc, row, count));
  auto bits = [&](int64_t value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, value));
  };
  Value set = bits(one), unset = bits(0);
  emitUnits(count, [&](Value index) {
    Value same =
        arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, index, found);
    Value value = arith::SelectOp::create(b, loc, same, set, unset);
    LLVM::StoreOp::create(b, loc, value, at(type, target, index), bytes);
  });
}

void GatherEmitter::run() {
  Type i32 = b.getI32Type(), i64 = b.getI64Type();
  LLVM::LLVMFuncOp kernel = createKernel(module, loc, PCX_GATHER_SYMBOL);
  // Up to 64 registers a thread. Left to itself the assembler makes do with 32
  // for some architectures, and spills.
  constexpr int32_t leastBlocks = 4;
  kernel->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                  b.getI32IntegerAttr(leastBlocks));
  Block *body = kernel.addEntryBlock(b);
  b.setInsertionPointToStart(body);
  Value inputs = body->getArgument(0), scalars = body->getArgument(1);
  Value samples = body->getArgument(2);
  thread = wide(NVVM::ThreadIdXOp::create(b, loc, i32));
  Value block = wide(NVVM::BlockIdXOp::create(b, loc, i32));
  Value blocks = wide(NVVM::GridDimXOp::create(b, loc, i32));
  Value which = wide(NVVM::BlockIdYOp::create(b, loc, i32));
  input =
      at(b.getI8Type(), inputs,
         arith::MulIOp::create(b, loc, which, number(sizeof(pcx_gather_t))));
  from = loadField(pointerType, offsetof(pcx_gather_t, from));
  to = loadField(pointerType, offsetof(pcx_gather_t, to));
  values = loadField(pointerType, offsetof(pcx_gather_t, values));
  count = loadField(i64, offsetof(pcx_gather_t, count));
  Value form = arith::IndexCastOp::create(
      b, loc, b.getIndexType(), loadField(i64, offsetof(pcx_gather_t, form)));
  Value order = load(pointerType, scalars, 8);
  Value position = load(i64, at(i64, scalars, number(1)), 8);
  Value none = LLVM::ZeroOp::create(b, loc, pointerType);
  Value ordered =
      LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::ne, order, none);

  auto loop = scf::ForOp::create(b, loc, block, samples, blocks);
  b.setInsertionPointToStart(loop.getBody());
  row = loop.getInductionVar();
  Value place = arith::AddIOp::create(b, loc, position, row);
  sample = scf::IfOp::create(
               b, loc, ordered,
               [&](OpBuilder &inner, Location) {
                 OpBuilder::InsertionGuard guard(b);
                 b.restoreInsertionPoint(inner.saveInsertionPoint());
                 Value named = wide(load(i32, at(i32, order, place), 4));
                 scf::YieldOp::create(b, loc, named);
               },
               [&](OpBuilder &inner, Location) {
                 scf::YieldOp::create(inner, loc, place);
               })
               .getResult(0);

  auto words = VectorType::get(4, i32);
  const struct {
    pcx_gather_form_t form;
    std::function<void()> emit;
  } forms[] = {
      {PCX_GATHER_COPY_1, [&] { emitCopy(b.getI8Type(), 1); }},
      {PCX_GATHER_COPY_4, [&] { emitCopy(i32, 4); }},
      {PCX_GATHER_COPY_16, [&] { emitCopy(words, 16); }},
      {PCX_GATHER_LOOKUP_4,
       [&] {
         Value left = arith::AndIOp::create(b, loc, count, number(3));
         Value whole = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                             left, number(0));
         auto choice =
             scf::IfOp::create(b, loc, whole, /*withElseRegion=*/true);
         OpBuilder::InsertionGuard guard(b);
         b.setInsertionPointToStart(&choice.getThenRegion().front());
         emitLookupOfFour(b.getI32Type());
         b.setInsertionPointToStart(&choice.getElseRegion().front());
         emitLookup(b.getI32Type());
       }},
      {PCX_GATHER_LOOKUP_8, [&] { emitLookup(b.getI64Type()); }},
      {PCX_GATHER_CLASS_4,
       [&] { emitClass(b.getI32Type(), llvm::bit_cast<int32_t>(1.0f)); }},
      {PCX_GATHER_CLASS_8,
       [&] { emitClass(b.getI64Type(), llvm::bit_cast<int64_t>(1.0)); }},
  };
  SmallVector<int64_t> cases;
  for (const auto &known : forms)
    cases.push_back(known.form);
  auto chosen = scf::IndexSwitchOp::create(b, loc, TypeRange(), form, cases,
                                           static_cast<unsigned>(cases.size()));
  auto emitInto = [&](Region &region, function_ref<void()> emit) {
    OpBuilder::InsertionGuard guard(b);
    b.createBlock(&region);
    emit();
    scf::YieldOp::create(b, loc);
  };
  for (auto [region, known] : llvm::zip_equal(chosen.getCaseRegions(), forms))
    emitInto(region, known.emit);
  emitInto(chosen.getDefaultRegion(), [] {});
  b.setInsertionPointToEnd(body);
  LLVM::ReturnOp::create(b, loc, ValueRange());
}

void pc::emitGather(gpu::GPUModuleOp module) { GatherEmitter(module).run(); }
