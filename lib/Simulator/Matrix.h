//===- Matrix.h - Matrix products of a warp ---------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_SIMULATOR_MATRIX_H
#define PC_LIB_SIMULATOR_MATRIX_H

#include "Program.h"

#include <array>

namespace pc::sim {

/// What a lane brings to D = A B + C of 16 by 8 elements, and takes.
struct MatrixLane {
  const uint32_t *a, *b;
  const float *c;
  float *d;
};

/// Multiplies. Which element is in which register of which lane is in the PTX
/// ISA, "Matrix Fragments for mma.m16n8k8" and "m16n8k16". Each element is
/// summed in double precision and rounded once, while a GPU rounds, or
/// truncates, in between: they differ by no more than k 2^-22 of the sum of the
/// products' magnitudes and C's. Of an operand in TF32 the last 13 bits are not
/// read.
void multiply(MatrixKind kind, const std::array<MatrixLane, 32> &lanes);

/// Operations of one such product, two a multiply-add.
uint64_t getMatrixFlops(MatrixKind kind);

} // namespace pc::sim

#endif // PC_LIB_SIMULATOR_MATRIX_H
