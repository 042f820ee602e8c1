//===- Data.cpp - Resident data sets --------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Data.h"
#include "Error.h"
#include "Module.h"
#include "Session.h"
#include "pcx/Support/Names.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

using namespace pcx;

//===----------------------------------------------------------------------===//
// Gathering
//===----------------------------------------------------------------------===//

/// Calls row(sample, place in the batch) for the rows of a part of a batch. In
/// a shuffled order no hardware foresees the next row, so it is asked for here:
/// that halves the time for rows of an image's size.
template <typename Row>
static void forRows(const Column &column, const uint32_t *order, int64_t first,
                    int64_t begin, int64_t end, Row row) {
  constexpr uint64_t line = 64, most = 32 * line;
  constexpr int64_t ahead = 4;
  for (int64_t r = begin; r < end; ++r) {
    if (order && r + ahead < end) {
      const std::byte *next =
          column.data + order[r + ahead] * column.sourceBytes;
      for (uint64_t at = 0; at < std::min(column.sourceBytes, most); at += line)
        __builtin_prefetch(next + at);
    }
    row(order ? int64_t(order[r]) : first + r, r);
  }
}

// The columns hold u8, i32 or i64.
int64_t Column::classOf(int64_t sample) const {
  switch (sourceDtype) {
  case PCX_U8:
    return int64_t(reinterpret_cast<const uint8_t *>(data)[sample]);
  case PCX_I32: {
    int32_t value;
    std::memcpy(&value, data + sample * 4, sizeof(value));
    return value;
  }
  default: {
    int64_t value;
    std::memcpy(&value, data + sample * 8, sizeof(value));
    return value;
  }
  }
}

// A look-up is two loads and a store for each element; arithmetic is done on
// eight at a time, and the formulas take half and a quarter of the time.
#if defined(__x86_64__)
#define PCX_WIDE __attribute__((target("avx2,fma")))
static bool hasWide() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define PCX_WIDE
static bool hasWide() { return true; }
#endif

/// The factor as the sum of two numbers, so that the result rounds once, but
/// for an error of 2^-48.
PCX_WIDE static void productRow(const std::byte *from, float *to,
                                int64_t elements, double factor) {
  float high = float(factor), low = float(factor - double(high));
  for (int64_t i = 0; i < elements; ++i) {
    float value = float(uint8_t(from[i]));
    to[i] = std::fma(value, high, value * low);
  }
}

PCX_WIDE static void linearRow(const std::byte *from, float *to,
                               int64_t elements, double factor, double offset) {
  for (int64_t i = 0; i < elements; ++i)
    to[i] = float(std::fma(double(uint8_t(from[i])), factor, offset));
}

#undef PCX_WIDE

/// Chooses how a column of bytes becomes float32: the fastest way that gives
/// the values of its table.
static void chooseDecode(Column &column) {
  column.factor = column.scale / column.std;
  column.offset = -column.mean / column.std;
  if (!hasWide())
    return;
  std::array<std::byte, 256> bytes;
  for (size_t byte = 0; byte < bytes.size(); ++byte)
    bytes[byte] = std::byte(byte);
  std::array<float, 256> values;
  auto agrees = [&] {
    return std::memcmp(values.data(), column.tableF32.data(), sizeof(values)) ==
           0;
  };
  productRow(bytes.data(), values.data(), values.size(), column.factor);
  if (agrees()) {
    column.decode = Column::Decode::Product;
    return;
  }
  linearRow(bytes.data(), values.data(), values.size(), column.factor,
            column.offset);
  if (agrees())
    column.decode = Column::Decode::Linear;
}

template <typename To>
static void tableRow(const std::byte *from, To *to, int64_t elements,
                     const To *table) {
  for (int64_t i = 0; i < elements; ++i)
    to[i] = table[uint8_t(from[i])];
}

/// One row of float to float; the source may lie at any address.
template <typename From, typename To>
static void affineRow(const Column &column, const std::byte *from, To *to) {
  double scale = column.scale, mean = column.mean, std = column.std;
  for (int64_t i = 0; i < column.elements; ++i) {
    From value;
    std::memcpy(&value, from + i * int64_t(sizeof(From)), sizeof(From));
    to[i] = To((double(value) * scale - mean) / std);
  }
}

