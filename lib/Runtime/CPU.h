//===- CPU.h - What this CPU can run ------------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_CPU_H
#define PCX_LIB_RUNTIME_CPU_H

#include <cstdint>
#include <string>

namespace pcx {

/// pcx_cpu_feature_t bits that the CPU has and whose registers the operating
/// system saves. Asks the system for the use of AMX where it exists.
uint64_t hostCpuFeatures();

/// The features of a mask that the CPU `host` lacks; PCX_CPU_NATIVE asks for
/// nothing by itself.
uint64_t missingCpuFeatures(uint64_t required, uint64_t host);

/// "AVX2, FMA" and so on; "none" for 0.
std::string describeCpuFeatures(uint64_t features);

/// ELF e_machine of this process, or 0 when artifacts cannot run on it.
uint16_t hostElfMachine();

} // namespace pcx

#endif // PCX_LIB_RUNTIME_CPU_H
