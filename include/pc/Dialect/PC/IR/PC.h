//===- PC.h - The pc dialect ------------------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_IR_PC_H
#define PC_DIALECT_PC_IR_PC_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SmallBitVector.h"

#include "pc/Dialect/PC/IR/PCDialect.h.inc"
#include "pc/Dialect/PC/IR/PCEnums.h.inc"
#include "pc/Dialect/PC/IR/PCInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "pc/Dialect/PC/IR/PCAttrs.h.inc"

#define GET_TYPEDEF_CLASSES
#include "pc/Dialect/PC/IR/PCTypes.h.inc"

namespace pc {
/// Checks the sizes of all tensors that `op` reads, makes or passes to its
/// regions (tensor_c3 to tensor_c5).
llvm::LogicalResult verifyTensorBounds(mlir::Operation *op);

template <typename ConcreteType>
class BoundedTensors
    : public mlir::OpTrait::TraitBase<ConcreteType, BoundedTensors> {
public:
  static llvm::LogicalResult verifyTrait(mlir::Operation *op) {
    return verifyTensorBounds(op);
  }
};
} // namespace pc

#define GET_OP_CLASSES
#include "pc/Dialect/PC/IR/PCOps.h.inc"

namespace pc {

/// Emits f(x) with `arith` and `math`; `x` is a float scalar or vector.
mlir::Value buildActivation(mlir::OpBuilder &builder, mlir::Location loc,
                            ActivationKind kind, double slope, mlir::Value x);

/// Emits f'(x) with `arith` and `math`; `x` is a float scalar or vector.
mlir::Value buildActivationGrad(mlir::OpBuilder &builder, mlir::Location loc,
                                ActivationKind kind, double slope,
                                mlir::Value x);

/// A float constant of type `type`: f32, f64 or a vector of one.
mlir::Value buildFloat(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Type type, double value);

/// Value of a `pc.splat`, if `value` is one.
std::optional<double> getSplatValue(mlir::Value value);

/// True if `value` is a `pc.splat` of zero (of either sign).
bool isZeroSplat(mlir::Value value);

/// True if `value` is finite, rounded to the float type `element`, too.
bool isFiniteIn(double value, mlir::Type element);

/// What a gradient is taken of, through `pc.combine` and `pc.clip`; nullopt if
/// no `pc.gradient` made it.
std::optional<GradientKind> getGradientKind(mlir::Value gradient);

/// True for a pure operation of the dialect, or one of another dialect that
/// says by ElementwiseOpInterface what its elements are: the phases need no
/// more.
bool isComputation(mlir::Operation *op);

/// Attaches the DifferentiableOpInterface to the `arith` and `math` operations
/// that regions of `pc.elementwise` may hold. Registered with the dialect.
void registerScalarDifferentiableModels(mlir::DialectRegistry &registry);

} // namespace pc

#endif // PC_DIALECT_PC_IR_PC_H
