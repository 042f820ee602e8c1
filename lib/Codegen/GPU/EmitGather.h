//===- EmitGather.h - Batches of a data set on the device -------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_GPU_EMITGATHER_H
#define PC_LIB_CODEGEN_GPU_EMITGATHER_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace pc {

/// Emits the kernel PCX_GATHER_SYMBOL, see pcx/abi.h, at the end of `module`.
void emitGather(mlir::gpu::GPUModuleOp module);

} // namespace pc

#endif // PC_LIB_CODEGEN_GPU_EMITGATHER_H
