//===- PCTypes.td - Types of the pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_TYPES_TD
#define PC_TYPES_TD

include "dialects/PC/PCDialect.td"
include "mlir/IR/AttrTypeBase.td"

class PC_Type<string name, string typeMnemonic> : TypeDef<PC_Dialect, name> {
  let mnemonic = typeMnemonic;
}

def PC_PointType : PC_Type<"Point", "point"> {
  let summary = "values of all states and parameters at one moment";
  let description = [{
    What `pc.point` captures: a gradient says at which point it is taken, so
    that several updates can leave from one common point (iPC).
  }];
}

def PC_GradientType : PC_Type<"Gradient", "gradient"> {
  let summary = "gradient of the free energy, one value per state or parameter";
}

// A tensor of floats: per sample in a model, batched (leading dimension) or
// shared in the functional form.
def PC_Tensor : Type<
    And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
         CPred<"::llvm::isa<::mlir::Float32Type, ::mlir::Float64Type>("
               "::llvm::cast<::mlir::RankedTensorType>($_self)"
               ".getElementType())">]>,
    "ranked tensor of f32 or f64 values", "::mlir::RankedTensorType">;

// A matrix as products at reduced precision read it: see pc.narrow.
def PC_NarrowTensor : Type<
    And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
         CPred<"::llvm::isa<::mlir::BFloat16Type>("
               "::llvm::cast<::mlir::RankedTensorType>($_self)"
               ".getElementType())">]>,
    "ranked tensor of bf16 values", "::mlir::RankedTensorType">;

// A number that all samples share: a rate, a coefficient, a count.
def PC_Scalar : AnyTypeOf<[F32, F64], "f32 or f64 scalar">;

#endif // PC_TYPES_TD
