//===- Data.h - Resident data sets --------------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_DATA_H
#define PCX_LIB_RUNTIME_DATA_H

#include "pcx/pcx.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace pcx {

/// One input's source: dense rows of the caller's, and how a row becomes one of
/// the port.
struct Column {
  std::string name;
  const std::byte *data = nullptr;
  uint32_t sourceDtype = PCX_F32;
  uint32_t encoding = PCX_ENCODE_NONE;
  double scale = 1, mean = 0, std = 1;

  // The port that it was made for.
  bool perSample = true;
  uint32_t dtype = PCX_F32;
  std::vector<int64_t> dims;
  int64_t elements = 1;     ///< of the port's row
  uint64_t rowBytes = 0;    ///< of the port's row
  uint64_t sourceBytes = 0; ///< of a source row

  /// Values of an affine column for each byte, in the port's dtype (f32 or
  /// f64): a batch is a table look-up, and each value rounds once.
  std::vector<float> tableF32;
  std::vector<double> tableF64;
  /// What a batch of float32 is made by instead, where that gives the table's
  /// values, every bit of them: byte * factor, or byte * factor + offset.
  enum class Decode { Table, Product, Linear } decode = Decode::Table;
  double factor = 0, offset = 0;

  /// Writes rows `begin` to `end` of a batch to `to`, the batch's first row.
  /// Row r is sample order[r], or first + r without an order.
  void gather(const uint32_t *order, int64_t first, int64_t begin, int64_t end,
              std::byte *to) const;

  /// Class index of a sample, of a one-hot column.
  int64_t classOf(int64_t sample) const;
};

} // namespace pcx

struct pcx_data_t {
  int64_t samples = 0;
  std::vector<pcx::Column> columns;
  /// Tells this data set from others, also from later ones at its address.
  std::shared_ptr<const char> identity = std::make_shared<const char>();

  /// The column that feeds a port of `program`; throws
  /// Error(PCX_ERROR_ARGUMENT) when there is none or when it was made for
  /// another shape.
  const pcx::Column &columnFor(const pcx_port_t &port,
                               const pcx_program_t &program) const;
};

#endif // PCX_LIB_RUNTIME_DATA_H
