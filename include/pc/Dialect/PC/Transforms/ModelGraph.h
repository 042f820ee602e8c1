//===- ModelGraph.h - States, parameters and terms of a model -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_MODELGRAPH_H
#define PC_DIALECT_PC_TRANSFORMS_MODELGRAPH_H

#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace pc {

/// A node of a model: a state or an input.
struct ModelNode {
  llvm::StringRef name;
  /// The pc.state or pc.input.
  mlir::Operation *op;
  /// Per-sample type.
  mlir::RankedTensorType type;
  bool isInput;
  /// The prediction in the model's body; null if the node has none.
  mlir::Value prediction;
  /// The terms of the free energy that carry the node's name.
  llvm::SmallVector<TermOp, 1> terms;
};

/// A parameter of a model.
struct ModelParam {
  llvm::StringRef name;
  mlir::RankedTensorType type;
  InitAttr init;
  mlir::Location loc;
  /// Stream of the initialiser: the position among the file's parameters.
  int64_t stream;
  /// The first vode whose prediction or energy depends on it; may be empty.
  llvm::StringRef vode = {};
};

/// A view of a model in its explicit form (after pc-expand-layers): what the
/// lowering of programs and the checks ask of it.
class ModelGraph {
public:
  explicit ModelGraph(ModelOp model);

  ModelOp getModel() const { return model; }
  llvm::ArrayRef<ModelNode> getNodes() const { return nodes; }
  llvm::ArrayRef<ModelParam> getParams() const { return params; }

  /// Index of the named node or parameter; nullopt if there is none.
  std::optional<unsigned> findNode(llvm::StringRef name) const;
  std::optional<unsigned> findParam(llvm::StringRef name) const;
  /// Index of the node or parameter that `value` is; nullopt if neither.
  std::optional<unsigned> getNodeOf(mlir::Value value) const;
  std::optional<unsigned> getParamOf(mlir::Value value) const;

  /// The value that the named pc.probe shows; null if there is none.
  mlir::Value findProbe(llvm::StringRef name) const {
    return probes.lookup(name);
  }
  /// "; did you mean '...'?" for a name that is no probe, or nothing.
  std::string suggestProbe(llvm::StringRef name) const;

  /// Nodes and parameters that `value` depends on, in the order of the model,
  /// without looking through states.
  void getDependences(mlir::Value value, llvm::SetVector<unsigned> &nodes,
                      llvm::SetVector<unsigned> &params) const;

  /// "; did you mean '...'?" for a name that is no node, or nothing.
  std::string suggestNode(llvm::StringRef name) const;

  /// Notes in the locations of the model's operations whose prediction or
  /// energy they compute (OriginAttr); of several vodes, the first.
  void nameOrigins() const;

private:
  ModelOp model;
  llvm::SmallVector<ModelNode> nodes;
  llvm::SmallVector<ModelParam> params;
  llvm::StringMap<unsigned> nodeIndex, paramIndex;
  llvm::StringMap<mlir::Value> probes;
  llvm::DenseMap<mlir::Value, unsigned> nodeValues, paramValues;
  llvm::MapVector<mlir::Operation *, llvm::StringRef> vodeOf;
};

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_MODELGRAPH_H
