//===- RoundedProducts.h - Products worth rounding --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_TRANSFORMS_ROUNDEDPRODUCTS_H
#define PC_DIALECT_PC_TRANSFORMS_ROUNDEDPRODUCTS_H

#include "pc/Dialect/PC/IR/PC.h"

namespace pc {

/// Whether a product with a weight of this type gains anything by operands of
/// bfloat16. The instructions work on 16 rows or columns at least; with fewer
/// they mostly multiply padding. Such weights are those of a network's output,
/// where rounding costs most: the error there is what a prediction that is
/// nearly right leaves of its target.
bool isWorthRounding(mlir::RankedTensorType weight);

} // namespace pc

#endif // PC_DIALECT_PC_TRANSFORMS_ROUNDEDPRODUCTS_H
