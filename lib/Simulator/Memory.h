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
  uint32_t time = 0;     ///< of the launch: it goes on at every fence
  uint32_t epoch = 0;    ///< barriers of the block before
  uint32_t warpTime = 0; ///< barriers of the warp before
  uint16_t thread = 0;
  bool atomic = false;
  uint32_t site = 0;
};

/// The last uses of a byte.
struct Cell {
  Mark writer, reader, atomicReader;
  /// Lanes of the reader's warp that have read it since the same barrier of the
  /// block, but for those that the last reader knows to be done.
  uint32_t readerLanes = 0;
  /// Whether another warp has read it since that.
  bool manyWarps = false;
};

/// Bytes with what is known of each.
class Array {
public:
  explicit Array(size_t bytes);
  uint8_t *begin() const { return data.get(); }
  size_t size() const { return bytes; }
  bool isInitialised(size_t offset, size_t count) const;
  void setInitialised(size_t offset, size_t count);
  Cell &getCell(size_t offset);
  /// Where an address is in it: more than its size if it is not.
  size_t getOffset(const void *address) const {
    return reinterpret_cast<uintptr_t>(address) -
           reinterpret_cast<uintptr_t>(begin());
  }
  bool has(const void *address, size_t count) const {
    size_t offset = getOffset(address);
    return offset <= bytes && count <= bytes - offset;
  }

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
