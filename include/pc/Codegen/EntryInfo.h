//===- EntryInfo.h - What compiled programs say of themselves ---*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `pc-emit-cpu` leaves everything that the artifact's table needs as
// attributes: which persistent arrays and hyper-parameters the module has, in
// the order in which compiled code indexes them, and of every entry function
// what it is.
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_ENTRYINFO_H
#define PC_CODEGEN_ENTRYINFO_H

#include "mlir/IR/BuiltinOps.h"
#include "pc/Dialect/PC/IR/PC.h"

#include <vector>

namespace pc {

/// An array or a number that crosses the border of a program.
struct PortInfo {
  PortAttr port;
  /// Tensor (a leading dynamic dimension: per sample) or scalar, as the user
  /// sees it: a detail `strides` of the port says how it lies in memory if that
  /// is not dense and row major.
  mlir::Type type;
};

/// What a thread block does of a kernel for devices at a time, for the cost
/// model.
struct KernelUnits {
  /// Units of one call.
  double count = 1;
  /// Blocks of samples, for each of which one block does them all; 0 where all
  /// blocks share them.
  double blocksOfSamples = 0;
  /// Of one unit: floating-point operations on ordinary units and on tensor
  /// cores, on operands of so many bits; bytes of the device's memory; passes
  /// over the banks of shared memory; and how often it waits for memory.
  double flops = 0, tensorFlops = 0;
  int64_t bits = 32;
  double bytes = 0, sharedPasses = 0, trips = 0;
  /// How often a warp waits for shared memory, and products of its that follow
  /// each other because one is added to another.
  double turns = 0, chain = 0;
};

/// One kernel; see pcx_kernel_info_t.
struct KernelInfo {
  mlir::StringAttr name;
  double flopsBase, flopsPerSample, bytesBase, bytesPerSample;
  int64_t rows;
  /// Of a kernel for devices.
  KernelUnits units = {};
};

/// One stage; see pcx_stage_info_t.
struct StageInfo {
  mlir::StringAttr name;
  /// Symbol of its function in the module.
  mlir::StringAttr task;
  double runs;
  /// Index of a kernel and its calls.
  llvm::SmallVector<std::pair<int64_t, double>> uses;
};

/// One launch; see pcx_launch_t.
struct LaunchInfo {
  mlir::StringAttr kernel;
  int64_t threads, sharedBytes;
  bool cooperative;
  int64_t cluster, blocks, samplesPerBlock;
  double runs;
  /// Index of a kernel and its calls.
  llvm::SmallVector<std::pair<int64_t, double>> uses;
  /// Numbers of arrays and offsets, in turn; see pcx_address_t.
  llvm::ArrayRef<int64_t> addresses;
};

/// One program compiled for one CPU: a function `i32 (ptr)` of
/// pcx_run_args_t; or, with a strategy, what of a program for devices is the
/// host's: a function of pcx_device_args_t.
struct EntryInfo {
  /// Symbol of the function in the module.
  mlir::StringAttr symbol;
  /// Name of the program and of the CPU, as CPUTarget calls it.
  mlir::StringAttr program, cpu;
  ProgramInfoAttr info;
  int64_t maxBatch, sampleBlock;
  uint64_t required, workspaceBytes, workerBytes;
  llvm::SmallVector<PortInfo> inputs, outputs;
  /// Indices into ModuleInfo::storage.
  llvm::SmallVector<int64_t> storageReads, storageWrites;
  llvm::SmallVector<KernelInfo> kernels;
  /// Compiled with calls of pcx_host_t::mark.
  bool marked;
  std::vector<StageInfo> stages;
  /// Of a program for devices; see pcx_device_variant_t.
  mlir::StringAttr strategy;
  std::vector<LaunchInfo> launches;
  /// How often all blocks of a launch meet in a call.
  double meets = 0;
};

struct ModuleInfo {
  /// Persistent arrays, indexed by pcx_run_args_t::storage.
  llvm::SmallVector<PortInfo> storage;
  /// Hyper-parameters, indexed by pcx_run_args_t::hypers.
  llvm::SmallVector<PortAttr> hypers;
  /// Programs in the order of the source, the variants of each together and in
  /// the order in which the CPUs were named.
  std::vector<EntryInfo> entries;
};

/// Reads the attributes of a module that `pc-emit-cpu` made, also after its
/// lowering to the LLVM dialect.
ModuleInfo getModuleInfo(mlir::ModuleOp module);

} // namespace pc

#endif // PC_CODEGEN_ENTRYINFO_H
