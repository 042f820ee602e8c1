//===- pc-opt.cpp - Runs passes and phases on pc and MLIR files -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Codegen/GPU/Passes.h"
#include "pc/Conversion/Passes.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Pipelines/Passes.h"
#include "pc/Pipelines/Pipelines.h"
#ifdef PC_INCLUDE_TESTS
#include "TestPasses.h"
#endif

int main(int argc, char **argv) {
  mlir::registerAllPasses();
#ifdef PC_INCLUDE_TESTS
  pc::test::registerTestPasses();
#endif
  pc::registerPCCPUPasses();
  pc::registerPCGPUPasses();
  pc::registerPCConversionPasses();
  pc::registerPCPasses();
  pc::registerPCPipelinePasses();
  pc::registerPipelines();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  registry.insert<pc::PCDialect>();
  pc::registerScalarDifferentiableModels(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "predictive coding modular optimizer driver\n", registry));
}
