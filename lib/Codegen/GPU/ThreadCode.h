//===- ThreadCode.h - Pieces of code for threads of a GPU -------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_CODEGEN_GPU_THREADCODE_H
#define PC_LIB_CODEGEN_GPU_THREADCODE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

namespace pc {

/// Threads of every block.
inline constexpr int64_t kThreads = 256;
/// Threads of a warp.
inline constexpr int64_t kWarp = 32;
inline constexpr int64_t kWarps = kThreads / kWarp;
/// Address spaces of the device's memory and of what a block shares.
inline constexpr unsigned kGlobalSpace = 1;
inline constexpr unsigned kSharedSpace = 3;

/// Bytes that one thread moves with one instruction, at most.
inline constexpr int64_t kVectorBytes = 16;

/// Makes a kernel, a function of `(table, scalars, n)`, at the end of `module`.
/// The table is in the device's memory, or among the parameters; then the
/// kernel is to get the attribute for it.
mlir::LLVM::LLVMFuncOp createKernel(mlir::gpu::GPUModuleOp module,
                                    mlir::Location loc, llvm::StringRef name,
                                    bool takesValues = false);

/// `value`, a number of 32 or 64 bits or an address, which LLVM then leaves
/// where it is made. It would move some of what a kernel does behind the
/// condition of what uses it, where the threads of a warp take turns, and leave
/// other things: nobody could tell what is carried out.
mlir::Value pinned(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value);

/// Elements of an array as a linear function of the indices of a space.
struct LinearAccess {
  mlir::Type element;
  llvm::SmallVector<int64_t> strides;
  int64_t offset = 0;
};

/// How an array lies: in the device's memory or in what a block shares, dense
/// or with `pitch` elements from one index of its first dimension to the next.
struct ArrayPlace {
  int64_t pitch = 0;
  bool shared = false;

  bool operator==(const ArrayPlace &) const = default;
};

/// Of an array of type `type` that is read at `map` of `rank` indices: dense,
/// or with `pitch` elements from one index of its first dimension to the next.
LinearAccess getLinearAccess(mlir::RankedTensorType type, mlir::AffineMap map,
                             unsigned rank, int64_t pitch = 0);

/// The same, of the array that begins at `pointer`.
struct Access : LinearAccess {
  mlir::Value pointer;
};

/// Emits integer arithmetic of 32 bits, memory accesses and control flow.
class ThreadCode {
public:
  ThreadCode(mlir::OpBuilder b, mlir::Location loc) : b(b), loc(loc) {}

  mlir::Value number(int64_t value);
  mlir::Value add(mlir::Value lhs, mlir::Value rhs);
  mlir::Value scaled(mlir::Value value, int64_t factor);
  /// Of numbers that are not negative.
  mlir::Value divided(mlir::Value value, int64_t by);
  mlir::Value rest(mlir::Value value, int64_t by);
  mlir::Value isLess(mlir::Value lhs, mlir::Value rhs);
  mlir::Value isEqual(mlir::Value lhs, mlir::Value rhs);
  /// A null condition always holds.
  mlir::Value both(mlir::Value lhs, mlir::Value rhs);

  mlir::Value elementAt(mlir::Value pointer, mlir::Type type,
                        mlir::Value index);
  mlir::Value getAddress(const Access &access,
                         llvm::ArrayRef<mlir::Value> indices);
  mlir::Value load(mlir::Type type, mlir::Value pointer);
  void store(mlir::Value value, mlir::Value pointer);
  /// `count` neighbouring elements with one instruction: their bytes are a
  /// power of two, and the address is a multiple of it.
  llvm::SmallVector<mlir::Value> loadMany(mlir::Type element, int64_t count,
                                          mlir::Value pointer);
  void storeMany(mlir::ValueRange values, mlir::Value pointer);
  /// Begins to copy 4, 8 or 16 bytes to shared memory, or, unless `exists`,
  /// zeros; then `from` is not read, nor is `any`, which is some address.
  void copyAsync(mlir::Value to, mlir::Value from, int64_t bytes,
                 mlir::Value exists, mlir::Value any);
  /// Ends the group of copies that the thread has begun since the last one.
  void commitCopies();
  /// Waits until at most `groups` of the thread's groups are on their way.
  void awaitCopies(int64_t groups);

  llvm::SmallVector<mlir::Value>
  loop(mlir::Value from, mlir::Value to, mlir::Value step,
       mlir::ValueRange carried,
       llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value,
                                                         mlir::ValueRange)>
           body);
  /// Without a condition always.
  void doIf(mlir::Value condition, llvm::function_ref<void()> body);
  /// What `body` makes of `values`, or these.
  llvm::SmallVector<mlir::Value>
  changeIf(mlir::Value condition, mlir::ValueRange values,
           llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange)>
               body);
  /// All threads of the block wait for each other.
  void barrier();

  mlir::OpBuilder b;
  mlir::Location loc;
};

} // namespace pc

#endif // PC_LIB_CODEGEN_GPU_THREADCODE_H
