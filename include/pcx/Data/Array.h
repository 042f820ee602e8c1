//===- Array.h - A dense array of numbers in memory -------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What every reader of lib/Data returns and every writer takes.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_ARRAY_H
#define PCX_DATA_ARRAY_H

#include "pcx/Data/Result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pcx::data {

/// Bytes that someone else owns.
using Bytes = std::span<const std::byte>;

/// Element types of array files. Text is what NumPy writes for a string; its
/// elements are held as UTF-8, one string an array.
enum class DType { U8, I8, I16, I32, I64, F32, F64, Bool, Text };

/// Bytes of one element; 1 for Text, whose length is the array's.
size_t elementBytes(DType dtype);
/// "u8", "f32", ...
const char *dtypeName(DType dtype);

/// A dense row-major array in the byte order of this machine.
struct Array {
  DType dtype = DType::U8;
  /// Empty for a scalar.
  std::vector<int64_t> dims;
  /// product(dims) * elementBytes(dtype) bytes.
  std::vector<std::byte> bytes;

  /// product(dims); 1 for a scalar.
  int64_t elements() const;
  /// Elements of one row, the product of all but the first dimension. At least
  /// rank 1.
  int64_t rowElements() const;
  /// The first dimension, or 1 for a scalar.
  int64_t rows() const { return dims.empty() ? 1 : dims.front(); }
  /// "60000x28x28 u8"
  std::string describe() const;

  /// The elements as T, which must be the dtype's C++ type.
  template <typename T>
  std::span<const T> as() const {
    assert(sizeof(T) == elementBytes(dtype) && "wrong element type");
    return {reinterpret_cast<const T *>(bytes.data()),
            bytes.size() / sizeof(T)};
  }
  template <typename T>
  std::span<T> as() {
    assert(sizeof(T) == elementBytes(dtype) && "wrong element type");
    return {reinterpret_cast<T *>(bytes.data()), bytes.size() / sizeof(T)};
  }

  /// Element `index` (row-major) as a double; integers above 2^53 round.
  double at(int64_t index) const;

  /// Zeros.
  static Array zeros(DType dtype, std::vector<int64_t> dims);
  /// A copy of `values`.
  static Array of(std::vector<int64_t> dims, std::span<const float> values);
  static Array of(std::vector<int64_t> dims, std::span<const double> values);
};

/// The array converted to `dtype` (a number type) element by element, as a C
/// cast does; integers must fit or the message names the element.
Result<Array> convert(const Array &array, DType dtype, const std::string &name);

/// product(dims) * element, or nothing when it overflows size_t or a dimension
/// is negative.
std::optional<size_t> checkedBytes(std::span<const int64_t> dims,
                                   size_t element);
/// "28x28", or "scalar".
std::string formatDims(std::span<const int64_t> dims);

} // namespace pcx::data

#endif // PCX_DATA_ARRAY_H
