//===- Acts.cpp - A dialect out of tree -----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The activation softsign. Two interfaces are all that the compiler needs: what
// an element is, and the vector-Jacobian product.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/Config/llvm-config.h"

#include "ActsDialect.h.inc"
#define GET_OP_CLASSES
#include "Acts.h.inc"

using namespace mlir;

#include "ActsDialect.cpp.inc"
#define GET_OP_CLASSES
#include "Acts.cpp.inc"

void acts::ActsDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "Acts.cpp.inc"
      >();
}

/// 1 + |x|.
static Value buildDenominator(OpBuilder &builder, Location loc, Value x) {
  Value one = pc::buildFloat(builder, loc, x.getType(), 1.0);
  Value size = math::AbsFOp::create(builder, loc, x);
  return arith::AddFOp::create(builder, loc, one, size);
}

void acts::SoftsignOp::buildElement(OpBuilder &builder, Location loc,
                                    ValueRange operands,
                                    SmallVectorImpl<Value> &results) {
  Value denominator = buildDenominator(builder, loc, operands[0]);
  results.push_back(
      arith::DivFOp::create(builder, loc, operands[0], denominator));
}

LogicalResult
acts::SoftsignOp::buildVJP(OpBuilder &builder, ValueRange cotangents,
                           const llvm::SmallBitVector &active,
                           SmallVectorImpl<Value> &operandCotangents) {
  Value slope = SoftsignGradOp::create(builder, getLoc(), getInput());
  operandCotangents.push_back(pc::MulOp::create(
      builder, getLoc(), getInput().getType(), cotangents[0], slope));
  return success();
}

void acts::SoftsignGradOp::buildElement(OpBuilder &builder, Location loc,
                                        ValueRange operands,
                                        SmallVectorImpl<Value> &results) {
  Value denominator = buildDenominator(builder, loc, operands[0]);
  Value one = pc::buildFloat(builder, loc, operands[0].getType(), 1.0);
  Value square = arith::MulFOp::create(builder, loc, denominator, denominator);
  results.push_back(arith::DivFOp::create(builder, loc, one, square));
}

extern "C" LLVM_ATTRIBUTE_WEAK DialectPluginLibraryInfo
mlirGetDialectPluginInfo() {
  return {
      MLIR_PLUGIN_API_VERSION, "Acts", LLVM_VERSION_STRING,
      [](DialectRegistry *registry) { registry->insert<acts::ActsDialect>(); }};
}