template <typename To>
static void gatherAs(const Column &column, const To *table,
                     const uint32_t *order, int64_t first, int64_t begin,
                     int64_t end, To *to) {
  int64_t elements = column.elements;
  if (column.encoding == PCX_ENCODE_ONE_HOT) {
    forRows(column, order, first, begin, end, [&](int64_t sample, int64_t row) {
      std::fill_n(to + row * elements, elements, To(0));
      to[row * elements + column.classOf(sample)] = To(1);
    });
    return;
  }
  forRows(column, order, first, begin, end, [&](int64_t sample, int64_t row) {
    const std::byte *from = column.data + sample * int64_t(column.sourceBytes);
    To *place = to + row * elements;
    switch (column.sourceDtype) {
    case PCX_U8:
      if constexpr (std::is_same_v<To, float>) {
        if (column.decode == Column::Decode::Product)
          return productRow(from, place, elements, column.factor);
        if (column.decode == Column::Decode::Linear)
          return linearRow(from, place, elements, column.factor, column.offset);
      }
      return tableRow(from, place, elements, table);
    case PCX_F32:
      return affineRow<float>(column, from, place);
    default:
      return affineRow<double>(column, from, place);
    }
  });
}

void Column::gather(const uint32_t *order, int64_t first, int64_t begin,
                    int64_t end, std::byte *to) const {
  if (encoding != PCX_ENCODE_NONE) {
    if (dtype == PCX_F32)
      gatherAs(*this, tableF32.data(), order, first, begin, end,
               reinterpret_cast<float *>(to));
    else
      gatherAs(*this, tableF64.data(), order, first, begin, end,
               reinterpret_cast<double *>(to));
    return;
  }
  if (!order) {
    std::memcpy(to + begin * int64_t(rowBytes),
                data + (first + begin) * int64_t(rowBytes),
                uint64_t(end - begin) * rowBytes);
    return;
  }
  forRows(*this, order, first, begin, end, [&](int64_t sample, int64_t row) {
    std::memcpy(to + row * int64_t(rowBytes), data + sample * int64_t(rowBytes),
                rowBytes);
  });
}

const Column &pcx_data_t::columnFor(const pcx_port_t &port,
                                    const pcx_program_t &program) const {
  std::vector<std::string_view> names;
  for (const Column &column : columns) {
    names.push_back(column.name);
    if (column.name != port.name)
      continue;
    if (column.dtype != port.dtype ||
        column.perSample != bool(port.per_sample) ||
        !std::equal(column.dims.begin(), column.dims.end(), port.dims,
                    port.dims + port.rank))
      fail(PCX_ERROR_ARGUMENT,
           "input '{}' of program '{}' is {} of {}: expected data of that "
           "shape, found {} of {}",
           port.name, program.name, shapeName(port.dims, port.rank),
           dtypeName(port.dtype),
           shapeName(column.dims.data(), uint32_t(column.dims.size())),
           dtypeName(column.dtype));
    return column;
  }
  fail(PCX_ERROR_ARGUMENT, "the data has no column '{}' for program '{}'{}",
       port.name, program.name, suggestName(port.name, names));
}

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

static bool isFloat(uint32_t dtype) {
  return dtype == PCX_F32 || dtype == PCX_F64;
}

static void checkClasses(const Column &column, int64_t samples) {
  for (int64_t sample = 0; sample < samples; ++sample) {
    int64_t index = column.classOf(sample);
    if (index < 0 || index >= column.elements)
      fail(PCX_ERROR_ARGUMENT,
           "column '{}' has class {} at sample {}, expected 0 to {}",
           column.name, index, sample, column.elements - 1);
  }
}

static void checkEncoding(const Column &column) {
  const char *source = dtypeName(column.sourceDtype);
  switch (column.encoding) {
  case PCX_ENCODE_NONE:
    if (column.sourceDtype != column.dtype)
      fail(PCX_ERROR_ARGUMENT,
           "column '{}' is {}, expected {} for a copy; an affine encoding with "
           "scale 1, mean 0, std 1 converts u8, f32 and f64",
           column.name, source, dtypeName(column.dtype));
    return;
  case PCX_ENCODE_AFFINE:
    if (column.sourceDtype != PCX_U8 && !isFloat(column.sourceDtype))
      fail(PCX_ERROR_ARGUMENT,
           "column '{}' is {}, expected u8, f32 or f64 for an affine encoding",
           column.name, source);
    if (!std::isfinite(column.scale) || !std::isfinite(column.mean) ||
        !std::isfinite(column.std) || column.std == 0)
      fail(PCX_ERROR_ARGUMENT,
           "column '{}' has scale {}, mean {}, std {}: expected finite numbers "
           "and a std other than 0",
           column.name, column.scale, column.mean, column.std);
    break;
  case PCX_ENCODE_ONE_HOT:
    if (column.sourceDtype != PCX_U8 && column.sourceDtype != PCX_I32 &&
        column.sourceDtype != PCX_I64)
      fail(PCX_ERROR_ARGUMENT,
           "column '{}' is {}, expected u8, i32 or i64 class indices",
           column.name, source);
    break;
  default:
    fail(PCX_ERROR_ARGUMENT, "column '{}' has unknown encoding {}", column.name,
         column.encoding);
  }
  if (!isFloat(column.dtype))
    fail(PCX_ERROR_ARGUMENT,
         "column '{}' feeds an input of {}, expected f32 or f64 for an "
         "encoding other than a copy",
         column.name, dtypeName(column.dtype));
  if (!column.perSample)
    fail(PCX_ERROR_ARGUMENT,
         "column '{}' feeds a shared input, expected PCX_ENCODE_NONE",
         column.name);
}

