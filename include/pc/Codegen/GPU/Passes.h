//===- Passes.h - Passes of the GPU code generator --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_PASSES_H
#define PC_CODEGEN_GPU_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace pc {

#define GEN_PASS_DECL
#include "pc/Codegen/GPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "pc/Codegen/GPU/Passes.h.inc"

} // namespace pc

#endif // PC_CODEGEN_GPU_PASSES_H
