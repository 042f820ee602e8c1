//===- CompiledProgram.h - Runs programs that the tests compile -*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles a module in memory through all phases and calls its programs as the
// runtime would, with a host that runs the tasks of a stage one after another
// in a shuffled order, on changing workers.
//
//===----------------------------------------------------------------------===//

#ifndef PC_TEST_CODEGEN_CPU_COMPILEDPROGRAM_H
#define PC_TEST_CODEGEN_CPU_COMPILEDPROGRAM_H

#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/IR/OwningOpRef.h"
#include "pc/Codegen/EntryInfo.h"
#include "pc/Pipelines/Pipelines.h"
#include "pc/Reference/Interpreter.h"
#include "pcx/abi.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pc::test {

using reference::Interpreter;
using reference::Tensor;
using Arrays = Interpreter::Arrays;

/// How to compile: options of the pipelines, in their textual form.
struct CompileOptions {
  std::string cpu = "x86-64-v3";
  std::string floatType = "f32";
  std::string precision = "f32";
  int64_t batch = 64;
  int64_t sampleBlock = 0;
  bool trace = false;
  std::string algorithm = {};
  /// name=value of the model's constants.
  std::vector<std::string> define = {};
  /// LLVM's, 0 to 3.
  unsigned optLevel = 2;
};

/// Registers dialects and translations once.
mlir::DialectRegistry &getRegistry();

/// True if this machine can run code for `cpu`.
bool canRun(llvm::StringRef cpu);

/// A compiled module with its persistent arrays.
class CompiledModule {
public:
  /// Compiles `source`, a .pcir text or a functional module. Null with a
  /// message on failure.
  static std::unique_ptr<CompiledModule> create(llvm::StringRef source,
                                                const CompileOptions &options,
                                                std::string &message);

  const ModuleInfo &getInfo() const { return info; }

  /// The functional form of the same source, to interpret; its products round
  /// their operands where those of the code do.
  mlir::ModuleOp getFunctional() { return *functional; }

  /// Persistent arrays by name; start at zero.
  Arrays &getStorage() { return storage; }
  std::map<std::string, double> &getHypers() { return hypers; }

  /// Seed, position and counts of the next call.
  reference::Counters counters;
  /// Workers of the host, and the seed of its order of tasks.
  uint32_t workers = 1;
  uint32_t order = 0;

  /// Runs a program; `status` gets what it returns.
  Arrays run(llvm::StringRef program, int64_t n, const Arrays &inputs,
             int32_t *status = nullptr);

private:
  CompiledModule() = default;

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> functional, lowered;
  std::unique_ptr<mlir::ExecutionEngine> engine;
  ModuleInfo info;
  Arrays storage;
  std::map<std::string, double> hypers;
};

} // namespace pc::test

#endif // PC_TEST_CODEGEN_CPU_COMPILEDPROGRAM_H
