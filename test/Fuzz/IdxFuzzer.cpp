//===- IdxFuzzer.cpp - Fuzzes the IDX reader ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Idx.h"

#include <cstdlib>

/// An array that the reader accepts must be consistent, and a plain file must
/// be written back byte for byte.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  pcx::data::Bytes bytes = std::as_bytes(std::span(data, size));
  auto array = pcx::data::parseIdx(bytes, "input");
  if (!array)
    return 0;
  auto expected = pcx::data::checkedBytes(
      array->dims, pcx::data::elementBytes(array->dtype));
  if (!expected || array->bytes.size() != *expected)
    std::abort();
  std::vector<std::byte> written = pcx::data::formatIdx(*array);
  if (size >= 2 && data[0] == 0 &&
      !std::equal(written.begin(), written.end(), bytes.begin(), bytes.end()))
    std::abort();
  return 0;
}
