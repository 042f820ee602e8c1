//===- PCInterfaces.td - Interfaces of the pc dialect ---------*- tablegen -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_INTERFACES_TD
#define PC_INTERFACES_TD

include "mlir/IR/OpBase.td"

def PC_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::pc";
  let description = [{
    An operation that builds its own vector-Jacobian product. The same rule
    serves per-sample and batched operands: an operand that all samples share
    receives the sum over the batch.
  }];
  let methods = [
    InterfaceMethod<[{
        Builds the cotangents of the operands from those of the results.
        `cotangents` has one value per result, null for a result that nothing
        reads. `active` has one bit per operand: only those are asked for. On
        return `operandCotangents` has one value per operand; null means zero.
        The primal operands and results may be read.
      }],
      "::llvm::LogicalResult", "buildVJP",
      (ins "::mlir::OpBuilder &":$builder,
           "::mlir::ValueRange":$cotangents,
           "const ::llvm::SmallBitVector &":$active,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$operandCotangents)>,
  ];
}

def PC_LinearMapOpInterface : OpInterface<"LinearMapOpInterface"> {
  let cppNamespace = "::pc";
  let description = [{
    An operation whose results are zero when certain operands are zero, whatever
    its other operands hold (as long as they are finite): linear maps, products,
    derivatives scaled by a cotangent. Zero folding needs nothing else.
  }];
  let methods = [
    InterfaceMethod<[{
        Returns true if a zero in operand `operandNumber` alone makes every
        result zero.
      }],
      "bool", "isZeroPreserving", (ins "unsigned":$operandNumber)>,
  ];
}

def PC_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::pc";
  let description = [{
    An operation that computes every element of its results from the elements of
    its tensor operands at the same position and from its scalar operands.
  }];
  let methods = [
    InterfaceMethod<[{
        Emits the computation of one element with `arith` and `math` operations.
        `operands` has one value per operand of the operation: for a tensor a
        float of its element type, for a number that f64 (or vectors of them:
        every emitted operation is elementwise). What is computed from numbers
        alone is computed in f64 and rounded once to the element type. Appends
        one value per result. Strict IEEE: nothing that is emitted may be contracted
        or reassociated.
      }],
      "void", "buildElement",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::ValueRange":$operands,
           "::llvm::SmallVectorImpl<::mlir::Value> &":$results)>,
  ];
}

#endif // PC_INTERFACES_TD
