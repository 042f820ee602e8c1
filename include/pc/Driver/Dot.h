//===- Dot.h - Pictures of models and of what was removed -------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DRIVER_DOT_H
#define PC_DRIVER_DOT_H

#include "mlir/IR/BuiltinOps.h"
#include "pc/Dialect/PC/IR/PC.h"

#include <string>
#include <vector>

namespace pc {

/// Work of one program in one phase.
struct ProgramWork {
  std::string program;
  /// Products with a weight (pc.dense) and outer products over the batch
  /// (pc.batch_outer), as often as their loops run.
  int64_t products = 0, outerProducts = 0;
  /// Multiply-adds of both for one sample.
  int64_t multiplyAdds = 0;
  /// A loop with a bound that is known at run time only counts as one
  /// repetition.
  bool atLeast = false;
};

/// Counts the work of every program of a module in the functional or the
/// simplified phase.
std::vector<ProgramWork> countWork(mlir::ModuleOp module);

/// Collects, phase by phase, what --emit=dot draws.
class DotWriter {
public:
  /// Takes the models of a module after the model phase.
  void addModels(mlir::ModuleOp module);
  /// Takes the work of its programs after `phase`.
  void addPhase(llvm::StringRef phase, mlir::ModuleOp module);
  /// Writes one digraph: a cluster for each model, a table for each program
  /// with the work of every phase and the share that the first one had more.
  void write(llvm::raw_ostream &os) const;

private:
  std::string models;
  unsigned clusters = 0;
  std::vector<std::pair<std::string, std::vector<ProgramWork>>> phases;
};

} // namespace pc

#endif // PC_DRIVER_DOT_H
