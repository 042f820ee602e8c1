//===- Module.h - A loaded artifact -------------------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_MODULE_H
#define PCX_LIB_RUNTIME_MODULE_H

#include "pcx/pcx.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pcx {

/// Bytes of one element; 0 for an unknown pcx_dtype_t.
size_t dtypeBytes(uint32_t dtype);
/// Whether a device holds storage of that type: integers stay with the host.
inline bool isOnDevice(uint32_t dtype) {
  return dtype == PCX_F32 || dtype == PCX_F64;
}
/// "f32" and so on.
const char *dtypeName(uint32_t dtype);
/// "784x128", "scalar" for rank 0.
std::string shapeName(const int64_t *dims, uint32_t rank);

/// Number of elements of a checked description: of one sample for a per-sample
/// port.
int64_t elementCount(const pcx_port_t &port);
int64_t elementCount(const pcx_storage_t &storage);
/// Dense bytes of the same.
uint64_t denseBytes(const pcx_port_t &port);
uint64_t denseBytes(const pcx_storage_t &storage);

/// A table of descriptions in our own layout. What the artifact holds may have
/// longer structs (it was written against a later header of the same ABI
/// version), so its arrays cannot be indexed; these can.
class Description {
public:
  /// Copies and checks the table that the query function returned; `name` is
  /// the file in messages. Throws Error(PCX_ERROR_FORMAT).
  Description(const pcx_artifact_t *table, const std::string &name);
  Description(const Description &) = delete;
  Description &operator=(const Description &) = delete;

  pcx_artifact_t artifact;

private:
  struct ProgramArrays {
    std::vector<pcx_port_t> inputs, outputs;
    std::vector<pcx_variant_t> variants;
    std::vector<std::vector<pcx_kernel_info_t>> kernels;
    std::vector<std::vector<pcx_stage_info_t>> stages;
    std::vector<std::vector<pcx_kernel_use_t>> uses;
    std::vector<std::vector<pcx_address_t>> addresses;
    std::vector<pcx_device_variant_t> devices;
    std::vector<std::vector<pcx_launch_t>> launches;
    std::vector<std::vector<pcx_kernel_info_t>> deviceKernels;
  };
  std::vector<pcx_storage_t> storage;
  std::vector<pcx_hyper_t> hypers;
  std::vector<pcx_program_t> programs;
  std::vector<ProgramArrays> arrays;
  std::vector<pcx_image_t> images;
};

/// "ptx sm_80, cubin sm_90a"; "none".
std::string describeImages(const pcx_artifact_t &artifact);
/// Whether any program has code for devices.
bool hasDeviceCode(const pcx_artifact_t &artifact);

/// A shared object that the dynamic linker took from a copy of verified bytes.
class LoadedObject {
public:
  /// Loads `payload`, the ELF object of the artifact `name`. Throws Error.
  LoadedObject(std::span<const uint8_t> payload, const std::string &name);
  ~LoadedObject();
  LoadedObject(const LoadedObject &) = delete;
  LoadedObject &operator=(const LoadedObject &) = delete;

  /// Address of an exported symbol, or NULL.
  void *symbol(const char *symbol) const;

private:
  /// Opens the copy; returns what the linker said, "" on success.
  std::string openAt(const std::string &path);

  /// The linker tells objects apart by path, and a path through the descriptor
  /// must not be used again while the object is loaded: so it stays open.
  int descriptor = -1;
  void *handle = nullptr;
};

/// Kinds of names that a module can be asked for.
enum class NameKind { Program, Storage, Hyper };

} // namespace pcx

/// A verified, loaded and checked artifact. Immutable.
struct pcx_module_t {
  /// Loads verified bytes for a CPU with these features. Throws Error.
  pcx_module_t(std::span<const uint8_t> bytes, const std::string &name,
               uint64_t hostFeatures);
  ~pcx_module_t();
  pcx_module_t(const pcx_module_t &) = delete;
  pcx_module_t &operator=(const pcx_module_t &) = delete;

  const pcx_artifact_t &info() const { return description->artifact; }
  /// The variant that this CPU runs; for programs that have one.
  const pcx_variant_t &variant(uint32_t program) const {
    return info().programs[program].variants[chosen[program]];
  }
  /// Throws Error(PCX_ERROR_CPU) if a program was compiled for devices only.
  void requireCpuCode() const;
  /// Throws Error(PCX_ERROR_ARGUMENT) with the nearest match.
  uint32_t find(pcx::NameKind kind, std::string_view name) const;
  /// The checked program; throws Error(PCX_ERROR_ARGUMENT) past the last one.
  const pcx_program_t &program(uint32_t index) const;

  const std::string name; ///< of the file

private:
  pcx::LoadedObject object;
  std::unique_ptr<pcx::Description> description;
  std::vector<uint32_t> chosen; ///< variant of each program
};

#endif // PCX_LIB_RUNTIME_MODULE_H
