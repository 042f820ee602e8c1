//===- Passes.td - Conversions between dialects --------*- tablegen -*-===//
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

#ifndef PC_CONVERSION_PASSES_TD
#define PC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertPCToLinalgPass
    : Pass<"convert-pc-to-linalg", "::mlir::func::FuncOp"> {
  let summary = "Lower the operations inside of stages to linalg";
  let description = [{
    Inside of every `pc.stage` the pure tensor operations of the pc dialect
    become structured operations. Broadcasts and constants turn into indexing
    maps and numbers of the bodies that read them. Element-wise bodies come from
    the ElementwiseOpInterface and carry no fast-math flags.

    ```mlir
    %a = pc.dense %x, %wt transposed : ...
    // becomes
    %0 = tensor.empty() : tensor<32x128xf32>
    %1 = linalg.fill ins(%zero : f32) outs(%0 : tensor<32x128xf32>) -> ...
    %a = linalg.generic {indexing_maps = [(m, n, k) -> (m, k),
           (m, n, k) -> (k, n), (m, n, k) -> (m, n)], ...} ...
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // PC_CONVERSION_PASSES_TD
