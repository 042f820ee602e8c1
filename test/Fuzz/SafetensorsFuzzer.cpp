//===- SafetensorsFuzzer.cpp - Any bytes as a checkpoint ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The first eight bytes announce the header's length, which random changes
// rarely get right: every input is tried as it is and as a header alone.
//
//===----------------------------------------------------------------------===//

#include "Safetensors.h"
#include "pcx/Support/Error.h"

#include <cstdlib>
#include <vector>

using namespace pcx;

/// Ends the run when a tensor that was accepted lies outside of the file or has
/// another size than its shape.
static void parse(std::span<const uint8_t> bytes) {
  try {
    Safetensors file = parseSafetensors(bytes, "input.safetensors");
    for (const auto &[name, tensor] : file.tensors) {
      size_t size = safetensorsDtypeBytes(tensor.dtype);
      for (int64_t dim : tensor.shape)
        size *= size_t(dim);
      if (size != tensor.data.size() || tensor.data.data() < bytes.data() ||
          tensor.data.data() + size > bytes.data() + bytes.size())
        std::abort();
    }
  } catch (const Error &) {
    // Refused: the one other way to end.
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  parse({data, size});
  // A header of everything but its last bytes, which become the data.
  size_t dataBytes = size ? data[0] % 32 : 0;
  if (size < dataBytes)
    return 0;
  std::vector<uint8_t> whole;
  for (int i = 0; i < 8; ++i)
    whole.push_back(uint8_t(uint64_t(size - dataBytes) >> (8 * i)));
  whole.insert(whole.end(), data, data + size);
  parse(whole);
  return 0;
}
