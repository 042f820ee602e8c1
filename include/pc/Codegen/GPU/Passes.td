//===- Passes.td - Passes of the GPU code generator --------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Keep the passes in alphabetical order of their flags.
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_GPU_PASSES_TD
#define PC_CODEGEN_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitGPUPass : Pass<"pc-emit-gpu", "::mlir::ModuleOp"> {
  let summary = "Turn planned programs into kernels and what launches them";
  let description = [{
    Every planned program becomes a function `<program>$cuda` of `const
    pcx_device_args_t *` for the host, which computes all scalars and names the
    launches, and kernels in a `gpu.module`: `llvm.func`s that work on raw
    pointers, thread by thread.

    * `persistent`: one kernel for the whole program. A thread block keeps a
      block of samples through a stage over samples; all blocks meet where a
      stage ends.
    * `graph`: one kernel for every group, launched one after another.

    What the artifact's table needs stands in attributes: see
    pc/Codegen/EntryInfo.h.
  }];
  let options = [
    Option<"strategy", "strategy", "std::string", /*default=*/"\"persistent\"",
           "persistent or graph">,
    Option<"sharedBytes", "shared-bytes", "int64_t", /*default=*/"166912",
           "shared memory that a thread block can have">,
    Option<"tf32", "tf32", "bool", /*default=*/"false",
           "round the operands of float32 products to TF32">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::gpu::GPUDialect",
                           "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::NVVM::NVVMDialect",
                           "::mlir::scf::SCFDialect"];
}

#endif // PC_CODEGEN_GPU_PASSES_TD
