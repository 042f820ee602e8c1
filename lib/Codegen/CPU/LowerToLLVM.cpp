//===- LowerToLLVM.cpp - From vector code to the LLVM dialect -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "pc/Codegen/CPU/Passes.h"

using namespace mlir;

void pc::buildLowerToLLVMPipeline(OpPassManager &manager) {
  // Passes that look at one function run on functions, in parallel; that to the
  // control flow of LLVM exists for modules only.
  auto addToFunctions = [&](function_ref<void(OpPassManager &)> add) {
    add(manager.nest<LLVM::LLVMFuncOp>());
    add(manager.nest<mlir::gpu::GPUModuleOp>().nest<LLVM::LLVMFuncOp>());
  };
  addToFunctions([](OpPassManager &functions) {
    functions.addPass(createExpandMathPass());
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createCSEPass());
    functions.addPass(createSCFToControlFlowPass());
    functions.addPass(createConvertVectorToLLVMPass());
    functions.addPass(createConvertMathToLLVMPass());
    functions.addPass(createArithToLLVMConversionPass());
    functions.addPass(createConvertIndexToLLVMPass());
  });
  manager.addPass(createConvertControlFlowToLLVMPass());
  addToFunctions([](OpPassManager &functions) {
    functions.addPass(createUBToLLVMConversionPass());
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createCSEPass());
    functions.addPass(createReconcileUnrealizedCastsPass());
  });
}
