//===- Serialize.h - Kernels as PTX and as bitcode --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_SERIALIZE_H
#define PC_CODEGEN_GPU_SERIALIZE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "pc/Codegen/GPU/Target.h"

namespace pc {

/// One form of kernels: PTX, or bitcode that the back end makes PTX from, for
/// the simulated device.
struct KernelImage {
  mlir::gpu::GPUModuleOp kernels;
  GPUTarget target;
  bool bitcode = false;
  std::string text;
};

/// Translates the kernels of each image, in the LLVM and NVVM dialects, to LLVM
/// IR, optimises them for its target and writes them to its text; all images on
/// as many threads as `context` has.
mlir::LogicalResult serializeKernels(mlir::MLIRContext &context,
                                     unsigned optLevel,
                                     llvm::MutableArrayRef<KernelImage> images);

/// Path of NVIDIA's assembler, looked for in CUDA_HOME, CUDA_PATH, PATH and
/// /usr/local/cuda, in this order; empty if it is in none of them.
std::string findAssembler();

/// Has `assembler` make machine code of `ptx` for `target`, with the lines of
/// the source that `ptx` names or without.
mlir::LogicalResult
assemble(llvm::StringRef assembler, llvm::StringRef ptx,
         const GPUTarget &target, unsigned optLevel, bool lineInfo,
         std::string &code,
         llvm::function_ref<mlir::InFlightDiagnostic(const llvm::Twine &)>
             emitError);

} // namespace pc

#endif // PC_CODEGEN_GPU_SERIALIZE_H
