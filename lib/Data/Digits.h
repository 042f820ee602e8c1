//===- Digits.h - The embedded 8x8 digits -----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_DATA_DIGITS_H
#define PCX_LIB_DATA_DIGITS_H

#include "pcx/Data/Array.h"

namespace pcx::data {

/// 1797 x 8 x 8 u8 values from 0 to 16, IDX in gzip; see digits/README.md.
Bytes digitsImages();
/// 1797 labels from 0 to 9, u8, IDX in gzip.
Bytes digitsLabels();

} // namespace pcx::data

#endif // PCX_LIB_DATA_DIGITS_H
