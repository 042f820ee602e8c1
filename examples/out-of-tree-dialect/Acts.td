//===- Acts.td - A dialect out of tree ---------------------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ACTS_TD
#define ACTS_TD

include "dialects/PC/PCInterfaces.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Acts_Dialect : Dialect {
  let name = "acts";
  let summary = "activations that pc has not";
  let cppNamespace = "::acts";
}

class Acts_Op<string mnemonic, list<Trait> traits = []>
    : Op<Acts_Dialect, mnemonic, !listconcat([Pure, SameOperandsAndResultType,
          DeclareOpInterfaceMethods<PC_ElementwiseOpInterface>], traits)> {
  let arguments = (ins RankedTensorOf<[F32, F64]>:$input);
  let results = (outs RankedTensorOf<[F32, F64]>:$output);
  let assemblyFormat = "$input attr-dict `:` type($output)";
}

def Acts_SoftsignOp : Acts_Op<"softsign",
    [DeclareOpInterfaceMethods<PC_DifferentiableOpInterface>]> {
  let summary = "x / (1 + |x|)";
}

def Acts_SoftsignGradOp : Acts_Op<"softsign_grad"> {
  let summary = "1 / (1 + |x|)^2, made by reverse mode";
}

#endif // ACTS_TD
