//===- ParserFuzzer.cpp - Fuzzes the parser and the verifiers -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whatever the bytes are, parsing and verifying a .pcir file ends in a module
// or in diagnostics. A module that verifies is printed, parsed again, and
// lowered to the functional form, where the checks of programs are.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Pipelines/Pipelines.h"
#include <cstdint>
#include <cstdlib>

using namespace mlir;

static MLIRContext &getContext() {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registry
        .insert<pc::PCDialect, arith::ArithDialect, func::FuncDialect,
                math::MathDialect, scf::SCFDialect, tensor::TensorDialect>();
    pc::registerScalarDifferentiableModels(registry);
    auto *context = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    context->loadAllAvailableDialects();
    return context;
  }();
  return *context;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLIRContext &context = getContext();
  // Diagnostics are results here, not output.
  ScopedDiagnosticHandler quiet(&context,
                                [](Diagnostic &) { return success(); });
  StringRef source(reinterpret_cast<const char *>(data), size);
  // A resource is legal MLIR, but decoding one only measures the machine.
  if (source.contains("dense_resource"))
    return 0;
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(source, &context);
  if (!module)
    return 0;
  std::string printed;
  llvm::raw_string_ostream os(printed);
  module->print(os);
  // What verifies prints to something that verifies.
  OwningOpRef<ModuleOp> again = parseSourceString<ModuleOp>(printed, &context);
  if (!again)
    std::abort();
  PassManager pm(&context);
  pc::PipelineOptions options;
  pc::buildPhase(pm, pc::Phase::Model, options);
  pc::buildPhase(pm, pc::Phase::Functional, options);
  (void)pm.run(*again);
  return 0;
}
