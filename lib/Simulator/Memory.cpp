//===- Memory.cpp - Arrays of the simulated device ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace pc::sim;

/// As cuMemAlloc aligns.
static constexpr size_t kAlignment = 256;

void Array::Free::operator()(uint8_t *pointer) const { std::free(pointer); }

// Between arrays lies memory that is none, so that one that is overrun is not
// its neighbour.
Array::Array(size_t bytes)
    : bytes(bytes), data(static_cast<uint8_t *>(std::aligned_alloc(
                        kAlignment, (bytes / kAlignment + 2) * kAlignment))),
      initialised(data ? bytes : 0), cells(data ? bytes / pageCells + 1 : 0) {
  // A recognisable number, but for who reads it without having written it.
  if (data)
    std::memset(data.get(), 0xfb, bytes);
}

bool Array::isInitialised(size_t offset, size_t count) const {
  return std::find(initialised.begin() + offset,
                   initialised.begin() + offset + count,
                   false) == initialised.begin() + offset + count;
}

void Array::setInitialised(size_t offset, size_t count) {
  std::fill_n(initialised.begin() + offset, count, true);
}

Cell &Array::getCell(size_t offset) {
  std::unique_ptr<Cell[]> &page = cells[offset / pageCells];
  if (!page)
    page = std::make_unique<Cell[]>(pageCells);
  return page[offset % pageCells];
}

void *Memory::allocate(size_t bytes) {
  auto array = std::make_unique<Array>(bytes);
  uint8_t *address = array->begin();
  if (address)
    arrays[reinterpret_cast<uintptr_t>(address)] = std::move(array);
  return address;
}

bool Memory::release(void *address) {
  last = nullptr;
  return arrays.erase(reinterpret_cast<uintptr_t>(address)) == 1;
}

Array *Memory::findBefore(const void *address) {
  auto next = arrays.upper_bound(reinterpret_cast<uintptr_t>(address));
  return next == arrays.begin() ? nullptr : std::prev(next)->second.get();
}

Array *Memory::find(const void *address, size_t bytes) {
  if (!last || !last->has(address, bytes))
    last = findBefore(address);
  return last && last->has(address, bytes) ? last : nullptr;
}
