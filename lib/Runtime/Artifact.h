//===- Artifact.h - The bytes of a .pcx file ----------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that can be said about an artifact without loading it.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_ARTIFACT_H
#define PCX_LIB_RUNTIME_ARTIFACT_H

#include "pcx/abi.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace pcx {

using Sha256 = std::array<uint8_t, 32>;

/// SHA-256 (FIPS 180-4) of `bytes`.
Sha256 sha256(std::span<const uint8_t> bytes);

/// Checks all of a .pcx file against its trailer and this machine, and returns
/// the trailer. Loads and runs nothing. `name` is the file in messages,
/// `hostFeatures` what hostCpuFeatures() returns.
///
/// Throws Error:
///   PCX_ERROR_FORMAT   no artifact, truncated, or any byte changed
///   PCX_ERROR_VERSION  written by a compiler with a newer PCX_ABI_VERSION
///   PCX_ERROR_CPU      for another kind of machine or a richer CPU
pcx_trailer_t verifyArtifact(std::span<const uint8_t> bytes,
                             const std::string &name, uint64_t hostFeatures);

} // namespace pcx

#endif // PCX_LIB_RUNTIME_ARTIFACT_H
