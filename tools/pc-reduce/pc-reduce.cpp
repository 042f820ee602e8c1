//===- pc-reduce.cpp - Shrinks a file that shows a bug --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/MLIRContext.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Codegen/GPU/Passes.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Pipelines/Passes.h"
#include "pc/Pipelines/Pipelines.h"

int main(int argc, char **argv) {
  mlir::registerAllPasses();
  pc::registerPCPasses();
  pc::registerPCCPUPasses();
  pc::registerPCGPUPasses();
  pc::registerPCPipelinePasses();
  pc::registerPipelines();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<pc::PCDialect>();
  pc::registerScalarDifferentiableModels(registry);
  mlir::MLIRContext context(registry);
  return failed(mlir::mlirReduceMain(argc, argv, context));
}
