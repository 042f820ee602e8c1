//===- ThreadCode.cpp - Pieces of code for threads of a GPU ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ThreadCode.h"
#include "../Programs.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace pc;

LLVM::LLVMFuncOp pc::createKernel(gpu::GPUModuleOp module, Location loc,
                                  StringRef name, bool takesValues) {
  OpBuilder end = OpBuilder::atBlockEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(module.getContext(), kGlobalSpace);
  Type table =
      takesValues ? LLVM::LLVMPointerType::get(module.getContext()) : pointer;
  auto kernel = LLVM::LLVMFuncOp::create(
      end, loc, name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()),
                                  {table, pointer, end.getI64Type()}),
      LLVM::Linkage::External);
  kernel->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                  end.getUnitAttr());
  kernel->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                  end.getDenseI32ArrayAttr({kThreads, 1, 1}));
  return kernel;
}

Value pc::pinned(OpBuilder &b, Location loc, Value value) {
  Type type = value.getType();
  unsigned width =
      isa<LLVM::LLVMPointerType>(type) ? 64 : type.getIntOrFloatBitWidth();
  assert((width == 32 || width == 64) && "no such registers");
  bool wide = width == 64;
  StringRef constraints = isa<FloatType>(type) ? (wide ? "=d,0" : "=f,0")
                                               : (wide ? "=l,0" : "=r,0");
  return LLVM::InlineAsmOp::create(
             b, loc, type, value, /*asm_string=*/"", constraints,
             /*has_side_effects=*/true, /*is_align_stack=*/false,
             LLVM::TailCallKind::None, /*asm_dialect=*/nullptr,
             /*operand_attrs=*/nullptr)
      .getResult(0);
}

LinearAccess pc::getLinearAccess(RankedTensorType type, AffineMap map,
                                 unsigned rank, int64_t pitch) {
  LinearAccess access{type.getElementType(), SmallVector<int64_t>(rank, 0)};
  assert(!type.getEncoding() && "arrays of devices are dense");
  int64_t stride = 1;
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    if (dim == 0 && pitch)
      stride = pitch;
    addLinear(map.getResult(dim), stride, access.strides, access.offset);
    // Only the first dimension, of samples, can be dynamic.
    if (!type.isDynamicDim(dim))
      stride *= type.getDimSize(dim);
  }
  return access;
}

Value ThreadCode::number(int64_t value) {
  return arith::ConstantOp::create(
      b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
}

// Indices stay below 2^31, which is how neighbouring accesses can be seen to be
// neighbours.

Value ThreadCode::add(Value lhs, Value rhs) {
  return arith::AddIOp::create(b, loc, lhs, rhs,
                               arith::IntegerOverflowFlags::nsw);
}

Value ThreadCode::scaled(Value value, int64_t factor) {
  if (factor == 1)
    return value;
  return arith::MulIOp::create(b, loc, value, number(factor),
                               arith::IntegerOverflowFlags::nsw);
}

Value ThreadCode::divided(Value value, int64_t by) {
  if (by == 1)
    return value;
  return arith::DivUIOp::create(b, loc, value, number(by));
}

Value ThreadCode::rest(Value value, int64_t by) {
  if (by == 1)
    return number(0);
  return arith::RemUIOp::create(b, loc, value, number(by));
}

Value ThreadCode::isLess(Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lhs, rhs);
}

Value ThreadCode::isEqual(Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, lhs, rhs);
}

Value ThreadCode::both(Value lhs, Value rhs) {
  if (!lhs || !rhs)
    return lhs ? lhs : rhs;
  return arith::AndIOp::create(b, loc, lhs, rhs);
}

Value ThreadCode::elementAt(Value pointer, Type type, Value index) {
  return LLVM::GEPOp::create(b, loc, pointer.getType(), type, pointer,
                             ArrayRef<LLVM::GEPArg>{index});
}

Value ThreadCode::getAddress(const Access &access, ArrayRef<Value> indices) {
  Value index;
  for (auto [value, stride] : llvm::zip_equal(indices, access.strides)) {
    if (stride == 0)
      continue;
    Value term = scaled(value, stride);
    index = index ? add(index, term) : term;
  }
  if (access.offset)
    index = index ? add(index, number(access.offset)) : number(access.offset);
  return index ? elementAt(access.pointer, access.element, index)
               : access.pointer;
}

Value ThreadCode::load(Type type, Value pointer) {
  return LLVM::LoadOp::create(b, loc, type, pointer,
                              type.getIntOrFloatBitWidth() / 8);
}

void ThreadCode::store(Value value, Value pointer) {
  LLVM::StoreOp::create(b, loc, value, pointer,
                        value.getType().getIntOrFloatBitWidth() / 8);
}

SmallVector<Value> ThreadCode::loadMany(Type element, int64_t count,
                                        Value pointer) {
  if (count == 1)
    return {load(element, pointer)};
  auto type = VectorType::get({count}, element);
  Value vector = LLVM::LoadOp::create(
      b, loc, type, pointer, count * element.getIntOrFloatBitWidth() / 8);
  SmallVector<Value> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(LLVM::ExtractElementOp::create(b, loc, vector, number(i)));
  return values;
}

void ThreadCode::storeMany(ValueRange values, Value pointer) {
  Type element = values.front().getType();
  auto count = static_cast<int64_t>(values.size());
  Value vector = LLVM::UndefOp::create(b, loc, VectorType::get(count, element));
  for (auto [i, value] : llvm::enumerate(values))
    vector = LLVM::InsertElementOp::create(b, loc, vector, value, number(i));
  LLVM::StoreOp::create(b, loc, vector, pointer,
                        count * element.getIntOrFloatBitWidth() / 8);
}

void ThreadCode::copyAsync(Value to, Value from, int64_t bytes, Value exists,
                           Value any) {
  Value given;
  if (exists) {
    given = arith::SelectOp::create(b, loc, exists, number(bytes), number(0));
    from = arith::SelectOp::create(b, loc, exists, from, any);
  }
  // Only copies of 16 bytes can pass by the first cache.
  auto cache = NVVM::LoadCacheModifierKindAttr::get(
      b.getContext(), bytes == kVectorBytes ? NVVM::LoadCacheModifierKind::CG
                                            : NVVM::LoadCacheModifierKind::CA);
  NVVM::CpAsyncOp::create(b, loc, to, from,
                          b.getI32IntegerAttr(static_cast<int32_t>(bytes)),
                          cache, given);
}

void ThreadCode::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(b, loc); }

void ThreadCode::awaitCopies(int64_t groups) {
  NVVM::CpAsyncWaitGroupOp::create(b, loc, static_cast<uint32_t>(groups));
}

SmallVector<Value>
ThreadCode::loop(Value from, Value to, Value step, ValueRange carried,
                 function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  return buildLoop(b, loc, from, to, step, carried, body).getResults();
}

void ThreadCode::doIf(Value condition, function_ref<void()> body) {
  if (!condition)
    return body();
  auto branch = scf::IfOp::create(b, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(branch.thenBlock()->getTerminator());
  body();
}

SmallVector<Value>
ThreadCode::changeIf(Value condition, ValueRange values,
                     function_ref<SmallVector<Value>(ValueRange)> body) {
  if (!condition)
    return body(values);
  auto branch = scf::IfOp::create(b, loc, values.getTypes(), condition,
                                  /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  SmallVector<Value> changed = body(values);
  scf::YieldOp::create(b, loc, changed);
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, loc, values);
  return branch.getResults();
}

void ThreadCode::barrier() { NVVM::BarrierOp::create(b, loc); }
