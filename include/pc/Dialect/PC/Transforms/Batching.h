//===- Batching.h - A model's values for a whole batch ----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_BATCHING_H
#define PC_DIALECT_PC_TRANSFORMS_BATCHING_H

#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// `tensor<?x..>` of a per-sample type.
mlir::RankedTensorType getBatchedType(mlir::RankedTensorType perSample);

/// Emits batched copies of pure per-sample operations. A value that samples do
/// not share gets a leading dynamic dimension; one that depends on parameters
/// alone stays as it is until it meets a batched one. This is the only place
/// where the batch enters the compiler.
class BatchedEvaluator {
public:
  explicit BatchedEvaluator(mlir::OpBuilder &builder) : builder(builder) {}

  /// Sets the value of a leaf.
  void map(mlir::Value modelValue, mlir::Value value) {
    values[modelValue] = value;
  }
  mlir::Value lookup(mlir::Value modelValue) const {
    return values.lookup(modelValue);
  }

  /// Emits what `modelValue` needs, once, in the order of the model. Leaves
  /// must have been mapped. Returns null after a diagnostic.
  mlir::Value evaluate(mlir::Value modelValue);

  /// Emits the batched form of one operation whose operands are mapped.
  mlir::LogicalResult clone(mlir::Operation *op);

  /// The value with a leading dimension: broadcast if it is shared.
  mlir::Value getBatched(mlir::Value value, mlir::RankedTensorType perSample);

private:
  mlir::OpBuilder &builder;
  llvm::DenseMap<mlir::Value, mlir::Value> values;
};

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_BATCHING_H
