//===- Target.h - What code generation knows of a CPU -----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A CPUTarget is what `--mcpu` names. Tiles, vector widths and function
// attributes come from it, never from the machine that the compiler runs on.
//
//===----------------------------------------------------------------------===//

#ifndef PC_CODEGEN_CPU_TARGET_H
#define PC_CODEGEN_CPU_TARGET_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <string>

namespace pc {

/// How a CPU multiplies operands of bfloat16 into sums of float32.
enum class NarrowProducts {
  None,
  Vectors, ///< AVX-512 BF16: pairs of elements in 512-bit registers
  Tiles    ///< AMX: 16 by 16 sums of 32 products an instruction
};

/// One CPU that code is generated for.
///
/// The instructions that its code may use are those of an x86-64 level plus
/// the extensions that have a bit in pcx_cpu_feature_t, so that the runtime can
/// tell from CPUID alone whether the code runs; what else the named CPU has is
/// left off. Its scheduling model is used in full.
struct CPUTarget {
  /// Name for people and for the artifact: "x86-64-v3", "znver4". Of
  /// `--mcpu=native` the name of the CPU that was found, with the level of its
  /// instructions ("znver4-v3") where some that the CPU should have are masked.
  std::string name;
  /// LLVM's `target-cpu`: "x86-64-v3" or "x86-64-v4".
  std::string llvmCPU;
  /// LLVM's `tune-cpu`: the named CPU.
  std::string tuneCPU;
  /// LLVM's `target-features` beyond those of llvmCPU: "+avx512bf16", ...
  llvm::SmallVector<std::string> features;
  /// Width of the widest vector register and the number of them.
  unsigned vectorBits = 256;
  unsigned vectorRegisters = 16;
  /// Vectors of columns that the register tile of a product is wide, where it
  /// has rows enough.
  static constexpr unsigned tileVectors = 2;
  /// Data caches of one core that the tile sizes assume, in bytes.
  uint64_t l1Bytes = 32 * 1024;
  uint64_t l2Bytes = 512 * 1024;
  /// Whether code may use AMX where the CPU has it.
  bool tiles = true;
  /// pcx_cpu_feature_t bits that the code needs.
  uint64_t required = 0;

  /// Parses a name of `--mcpu`: "native", an x86-64 level (v3 or v4) or any CPU
  /// that LLVM knows and that has at least x86-64-v3. Everything but "native"
  /// gives the same target on every machine. An unknown or too old name is an
  /// error, with the nearest known one; without `emitError` nothing is said.
  static mlir::FailureOr<CPUTarget>
  parse(llvm::StringRef name,
        llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

  /// The features as LLVM's `-mattr` takes them: "+a,-b".
  std::string getFeatureString() const;

  /// The widest instructions for products of bfloat16.
  NarrowProducts getNarrowProducts() const;

  /// Elements of `bits` bits in one vector register.
  unsigned getLanes(unsigned bits) const { return vectorBits / bits; }

  /// Bytes of a row of such a tile.
  unsigned getTileBytes() const { return tileVectors * vectorBits / 8; }

  /// Makes LLVM compile `func` for this target, whatever the module's is.
  void setAttributes(mlir::LLVM::LLVMFuncOp func) const;
};

} // namespace pc

#endif // PC_CODEGEN_CPU_TARGET_H
