//===- ArtifactFile.h - Artifacts made by hand --------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_RUNTIME_ARTIFACTFILE_H
#define PCX_TEST_RUNTIME_ARTIFACTFILE_H

#include "pcx/abi.h"

#include <cstdint>
#include <string>
#include <vector>

namespace pcx::test {

using Bytes = std::vector<uint8_t>;

/// What a test may want a trailer to say.
struct TrailerOptions {
  uint32_t abiVersion = PCX_ABI_VERSION;
  std::string isa = "x86-64";
  std::string compiler = "pcc 0.1.0";
  uint64_t requiredCpu = 0;
};

/// A whole .pcx file around a shared object: marks it and appends a trailer.
Bytes makeArtifact(Bytes object, const TrailerOptions &options = {});

/// Makes the hash of an artifact fit its bytes again, after a test changed
/// some.
void sealArtifact(Bytes &artifact);

} // namespace pcx::test

#endif // PCX_TEST_RUNTIME_ARTIFACTFILE_H
