//===- Passes.td - Passes of the CPU code generator --------*- tablegen -*-===//
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

#ifndef PC_CODEGEN_CPU_PASSES_TD
#define PC_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def EmitCPUPass : Pass<"pc-emit-cpu", "::mlir::ModuleOp"> {
  let summary = "Turn planned programs into vector code for CPUs";
  let description = [{
    Every planned program becomes, for every CPU in `cpus`, an entry function
    `<program>$<cpu>` of `const pcx_run_args_t *`, a function for every stage and
    one for every distinct kernel, all `llvm.func`s whose bodies are loops over
    vectors on raw pointers. Register tiles follow from the CPU. What the
    artifact's table needs stands in attributes: see
    pc/Codegen/EntryInfo.h.
  }];
  let options = [
    ListOption<"cpus", "cpus", "std::string",
               "CPUs to generate code for: native, x86-64-v3, x86-64-v4 or a "
               "name that LLVM knows">,
    Option<"profile", "profile", "bool", /*default=*/"false",
           "Call the runtime's pcx_host_t::mark around kernels and stages">,
    Option<"tiles", "tiles", "bool", /*default=*/"true",
           "Use AMX where a CPU has it">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def ExpandMathPass : Pass<"pc-expand-math"> {
  let summary = "Expand transcendental math ops into arithmetic";
  let description = [{
    Rewrites `math` ops on f32 and f64, scalars and vectors of fixed size, into
    `arith` ops, `math.fma` and the few `math` ops that are one instruction, so
    that no call to a mathematical library is left and vectors stay vectors.

    ```mlir
    %y = math.tanh %x : vector<16xf32>
    // becomes about twenty element-wise ops on vector<16xf32>
    ```

    Accuracy is stated, function by function, in `docs/spec.md`; signed zeros,
    infinities and NaN give what C's Annex F gives. A result of `exp`, `exp2`
    or `powf` below 2^-125.5 (f64: 2^-1021.5), and so every subnormal one, is
    flushed to zero. `sin` and `cos` give NaN where their reduction ends: beyond
    2^30 in f32 and 2^20 in f64.

    Fast-math flags on an op change nothing. A `math` op that neither expands
    nor has an instruction is an error.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

#endif // PC_CODEGEN_CPU_PASSES_TD
