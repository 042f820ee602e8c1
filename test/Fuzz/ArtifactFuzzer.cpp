//===- ArtifactFuzzer.cpp - Any bytes as an artifact ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Verifying loads nothing, so any bytes may be tried. Almost none have a hash
// that fits; so every input is tried again after it was given one, which brings
// the fuzzer to the checks behind it.
//
//===----------------------------------------------------------------------===//

#include "Artifact.h"
#include "pcx/Support/Error.h"

#include <cstdlib>
#include <cstring>
#include <vector>

using namespace pcx;

/// Ends the run when what was accepted contradicts the contract.
static void verify(std::span<const uint8_t> bytes) {
  try {
    pcx_trailer_t trailer = verifyArtifact(bytes, "input.pcx", 0);
    if (trailer.payload_bytes + sizeof(trailer) != bytes.size() ||
        trailer.abi_version == 0 || trailer.abi_version > PCX_ABI_VERSION ||
        !std::memchr(trailer.isa, 0, sizeof(trailer.isa)))
      std::abort();
  } catch (const Error &) {
    // Refused: the one other way to end.
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  verify({data, size});
  if (size < sizeof(pcx_trailer_t))
    return 0;
  std::vector<uint8_t> sealed(data, data + size);
  uint8_t *trailer = sealed.data() + size - sizeof(pcx_trailer_t);
  std::memcpy(trailer, PCX_TRAILER_MAGIC, 8);
  size_t covered = size - sizeof(Sha256);
  Sha256 digest = sha256({sealed.data(), covered});
  std::memcpy(sealed.data() + covered, digest.data(), digest.size());
  verify(sealed);
  return 0;
}
