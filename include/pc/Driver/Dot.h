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
#include "pc/Driver/Work.h"

#include <string>
#include <vector>

namespace pc {

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
