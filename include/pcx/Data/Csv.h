//===- Csv.h - Tables of numbers as text ------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_CSV_H
#define PCX_DATA_CSV_H

#include "pcx/Data/Array.h"

#include <string>
#include <string_view>
#include <vector>

namespace pcx::data {

/// A table of numbers.
struct CsvTable {
  /// From the header row; empty when the file has none.
  std::vector<std::string> names;
  /// rows x columns, f64.
  Array values;

  int64_t columns() const { return values.dims[1]; }
  /// The column called `name`, or counted from 0 when it is a whole number
  /// (from the end when negative: -1 is the last). The message names the
  /// nearest match.
  Result<int64_t> column(const std::string &name,
                         const std::string &file) const;
};

/// Reads comma-separated values (RFC 4180: quoted fields, CRLF or LF, a UTF-8
/// byte order mark). The first row is a header when any of its fields is not a
/// number. Blank lines are skipped. Errors carry line and column.
Result<CsvTable> parseCsv(std::string_view text, const std::string &name);
Result<CsvTable> readCsv(const std::string &path);

} // namespace pcx::data

#endif // PCX_DATA_CSV_H
