//===- Structured.cpp - Kinds of structured operations ----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/Structured.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "pc/Dialect/PC/IR/PC.h"

using namespace mlir;
using namespace pc;

static bool isReduction(utils::IteratorType iterator) {
  return iterator == utils::IteratorType::reduction;
}

/// Whether A_mk and B_kn are read at (m, n, k): a sum of two arrays' rows has
/// as many loops and operands as a product of matrices.
static bool isProduct(AffineMap a, AffineMap b) {
  auto reads = [](AffineMap map, unsigned dim) {
    return map.isFunctionOfDim(dim);
  };
  return reads(a, 0) && !reads(a, 1) && reads(a, 2) && !reads(b, 0) &&
         reads(b, 1) && reads(b, 2);
}

StructuredKind pc::getStructuredKind(linalg::GenericOp op) {
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  if (op.getNumReductionLoops() == 0) {
    bool whole = llvm::all_of(op.getDpsInitsMutable(), [&](OpOperand &init) {
      return op.getMatchingIndexingMap(&init).isIdentity();
    });
    return whole ? StructuredKind::Elementwise : StructuredKind::Update;
  }
  if (iterators.size() == 3 && op.getNumReductionLoops() == 1 &&
      isReduction(iterators[2]) && op.getNumDpsInputs() == 2 &&
      isProduct(op.getMatchingIndexingMap(op.getDpsInputOperand(0)),
                op.getMatchingIndexingMap(op.getDpsInputOperand(1))))
    return StructuredKind::Contraction;
  if (isReduction(iterators.front()) && op.getNumReductionLoops() == 1 &&
      iterators.size() != 1)
    return StructuredKind::BatchReduction;
  // One loop alone: a sum over samples if its length is not known.
  if (iterators.size() == 1 &&
      ShapedType::isDynamic(op.getStaticLoopRanges().front()))
    return StructuredKind::BatchReduction;
  return StructuredKind::RowReduction;
}

int64_t pc::getNarrowParts(linalg::GenericOp op) {
  if (getStructuredKind(op) != StructuredKind::Contraction)
    return 0;
  // One for each part of A, and one for B.
  auto wide = op.getBody()->getOps<arith::ExtFOp>();
  int64_t count = std::distance(wide.begin(), wide.end());
  return std::max<int64_t>(count - 1, 0);
}

bool pc::isNarrowing(linalg::GenericOp op) {
  return isa_and_nonnull<PairsAttr>(
      cast<RankedTensorType>(op.getResult(0).getType()).getEncoding());
}

bool pc::readsSameElement(linalg::GenericOp op, OpOperand &operand) {
  return op.getMatchingIndexingMap(&operand).isIdentity();
}

SmallVector<int64_t> pc::getSpace(linalg::GenericOp op) {
  switch (getStructuredKind(op)) {
  case StructuredKind::Elementwise:
  case StructuredKind::RowReduction:
    return op.getStaticLoopRanges();
  case StructuredKind::Contraction:
  case StructuredKind::BatchReduction:
  case StructuredKind::Update:
    return SmallVector<int64_t>(
        cast<RankedTensorType>(op.getResult(0).getType()).getShape());
  }
  llvm_unreachable("unknown structured operation");
}

linalg::GenericOp pc::buildCopy(OpBuilder &builder, Location loc,
                                RankedTensorType type, Value source) {
  Value empty = tensor::EmptyOp::create(
      builder, loc, type.getShape(), type.getElementType(), type.getEncoding());
  AffineMap map =
      AffineMap::getMultiDimIdentityMap(type.getRank(), builder.getContext());
  return linalg::GenericOp::create(
      builder, loc, type, source, empty, ArrayRef<AffineMap>{map, map},
      SmallVector<utils::IteratorType>(type.getRank(),
                                       utils::IteratorType::parallel),
      [&](OpBuilder &inner, Location, ValueRange elements) {
        linalg::YieldOp::create(inner, loc, elements.front());
      });
}
