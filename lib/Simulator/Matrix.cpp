//===- Matrix.cpp - Matrix products of a warp -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Matrix.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"

using namespace llvm;
using namespace pc::sim;

static constexpr int kRows = 16, kColumns = 8;

static int getDepth(MatrixKind kind) { return kind == MatrixTF32 ? 8 : 16; }

uint64_t pc::sim::getMatrixFlops(MatrixKind kind) {
  return 2ull * kRows * kColumns * getDepth(kind);
}

/// The 16-bit half `half` of a register as a number.
static double getHalf(uint32_t pair, int half, MatrixKind kind) {
  uint16_t bits = static_cast<uint16_t>(pair >> (16 * half));
  const fltSemantics &semantics =
      kind == MatrixBF16 ? APFloat::BFloat() : APFloat::IEEEhalf();
  APFloat value(semantics, APInt(16, bits));
  bool lost;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return value.convertToDouble();
}

static double getTF32(uint32_t bits) {
  return llvm::bit_cast<float>(bits & ~uint32_t(0x1fff));
}

void pc::sim::multiply(MatrixKind kind,
                       const std::array<MatrixLane, 32> &lanes) {
  double a[kRows][16], b[16][kColumns], c[kRows][kColumns];
  for (int lane = 0; lane < 32; ++lane) {
    int group = lane / 4, member = lane % 4;
    const MatrixLane &own = lanes[lane];
    for (int i = 0; i < 4; ++i)
      c[group + i / 2 * 8][2 * member + i % 2] = own.c[i];
    if (kind == MatrixTF32) {
      for (int i = 0; i < 4; ++i)
        a[group + i % 2 * 8][member + i / 2 * 4] = getTF32(own.a[i]);
      for (int i = 0; i < 2; ++i)
        b[member + 4 * i][group] = getTF32(own.b[i]);
      continue;
    }
    for (int i = 0; i < 4; ++i)
      for (int half = 0; half < 2; ++half)
        a[group + i % 2 * 8][2 * member + half + i / 2 * 8] =
            getHalf(own.a[i], half, kind);
    for (int i = 0; i < 2; ++i)
      for (int half = 0; half < 2; ++half)
        b[2 * member + half + 8 * i][group] = getHalf(own.b[i], half, kind);
  }
  for (int row = 0; row < kRows; ++row)
    for (int column = 0; column < kColumns; ++column)
      for (int k = 0; k < getDepth(kind); ++k)
        c[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < 32; ++lane) {
    int group = lane / 4, member = lane % 4;
    for (int i = 0; i < 4; ++i)
      lanes[lane].d[i] =
          static_cast<float>(c[group + i / 2 * 8][2 * member + i % 2]);
  }
}
