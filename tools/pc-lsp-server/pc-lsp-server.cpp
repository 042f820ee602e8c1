//===- pc-lsp-server.cpp - Language server for .pcir files ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/InitAllDialects.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "pc/Dialect/PC/IR/PC.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  registry.insert<pc::PCDialect>();
  pc::registerScalarDifferentiableModels(registry);
  return failed(mlir::MlirLspServerMain(argc, argv, registry));
}
