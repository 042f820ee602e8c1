//===- Idx.h - The IDX format of MNIST and its relatives --------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// IDX (LeCun, "The MNIST database"): bytes 0, 0, type, rank; rank sizes as
// 32-bit big-endian numbers; the elements in C order, big endian.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_IDX_H
#define PCX_DATA_IDX_H

#include "pcx/Data/Array.h"

namespace pcx::data {

/// Reads an IDX array, gzip-compressed or not. Errors: wrong magic, unknown
/// type, sizes that overflow, truncated data, trailing bytes.
Result<Array> parseIdx(Bytes bytes, const std::string &name);
/// The same from a file.
Result<Array> readIdx(const std::string &path);
/// The bytes of an uncompressed IDX file. Bool and Text have no IDX type and
/// must not be passed; every dimension must be below 2^32.
std::vector<std::byte> formatIdx(const Array &array);

} // namespace pcx::data

#endif // PCX_DATA_IDX_H
