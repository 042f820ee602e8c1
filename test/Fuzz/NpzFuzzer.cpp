//===- NpzFuzzer.cpp - Fuzzes the NPZ and NPY readers ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Npy.h"

#include <cstdlib>

/// An array that a reader accepts must be consistent and survive a round trip.
static void check(const pcx::data::Result<pcx::data::Array> &array) {
  if (!array)
    return;
  auto expected = pcx::data::checkedBytes(
      array->dims, pcx::data::elementBytes(array->dtype));
  if (!expected || array->bytes.size() != *expected)
    std::abort();
  auto again = pcx::data::parseNpy(pcx::data::formatNpy(*array), "again");
  if (!again || again->dims != array->dims || again->bytes != array->bytes)
    std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  pcx::data::Bytes bytes = std::as_bytes(std::span(data, size));
  check(pcx::data::parseNpy(bytes, "input"));
  auto npz = pcx::data::NpzFile::parse({bytes.begin(), bytes.end()}, "input");
  if (npz)
    for (const std::string &name : npz->names())
      check(npz->read(name));
  return 0;
}