static Column makeColumn(const pcx_column_t &given, const pcx_port_t &port,
                         int64_t samples) {
  Column column;
  column.name = given.name;
  column.data = static_cast<const std::byte *>(given.data);
  column.sourceDtype = given.dtype;
  column.encoding = given.encoding;
  column.scale = given.scale;
  column.mean = given.mean;
  column.std = given.std;
  column.perSample = port.per_sample;
  column.dtype = port.dtype;
  column.dims.assign(port.dims, port.dims + port.rank);
  column.elements = elementCount(port);
  column.rowBytes = denseBytes(port);
  if (!dtypeBytes(given.dtype))
    fail(PCX_ERROR_ARGUMENT, "column '{}' has unknown dtype {}", column.name,
         given.dtype);
  checkEncoding(column);

  bool oneHot = column.encoding == PCX_ENCODE_ONE_HOT;
  column.sourceBytes =
      dtypeBytes(given.dtype) * uint64_t(oneHot ? 1 : column.elements);
  uint64_t expected = 0;
  if (__builtin_mul_overflow(column.sourceBytes,
                             uint64_t(column.perSample ? samples : 1),
                             &expected) ||
      given.bytes != expected)
    fail(PCX_ERROR_ARGUMENT,
         "column '{}' has {} bytes, expected {}: {} samples of {} {}",
         column.name, given.bytes, expected, column.perSample ? samples : 1,
         oneHot ? "one" : shapeName(port.dims, port.rank),
         dtypeName(given.dtype));
  if (oneHot)
    checkClasses(column, samples);
  if (column.encoding == PCX_ENCODE_AFFINE && given.dtype == PCX_U8) {
    for (int byte = 0; byte < 256; ++byte) {
      double value = (byte * column.scale - column.mean) / column.std;
      if (column.dtype == PCX_F32)
        column.tableF32.push_back(float(value));
      else
        column.tableF64.push_back(value);
    }
    if (column.dtype == PCX_F32)
      chooseDecode(column);
  }
  // What changes nothing is a copy.
  if (column.encoding == PCX_ENCODE_AFFINE &&
      column.sourceDtype == column.dtype && column.scale == 1 &&
      column.mean == 0 && column.std == 1)
    column.encoding = PCX_ENCODE_NONE;
  return column;
}

pcx_status_t pcx_data_create(const pcx_session_t *session, uint32_t program,
                             int64_t samples, const pcx_column_t *columns,
                             uint32_t column_count, pcx_data_t **data) {
  return guarded([&] {
    requireArgument(session, "session");
    requireArgument(columns, "columns");
    requireArgument(data, "data");
    DefaultFloatModes modes;
    const pcx_program_t &target = session->module.program(program);
    if (samples < 1 || samples > int64_t(UINT32_MAX))
      fail(PCX_ERROR_ARGUMENT, "a data set of {} samples, expected 1 to {}",
           samples, UINT32_MAX);
    std::vector<std::string_view> inputs;
    for (uint32_t i = 0; i < target.input_count; ++i)
      inputs.push_back(target.inputs[i].name);

    auto made = std::make_unique<pcx_data_t>();
    made->samples = samples;
    for (uint32_t c = 0; c < column_count; ++c) {
      const pcx_column_t &given = columns[c];
      if (given.struct_size < sizeof(given))
        fail(PCX_ERROR_ARGUMENT, "struct_size of column {} is {}, expected {}",
             c, given.struct_size, sizeof(given));
      requireArgument(given.name, "columns[].name");
      requireArgument(given.data, "columns[].data");
      auto found = std::find(inputs.begin(), inputs.end(), given.name);
      if (found == inputs.end())
        fail(PCX_ERROR_ARGUMENT, "program '{}' has no input '{}'{}",
             target.name, given.name, suggestName(given.name, inputs));
      for (const Column &other : made->columns)
        if (other.name == given.name)
          fail(PCX_ERROR_ARGUMENT, "column '{}' is given twice", given.name);
      made->columns.push_back(
          makeColumn(given, target.inputs[found - inputs.begin()], samples));
    }
    for (uint32_t i = 0; i < target.input_count; ++i)
      made->columnFor(target.inputs[i], target);
    *data = made.release();
  });
}

void pcx_data_destroy(pcx_data_t *data) { delete data; }

int64_t pcx_data_samples(const pcx_data_t *data) { return data->samples; }
