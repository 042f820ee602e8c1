//===- Description.h - What an artifact says about itself -------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The contents of the tables of include/pcx/abi.h, which says what each field
// means.
//
//===----------------------------------------------------------------------===//

#ifndef PC_ARTIFACT_DESCRIPTION_H
#define PC_ARTIFACT_DESCRIPTION_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/LLVM.h"
#include "pcx/abi.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace pc::artifact {

/// pcx_storage_t. `bytes` is the size of the allocation; empty `strides` mean
/// dense row major, and `bytes` 0 then means exactly that.
struct Storage {
  std::string name;
  pcx_storage_kind_t kind = PCX_PARAMETER;
  pcx_dtype_t dtype = PCX_F32;
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
  int64_t panel = 0;
  uint64_t bytes = 0;
  pcx_init_kind_t init = PCX_INIT_ZERO;
  double initArg0 = 0, initArg1 = 0;
  uint64_t initStream = 0;
};

/// pcx_hyper_t.
struct Hyper {
  std::string name;
  double value = 0;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool integral = false;
};

/// pcx_port_t.
struct Port {
  std::string name;
  pcx_dtype_t dtype = PCX_F32;
  bool perSample = true;
  std::vector<int64_t> dims;
  pcx_reduce_t reduce = PCX_REDUCE_NONE;
  uint32_t flags = 0;
};

/// pcx_kernel_info_t.
struct Kernel {
  std::string name;
  double flopsBase = 0, flopsPerSample = 0;
  double bytesBase = 0, bytesPerSample = 0;
  int64_t rows = 0;
};

/// pcx_kernel_use_t.
struct KernelUse {
  uint32_t kernel = 0;
  double calls = 0;
};

/// pcx_stage_info_t. `task` is the symbol of its function, whose address gets
/// into the table only if the code takes it as well.
struct Stage {
  std::string name;
  std::string task;
  double runs = 0;
  std::vector<KernelUse> uses;
};

/// pcx_variant_t.
struct Variant {
  std::string cpu;
  uint64_t required = 0;
  /// Symbol of the function of type pcx_run_fn in the module.
  std::string run;
  uint64_t workspaceBytes = 0;
  uint64_t workerBytes = 0;
  int64_t sampleBlock = 1;
  std::vector<Kernel> kernels;
  bool marked = false;
  std::vector<Stage> stages;
};

/// pcx_address_t.
struct Address {
  uint32_t array = 0;
  uint64_t offset = 0;
};

/// pcx_launch_t.
struct Launch {
  std::string kernel;
  uint32_t threads = 1;
  uint32_t sharedBytes = 0;
  bool cooperative = false;
  uint32_t cluster = 1;
  uint32_t blocks = 1;
  uint32_t samplesPerBlock = 0;
  double runs = 0;
  std::vector<KernelUse> uses;
  std::vector<Address> addresses;
};

/// pcx_device_variant_t.
struct DeviceVariant {
  std::string strategy;
  /// Symbol of the function of type pcx_device_run_fn in the module.
  std::string run;
  uint64_t workspaceBytes = 0;
  uint64_t blockBytes = 0;
  std::vector<Launch> launches;
  std::vector<Kernel> kernels;
};

/// pcx_image_t. PTX is without the NUL here.
struct Image {
  pcx_image_kind_t kind = PCX_IMAGE_PTX;
  uint32_t arch = 0;
  bool exact = false;
  std::string data;
  uint32_t plan = 0;
};

/// pcx_program_t. It has variants for CPUs, or one for each plan for devices,
/// or both.
struct Program {
  std::string name;
  pcx_role_t role = PCX_ROLE_OTHER;
  std::vector<Port> inputs;
  std::vector<Port> outputs;
  std::vector<Variant> variants;      ///< best first
  std::vector<DeviceVariant> devices; ///< by plan
  int64_t weightStepsPerCall = 0;
  std::vector<uint32_t> storageReads;
  std::vector<uint32_t> storageWrites;
};

/// pcx_artifact_t. The ABI version is that of abi.h.
struct Description {
  std::string compiler;
  std::string model;
  std::string sourceName;
  std::string sourceSha256;
  std::string options;
  pcx_dtype_t dtype = PCX_F32;
  int64_t maxBatch = 1;
  std::vector<Storage> storage;
  std::vector<Hyper> hypers;
  std::vector<Program> programs;
  std::vector<Image> images;

  /// The variant that runs on the most CPUs, whose name stands in the file's
  /// trailer. Null without programs.
  const Variant *getLowestVariant() const;

  /// The features in the file's trailer, without which some program has no code
  /// that runs. Each variant may need more, which others do not.
  uint64_t getRequiredFeatures() const;
};

/// "pcc 0.1.0"
std::string getCompilerName();

} // namespace pc::artifact

#endif // PC_ARTIFACT_DESCRIPTION_H
