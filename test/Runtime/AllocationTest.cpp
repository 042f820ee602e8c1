//===- AllocationTest.cpp - A step allocates nothing ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts every use of operator new in the test's process; with a sanitizer,
// whose own operators these would replace, every allocation that it sees.
//
//===----------------------------------------------------------------------===//

#include "Fixtures.h"
#include "Session.h"

#include <atomic>
#include <cstdlib>
#include <latch>
#include <new>

using namespace pcx::test;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PCX_TEST_SANITIZER
#endif
#endif

static std::atomic<int64_t> allocations{0};

#ifdef PCX_TEST_SANITIZER
#include <sanitizer/allocator_interface.h>

[[maybe_unused]] static const int hooks =
    __sanitizer_install_malloc_and_free_hooks(
        [](const volatile void *, size_t) { ++allocations; },
        [](const volatile void *) {});
#else
void *operator new(size_t bytes) {
  ++allocations;
  if (void *memory = std::malloc(bytes ? bytes : 1))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
#endif

class AllocationTest : public ToyTest {
protected:
  // A thread that begins allocates, too, which sanitizers see; it may begin
  // late.
  AllocationTest() {
    std::latch begun(session->pool.workers());
    session->pool.forEach(session->pool.workers(),
                          [&](int64_t, int64_t) { begun.arrive_and_wait(); });
  }
};

TEST_F(AllocationTest, TheNumberOfStepsDoesNotChangeTheNumberOfAllocations) {
  constexpr int64_t width = 2048, count = 64;
  std::vector<uint8_t> bytes(size_t(count * width), 3);
  pcx_column_t column = {sizeof(column),
                         "wide",
                         bytes.data(),
                         bytes.size(),
                         PCX_U8,
                         PCX_ENCODE_AFFINE,
                         1,
                         0,
                         1};
  auto wide = uint32_t(pcx_module_find_program(module.get(), "wide"));
  pcx_data_t *made = nullptr;
  ASSERT_EQ(pcx_data_create(session.get(), wide, count, &column, 1, &made),
            PCX_OK)
      << pcx_last_error();
  Data data(made);
  std::vector<double> sums(count);
  pcx_array_t output = arrayOf(sums, PCX_F64);
  auto allocationsOf = [&](int64_t steps) {
    pcx_steps_t what = {};
    what.struct_size = sizeof(what);
    what.batch = 8;
    what.steps = steps;
    what.outputs = &output;
    what.output_count = 1;
    int64_t before = allocations;
    EXPECT_EQ(pcx_run_steps(session.get(), wide, data.get(), &what, nullptr, 0,
                            nullptr, nullptr),
              PCX_OK)
        << pcx_last_error();
    return allocations - before;
  };
  int64_t one = allocationsOf(1);
  // The counter does count.
  EXPECT_GT(one, 0);
  EXPECT_EQ(allocationsOf(8), one);
}

TEST_F(AllocationTest, ASingleRunAllocatesNothing) {
  std::vector<float> image(3 * 6, 1.0f), label(3 * 3, 1.0f), rows(3);
  pcx_array_t in[] = {arrayOf(image, PCX_F32), arrayOf(label, PCX_F32)};
  pcx_array_t out[5] = {};
  out[3] = arrayOf(rows, PCX_F32);
  int64_t before = allocations;
  pcx_status_t status = pcx_run(session.get(), train, 3, in, 2, out, 5);
  int64_t after = allocations;
  EXPECT_EQ(status, PCX_OK) << pcx_last_error();
  EXPECT_EQ(after, before);
}
