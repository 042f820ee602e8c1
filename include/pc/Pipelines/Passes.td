//===- Passes.td - Contracts between the phases ------------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_PIPELINES_PASSES_TD
#define PC_PIPELINES_PASSES_TD

include "mlir/Pass/PassBase.td"

def VerifyPhasePass : Pass<"pc-verify-phase", "::mlir::ModuleOp"> {
  let summary = "Check the contract at the end of a phase";
  let description = [{
    Fails with a diagnostic at each operation that a phase should have replaced:

    - `model`: no blocks, layers or vodes are left, all shapes are static;
    - `functional`, `simplified`: one function a program, with a `pc.port` on
      every argument and result; pure pc operations, numbers, `scf` loops;
    - `scheduled`: tensors are computed inside stages only;
    - `cpu`: no tensor and no pc operation is left;
    - `llvm`: only the LLVM dialect is left.
  }];
  let options = [Option<"phase", "phase", "std::string", "\"\"",
                        "name of the phase that ends here">];
}

#endif // PC_PIPELINES_PASSES_TD
