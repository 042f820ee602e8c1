//===- Idx.cpp - The IDX format of MNIST and its relatives ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Idx.h"
#include "pcx/Data/File.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace pcx::data;

static std::optional<DType> idxType(uint8_t code) {
  switch (code) {
  case 0x08:
    return DType::U8;
  case 0x09:
    return DType::I8;
  case 0x0B:
    return DType::I16;
  case 0x0C:
    return DType::I32;
  case 0x0D:
    return DType::F32;
  case 0x0E:
    return DType::F64;
  }
  return std::nullopt;
}

static uint8_t idxCode(DType dtype) {
  switch (dtype) {
  case DType::U8:
    return 0x08;
  case DType::I8:
    return 0x09;
  case DType::I16:
    return 0x0B;
  case DType::I32:
    return 0x0C;
  case DType::F32:
    return 0x0D;
  case DType::F64:
    return 0x0E;
  case DType::I64:
  case DType::Bool:
  case DType::Text:
    break;
  }
  assert(false && "no IDX type");
  return 0;
}

/// Reverses the bytes of every element; IDX is big endian.
static void swapElements(std::vector<std::byte> &bytes, size_t element) {
  if (element == 1)
    return;
  for (size_t i = 0; i + element <= bytes.size(); i += element)
    std::reverse(bytes.begin() + static_cast<ptrdiff_t>(i),
                 bytes.begin() + static_cast<ptrdiff_t>(i + element));
}

static uint32_t readBig32(Bytes bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i)
    value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

Result<Array> pcx::data::parseIdx(Bytes file, const std::string &name) {
  bool packed = isGzip(file);
  std::vector<std::byte> head;
  if (packed) {
    // Enough for the header of rank 255.
    auto inflated = inflate(file, Deflate::Gzip, 4 + 4 * 255, name);
    if (!inflated)
      return inflated.error();
    head = std::move(inflated->bytes);
  }
  Bytes header = packed ? Bytes(head) : file;

  if (header.size() < 4)
    return Error{fmt::format("{}: truncated: expected an IDX header, found {} "
                             "bytes",
                             name, header.size())};
  uint8_t code = std::to_integer<uint8_t>(header[2]);
  size_t rank = std::to_integer<size_t>(header[3]);
  auto dtype = idxType(code);
  if (header[0] != std::byte{0} || header[1] != std::byte{0} || !dtype)
    return Error{fmt::format(
        "{}: wrong magic: expected an IDX file (0, 0, a type of 08 09 0b 0c 0d "
        "0e, the rank), found {:02x} {:02x} {:02x} {:02x}",
        name, std::to_integer<int>(header[0]), std::to_integer<int>(header[1]),
        code, rank)};
  size_t headerBytes = 4 + 4 * rank;
  if (header.size() < headerBytes)
    return Error{fmt::format(
        "{}: truncated: expected a header of {} bytes for rank {}, found {}",
        name, headerBytes, rank, header.size())};

  Array array;
  array.dtype = *dtype;
  for (size_t d = 0; d < rank; ++d)
    array.dims.push_back(readBig32(header, 4 + 4 * d));
  auto expected = checkedBytes(array.dims, elementBytes(*dtype));
  if (!expected || *expected > SIZE_MAX - headerBytes)
    return Error{
        fmt::format("{}: the sizes {} overflow", name, formatDims(array.dims))};

  size_t found;
  bool more = false;
  if (packed) {
    auto inflated = inflate(file, Deflate::Gzip, headerBytes + *expected, name);
    if (!inflated)
      return inflated.error();
    found = inflated->bytes.size() - headerBytes;
    more = inflated->more;
    array.bytes = std::move(inflated->bytes);
    array.bytes.erase(array.bytes.begin(),
                      array.bytes.begin() +
                          static_cast<ptrdiff_t>(headerBytes));
  } else {
    found = file.size() - headerBytes;
    more = found > *expected;
    if (!more)
      array.bytes.assign(file.begin() + static_cast<ptrdiff_t>(headerBytes),
                         file.end());
  }
  if (more)
    return Error{fmt::format(
        "{}: trailing bytes: expected {} bytes of data ({}), found more", name,
        *expected, array.describe())};
  if (found < *expected)
    return Error{
        fmt::format("{}: truncated: expected {} bytes of data ({}), found {}",
                    name, *expected, array.describe(), found)};
  swapElements(array.bytes, elementBytes(*dtype));
  return array;
}

Result<Array> pcx::data::readIdx(const std::string &path) {
  auto bytes = readFile(path);
  if (!bytes)
    return bytes.error();
  return parseIdx(*bytes, path);
}

std::vector<std::byte> pcx::data::formatIdx(const Array &array) {
  std::vector<std::byte> data = array.bytes;
  swapElements(data, elementBytes(array.dtype));
  std::vector<std::byte> out = {std::byte{0}, std::byte{0},
                                std::byte{idxCode(array.dtype)},
                                std::byte(array.dims.size())};
  for (int64_t dim : array.dims)
    for (int shift = 24; shift >= 0; shift -= 8)
      out.push_back(std::byte(dim >> shift & 0xff));
  out.insert(out.end(), data.begin(), data.end());
  return out;
}
