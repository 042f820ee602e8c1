//===- ArtifactFile.cpp - Artifacts made by hand --------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ArtifactFile.h"
#include "Artifact.h"

#include <cstring>

using namespace pcx;
using namespace pcx::test;

Bytes pcx::test::makeArtifact(Bytes object, const TrailerOptions &options) {
  std::memcpy(object.data() + PCX_IDENT_OFFSET, "PCX", 4);
  pcx_trailer_t trailer = {};
  std::memcpy(trailer.magic, PCX_TRAILER_MAGIC, sizeof(trailer.magic));
  trailer.trailer_bytes = sizeof(trailer);
  trailer.abi_version = options.abiVersion;
  trailer.payload_bytes = object.size();
  options.isa.copy(trailer.isa, sizeof(trailer.isa) - 1);
  options.compiler.copy(trailer.compiler, sizeof(trailer.compiler) - 1);
  trailer.required_cpu = options.requiredCpu;
  auto *from = reinterpret_cast<const uint8_t *>(&trailer);
  object.insert(object.end(), from, from + sizeof(trailer));
  sealArtifact(object);
  return object;
}

void pcx::test::sealArtifact(Bytes &artifact) {
  size_t covered = artifact.size() - sizeof(Sha256);
  Sha256 digest = sha256({artifact.data(), covered});
  std::memcpy(artifact.data() + covered, digest.data(), digest.size());
}
