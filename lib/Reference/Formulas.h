//===- Formulas.h - Scalar formulas of the reference interpreter ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_REFERENCE_FORMULAS_H
#define PC_LIB_REFERENCE_FORMULAS_H

#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Reference/Interpreter.h"

namespace pc::reference {

/// f(x) of an activation.
double activation(ActivationKind kind, double slope, double x);
/// f'(x) of an activation, with the one-sided conventions of the operations.
double activationGrad(ActivationKind kind, double slope, double x);

/// A scalar of a region: the member that the type selects is valid.
struct Scalar {
  double f = 0.0;
  int64_t i = 0;
};

/// Computes the result of a scalar operation from its operands.
using ScalarFunction = Scalar (*)(mlir::Operation *op, const Scalar *operands);

/// The function of an `arith` or `math` operation with one scalar result, null
/// when the interpreter has none. Integers come out wrapped to 64 bits only;
/// wrapInteger does the rest.
ScalarFunction lookupScalarFunction(mlir::Operation *op);

/// `value` as a number of an integer type: sign-extended, an i1 as 0 or 1.
int64_t wrapInteger(int64_t value, mlir::Type type);

} // namespace pc::reference

#endif // PC_LIB_REFERENCE_FORMULAS_H
