//===- Memory.h - Arrays of the simulated device ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_SIMULATOR_MEMORY_H
#define PC_LIB_SIMULATOR_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace pc::sim {

/// When and by whom a piece of memory was used.
struct Mark {
  uint32_t launch = 0; ///< 0: never
  uint32_t block = 0;
  uint32_t clock = 0; ///< of the block, between its releases
  uint32_t epoch = 0; ///< barriers of the block before
  uint32_t warpEpoch = 0;
  uint16_t thread = 0;
  bool atomic = false;
  uint32_t site = 0;
};

/// The last uses of two bytes, the smallest element there is.
struct Cell {
  Mark writer, reader;
  /// Whether other threads have read it since `reader.epoch`, of other warps,
  /// of other blocks.
  bool manyThreads = false, manyWarps = false, manyBlocks = false;
};
constexpr size_t kCellBytes = 2;

/// Bytes with what is known of each.
class Array {
public:
  explicit Array(size_t bytes);
  uint8_t *begin() const { return data.get(); }
  size_t size() const { return bytes; }
  bool isInitialised(size_t offset, size_t count) const;
  void setInitialised(size_t offset, size_t count);
  Cell &getCell(size_t offset);
  /// As if it were new.
  void forget();

private:
  static constexpr size_t pageCells = 512;
  struct Free {
    void operator()(uint8_t *pointer) const;
  };
  size_t bytes;
  std::unique_ptr<uint8_t[], Free> data;
  std::vector<bool> initialised;
  std::vector<std::unique_ptr<Cell[]>> cells;
};

/// All arrays of a device, by address.
class Memory {
public:
  void *allocate(size_t bytes);
  bool release(void *address);
  /// The array with this address; the one before it, if there is one, where no
  /// array has it. Null if there is none.
  Array *findBefore(const void *address);
  /// The array that has all these bytes; null if none has.
  Array *find(const void *address, size_t bytes);

private:
  std::map<uintptr_t, std::unique_ptr<Array>> arrays;
  Array *last = nullptr;
};

} // namespace pc::sim

#endif // PC_LIB_SIMULATOR_MEMORY_H
