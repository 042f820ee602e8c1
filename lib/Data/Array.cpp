//===- Array.cpp - A dense array of numbers in memory ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Array.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace pcx::data;

size_t pcx::data::elementBytes(DType dtype) {
  switch (dtype) {
  case DType::U8:
  case DType::I8:
  case DType::Bool:
  case DType::Text:
    return 1;
  case DType::I16:
    return 2;
  case DType::I32:
  case DType::F32:
    return 4;
  case DType::I64:
  case DType::F64:
    return 8;
  }
  assert(false && "unknown dtype");
  return 0;
}

const char *pcx::data::dtypeName(DType dtype) {
  switch (dtype) {
  case DType::U8:
    return "u8";
  case DType::I8:
    return "i8";
  case DType::I16:
    return "i16";
  case DType::I32:
    return "i32";
  case DType::I64:
    return "i64";
  case DType::F32:
    return "f32";
  case DType::F64:
    return "f64";
  case DType::Bool:
    return "bool";
  case DType::Text:
    return "text";
  }
  assert(false && "unknown dtype");
  return "";
}

std::optional<size_t> pcx::data::checkedBytes(std::span<const int64_t> dims,
                                              size_t element) {
  size_t bytes = element;
  for (int64_t dim : dims)
    if (dim < 0 ||
        __builtin_mul_overflow(bytes, static_cast<size_t>(dim), &bytes))
      return std::nullopt;
  // Sizes are also handled as signed numbers.
  if (bytes > static_cast<size_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  return bytes;
}

std::string pcx::data::formatDims(std::span<const int64_t> dims) {
  if (dims.empty())
    return "scalar";
  std::string text;
  for (int64_t dim : dims)
    text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

int64_t Array::elements() const {
  int64_t product = 1;
  for (int64_t dim : dims)
    product *= dim;
  return product;
}

int64_t Array::rowElements() const {
  assert(!dims.empty() && "a scalar has no rows");
  int64_t product = 1;
  for (size_t d = 1; d < dims.size(); ++d)
    product *= dims[d];
  return product;
}

std::string Array::describe() const {
  return formatDims(dims) + " " + dtypeName(dtype);
}

/// Calls `body` with a span of the array's element type.
template <typename Body>
static auto visit(const Array &array, Body body) {
  switch (array.dtype) {
  case DType::I8:
    return body(array.as<int8_t>());
  case DType::I16:
    return body(array.as<int16_t>());
  case DType::I32:
    return body(array.as<int32_t>());
  case DType::I64:
    return body(array.as<int64_t>());
  case DType::F32:
    return body(array.as<float>());
  case DType::F64:
    return body(array.as<double>());
  case DType::U8:
  case DType::Bool:
  case DType::Text:
    break;
  }
  return body(array.as<uint8_t>());
}

double Array::at(int64_t index) const {
  return visit(*this, [&](auto values) {
    return static_cast<double>(values[static_cast<size_t>(index)]);
  });
}

Array Array::zeros(DType dtype, std::vector<int64_t> dims) {
  Array array;
  array.dtype = dtype;
  auto bytes = checkedBytes(dims, elementBytes(dtype));
  assert(bytes && "array too large");
  array.dims = std::move(dims);
  array.bytes.resize(*bytes);
  return array;
}

template <typename T>
static Array copyOf(DType dtype, std::vector<int64_t> dims,
                    std::span<const T> values) {
  Array array = Array::zeros(dtype, std::move(dims));
  assert(array.bytes.size() == values.size_bytes() && "wrong element count");
  if (!values.empty())
    std::memcpy(array.bytes.data(), values.data(), values.size_bytes());
  return array;
}

Array Array::of(std::vector<int64_t> dims, std::span<const float> values) {
  return copyOf(DType::F32, std::move(dims), values);
}
Array Array::of(std::vector<int64_t> dims, std::span<const double> values) {
  return copyOf(DType::F64, std::move(dims), values);
}

/// Converts all elements to the integer type T; index of the first that is no
/// whole number or out of range, or -1.
template <typename T>
static int64_t toIntegers(const Array &from, Array &to) {
  return visit(from, [&](auto values) -> int64_t {
    auto out = to.as<T>();
    for (size_t i = 0; i < values.size(); ++i) {
      auto value = values[i];
      if constexpr (std::is_floating_point_v<decltype(value)>) {
        // 2^63 as a double is one past the largest int64_t.
        double bound = std::ldexp(1.0, std::numeric_limits<T>::digits);
        double low = std::is_signed_v<T> ? -bound : 0.0;
        if (!(value >= low && value < bound) || std::trunc(value) != value)
          return static_cast<int64_t>(i);
      } else if (!std::in_range<T>(value)) {
        return static_cast<int64_t>(i);
      }
      out[i] = static_cast<T>(value);
    }
    return -1;
  });
}

Result<Array> pcx::data::convert(const Array &array, DType dtype,
                                 const std::string &name) {
  if (array.dtype == dtype)
    return array;
  if (array.dtype == DType::Text || dtype == DType::Text)
    return Error{fmt::format("{}: expected {}, found {}", name,
                             dtypeName(dtype), dtypeName(array.dtype))};
  Array out = Array::zeros(dtype, array.dims);
  int64_t bad = -1;
  switch (dtype) {
  case DType::F32:
    visit(array, [&](auto values) {
      auto to = out.as<float>();
      for (size_t i = 0; i < values.size(); ++i)
        to[i] = static_cast<float>(values[i]);
    });
    break;
  case DType::F64:
    visit(array, [&](auto values) {
      auto to = out.as<double>();
      for (size_t i = 0; i < values.size(); ++i)
        to[i] = static_cast<double>(values[i]);
    });
    break;
  case DType::I8:
    bad = toIntegers<int8_t>(array, out);
    break;
  case DType::I16:
    bad = toIntegers<int16_t>(array, out);
    break;
  case DType::I32:
    bad = toIntegers<int32_t>(array, out);
    break;
  case DType::I64:
    bad = toIntegers<int64_t>(array, out);
    break;
  case DType::U8:
  case DType::Bool:
  case DType::Text:
    bad = toIntegers<uint8_t>(array, out);
    break;
  }
  if (bad >= 0)
    return Error{fmt::format("{}: expected whole numbers that fit {}, found {} "
                             "at element {}",
                             name, dtypeName(dtype), array.at(bad), bad)};
  return out;
}
