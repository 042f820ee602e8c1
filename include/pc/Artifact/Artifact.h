//===- Artifact.h - From the LLVM dialect to a .pcx file --------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything happens in this process and needs nothing of the system: LLVM
// makes an object in memory, lld links it against nothing. The bytes depend on
// the module, the description and the options alone.
//
//===----------------------------------------------------------------------===//

#ifndef PC_ARTIFACT_ARTIFACT_H
#define PC_ARTIFACT_ARTIFACT_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Support/LLVM.h"
#include "pc/Artifact/Description.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <memory>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace pc::artifact {

/// What is produced.
enum class Emit {
  LLVMIR,   ///< optimised LLVM IR, text
  Assembly, ///< text
  Object,   ///< relocatable ELF object
  Artifact  ///< .pcx
};

struct EmitOptions {
  /// 0 to 3, as LLVM's -O.
  unsigned optLevel = 3;
  /// Keep frame pointers and unwind tables, for gdb and perf. Line tables are
  /// emitted for functions that have a debug scope, which upstream's pass
  /// ensure-debug-info-scope-on-llvm-func attaches.
  bool debugInfo = false;
};

/// Adds to `module` the constant tables of include/pcx/abi.h and the exported
/// function that returns them. Fails, with a diagnostic, when a variant's
/// function is missing or not of type i32 (ptr).
mlir::LogicalResult
emitTable(llvm::Module &module, const Description &description,
          llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

/// Completes emitTable() after the optimiser: the functions of stages whose
/// address the code still takes. Before it, one more address would keep what
/// can be inlined, and the code would be another one.
void setStageTasks(llvm::Module &module);

/// Runs LLVM's default passes of -O0 to -O3 with `machine`'s cost model. No
/// function of a library is known to them.
void optimize(llvm::Module &module, llvm::TargetMachine &machine,
              unsigned optLevel);

/// Compiles `module`, which is in the LLVM dialect, and appends the result to
/// `output`. Functions are compiled for the CPU that their own attributes name
/// (CPUTarget::setAttributes), or for plain x86-64. Nothing but the query
/// function is visible outside of the artifact, and no symbol stays undefined:
/// a function of a library that the module still calls is an error.
///
/// Not for use by two threads at once: lld is not re-entrant. Calls are
/// serialised.
mlir::LogicalResult emit(mlir::ModuleOp module, const Description &description,
                         Emit kind, const EmitOptions &options,
                         llvm::SmallVectorImpl<char> &output);

/// Links relocatable objects into a shared object that exports the query
/// function.
mlir::FailureOr<llvm::SmallVector<char, 0>>
linkObjects(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects,
            llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

/// Marks a shared object as an artifact and appends the trailer.
void addTrailer(llvm::SmallVectorImpl<char> &object,
                const Description &description);

/// Writes a file so that it appears complete or not at all: an old file at
/// `path` survives a failure. "-" is standard output; a device or a pipe is
/// written to directly.
mlir::LogicalResult
writeFile(llvm::StringRef path, llvm::ArrayRef<char> bytes,
          llvm::function_ref<mlir::InFlightDiagnostic()> emitError);

} // namespace pc::artifact

#endif // PC_ARTIFACT_ARTIFACT_H
