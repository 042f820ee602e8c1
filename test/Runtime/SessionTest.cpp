//===- SessionTest.cpp - Storage, initialisers, hyper-parameters ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "CPUExecutor.h"
#include "Fixtures.h"
#include "Random.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace pcx;
using namespace pcx::test;

/// The arrays as they lie.
static std::vector<std::span<std::byte>> &storageOf(const Session &session) {
  return dynamic_cast<CPUExecutor &>(*session->executor).storage;
}

// A request that is too large is one of the tests: it must return NULL here as
// it does in the plain C library.
extern "C" const char *__asan_default_options();
extern "C" const char *__asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" const char *__tsan_default_options();
extern "C" const char *__tsan_default_options() {
  return "allocator_may_return_null=1";
}

using SessionTest = ToyTest;

TEST_F(SessionTest, BeginsWithZerosAndDefaults) {
  EXPECT_THAT(readStorage<float>(session, "fc1.weight", 12),
              testing::Each(0.0f));
  EXPECT_THAT(readStorage<uint8_t>(session, "mask", 12), testing::Each(0));
  double value = 0;
  ASSERT_EQ(pcx_get_hyper(session.get(), "w_lr", &value), PCX_OK);
  EXPECT_EQ(value, 0.125);
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.call, 0u);
  EXPECT_EQ(pcx_session_threads(session.get()), 2u);
  EXPECT_GE(pcx_session_bytes(session.get()), 96u + 48 + 8 + 40 + 64 + 40);
}

TEST_F(SessionTest, UsesTheProcessesCpusByDefault) {
  pcx_session_t *made = nullptr;
  ASSERT_EQ(pcx_session_create(module.get(), nullptr, &made), PCX_OK);
  Session owned(made);
  EXPECT_EQ(pcx_session_threads(made), availableCpus());
}

TEST_F(SessionTest, RefusesAbsurdNumbersOfThreads) {
  pcx_session_options_t options = {sizeof(options), 5000, nullptr};
  pcx_session_t *made = nullptr;
  EXPECT_TRUE(failedWith(pcx_session_create(module.get(), &options, &made),
                         PCX_ERROR_ARGUMENT, {"5000", "1024"}));
  options = {2, 1, nullptr};
  EXPECT_TRUE(failedWith(pcx_session_create(module.get(), &options, &made),
                         PCX_ERROR_ARGUMENT, {"struct_size"}));
  EXPECT_EQ(made, nullptr);
}

TEST_F(SessionTest, ArraysAreDenseWhateverTheirLayout) {
  for (const char *name : {"fc1.weight", "fc2.weight"}) {
    std::vector<float> values(12);
    std::iota(values.begin(), values.end(), 1.0f);
    writeStorage(session, name, values);
    EXPECT_EQ(readStorage<float>(session, name, 12), values) << name;
  }
  std::vector<uint8_t> mask(12);
  std::iota(mask.begin(), mask.end(), uint8_t(1));
  writeStorage(session, "mask", mask);
  EXPECT_EQ(readStorage<uint8_t>(session, "mask", 12), mask);
}

TEST_F(SessionTest, ElementsLieWhereTheStridesSay) {
  std::vector<float> values(12);
  std::iota(values.begin(), values.end(), 1.0f);
  writeStorage(session, "fc1.weight", values);
  writeStorage(session, "fc2.weight", values);
  auto *padded = reinterpret_cast<float *>(storageOf(session)[0].data());
  auto *transposed = reinterpret_cast<float *>(storageOf(session)[1].data());
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) {
      EXPECT_EQ(padded[r * 8 + c], values[size_t(r * 4 + c)]);
      EXPECT_EQ(transposed[r + c * 3], values[size_t(r * 4 + c)]);
    }
  // The padding stays zero.
  for (int r = 0; r < 3; ++r)
    for (int c = 4; c < 8 && r * 8 + c < 24; ++c)
      EXPECT_EQ(padded[r * 8 + c], 0);

  std::vector<uint8_t> mask(12);
  std::iota(mask.begin(), mask.end(), uint8_t(1));
  writeStorage(session, "mask", mask);
  auto *bytes = reinterpret_cast<uint8_t *>(storageOf(session)[5].data());
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 3; ++b)
      for (int c = 0; c < 2; ++c)
        EXPECT_EQ(bytes[a * 2 + b * 10 + c], mask[size_t(a * 6 + b * 2 + c)]);
}

TEST(Panels, LieWhereTheInterfaceSaysAndAreSeenDense) {
  constexpr int64_t rows = 3, columns = 10, panel = 4;
  for (bool transposed : {false, true}) {
    pcx_storage_t storage = {};
    storage.dtype = PCX_I32;
    storage.rank = 2;
    storage.panel = panel;
    storage.dims[transposed ? 1 : 0] = rows;
    storage.dims[transposed ? 0 : 1] = columns;
    storage.strides[transposed ? 1 : 0] = columns;
    storage.strides[transposed ? 0 : 1] = 1;
    std::vector<int32_t> dense(rows * columns), placed(rows * columns, -1);
    std::iota(dense.begin(), dense.end(), 0);
    copyFromDense(storage, dense.data(), placed.data());
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        int64_t p = c - c % panel;
        EXPECT_EQ(
            placed[size_t(p * rows + r * std::min(panel, columns - p) + c - p)],
            dense[size_t(transposed ? c * rows + r : r * columns + c)])
            << r << ", " << c << (transposed ? ", transposed" : "");
      }
    std::vector<int32_t> back(rows * columns, -1);
    copyToDense(storage, placed.data(), back.data());
    EXPECT_EQ(back, dense);
  }
}

TEST_F(SessionTest, ArraysOfTheWrongSizeOrNameAreRefused) {
  std::vector<float> values(11);
  EXPECT_TRUE(failedWith(
      pcx_read_storage(session.get(), "fc1.weight", values.data(), 44),
      PCX_ERROR_ARGUMENT,
      {"'fc1.weight'", "3x4 of f32", "expected 48", "found 44"}));
  EXPECT_TRUE(failedWith(
      pcx_write_storage(session.get(), "fc3.weight", values.data(), 48),
      PCX_ERROR_ARGUMENT, {"'fc3.weight'", "did you mean 'fc1.weight'?"}));
}

TEST_F(SessionTest, InitialisersFollowTheDocumentedMapping) {
  constexpr uint64_t seed = 0x123456789abcdef0;
  ASSERT_EQ(pcx_session_initialise(session.get(), seed), PCX_OK);
  const pcx_artifact_t *info = pcx_module_info(module.get());
  for (uint32_t s : {0u, 1u}) {
    // The dense elements, whatever the layout is.
    auto values = readStorage<float>(session, info->storage[s].name, 12);
    std::vector<double> expected(12);
    initialiserValues(info->storage[s], seed, 0, expected);
    for (size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(values[i], float(expected[i])) << i;
  }
  EXPECT_THAT(readStorage<double>(session, "running.mean", 5),
              testing::Each(1.5));
  EXPECT_THAT(readStorage<int32_t>(session, "h1", 16), testing::Each(-7));
  EXPECT_THAT(readStorage<uint8_t>(session, "mask", 12), testing::Each(200));
}

TEST_F(SessionTest, InitialisingForgetsEverythingButTheHypers) {
  ASSERT_EQ(pcx_session_initialise(session.get(), 1), PCX_OK);
  auto before = readStorage<float>(session, "fc1.weight", 12);
  writeStorage(session, "fc1.weight", std::vector<float>(12, 3.0f));
  writeStorage(session, "adamw.count", std::vector<int64_t>{99});
  pcx_counters_t counters = {5, 6, 7, 8};
  pcx_set_counters(session.get(), &counters);
  ASSERT_EQ(pcx_set_hyper(session.get(), "w_lr", 0.75), PCX_OK);
  ASSERT_EQ(pcx_session_initialise(session.get(), 1), PCX_OK);
  EXPECT_EQ(readStorage<float>(session, "fc1.weight", 12), before);
  EXPECT_EQ(readStorage<int64_t>(session, "adamw.count", 1)[0], 0);
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.seed, 1u);
  EXPECT_EQ(counters.call, 0u);
  EXPECT_EQ(counters.total_steps, 0);
  EXPECT_EQ(counters.epoch, 0);
  double value = 0;
  ASSERT_EQ(pcx_get_hyper(session.get(), "w_lr", &value), PCX_OK);
  EXPECT_EQ(value, 0.75);
}

TEST_F(SessionTest, InitialValuesDoNotDependOnTheThreadsOrTheCaller) {
  ASSERT_EQ(pcx_session_initialise(session.get(), 42), PCX_OK);
  auto expected = readStorage<float>(session, "fc2.weight", 12);
  std::fenv_t old;
  std::fegetenv(&old);
  std::fesetround(FE_UPWARD);
  for (uint32_t threads : {1u, 3u, 7u}) {
    Session other = makeSession(module, threads);
    ASSERT_EQ(pcx_session_initialise(other.get(), 42), PCX_OK);
    EXPECT_EQ(readStorage<float>(other, "fc2.weight", 12), expected);
  }
  // The caller's modes are still its own.
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetenv(&old);
}

TEST_F(SessionTest, HyperParametersKeepTheirBounds) {
  EXPECT_TRUE(failedWith(pcx_set_hyper(session.get(), "w_lr", 1.5),
                         PCX_ERROR_ARGUMENT,
                         {"'w_lr'", "1.5", "expected 0 to 1"}));
  EXPECT_TRUE(failedWith(pcx_set_hyper(session.get(), "w_lr", NAN),
                         PCX_ERROR_ARGUMENT, {"'w_lr'", "nan"}));
  EXPECT_TRUE(failedWith(pcx_set_hyper(session.get(), "steps", 2.5),
                         PCX_ERROR_ARGUMENT, {"'steps'", "whole number"}));
  EXPECT_TRUE(failedWith(pcx_set_hyper(session.get(), "w_lrr", 0.5),
                         PCX_ERROR_ARGUMENT, {"did you mean 'w_lr'?"}));
  double value = 0;
  EXPECT_TRUE(failedWith(pcx_get_hyper(session.get(), "step", &value),
                         PCX_ERROR_ARGUMENT, {"did you mean 'steps'?"}));
  ASSERT_EQ(pcx_get_hyper(session.get(), "w_lr", &value), PCX_OK);
  EXPECT_EQ(value, 0.125);
}

TEST_F(SessionTest, ArraysAreAlignedAndApart) {
  auto arrays = storageOf(session);
  ASSERT_GT(arrays.size(), 2u);
  std::sort(arrays.begin(), arrays.end(),
            [](auto a, auto b) { return a.data() < b.data(); });
  for (size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arrays[i].data()) % PCX_ALIGNMENT,
              0u);
    if (i > 0) {
      EXPECT_LE(arrays[i - 1].data() + arrays[i - 1].size(), arrays[i].data());
    }
  }
}

TEST(Buffer, IsAlignedAndZeroAndSaysWhatItWasFor) {
  for (uint64_t bytes : {0ull, 1ull, 65ull, 5ull << 20}) {
    Buffer buffer(bytes, "a test");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % PCX_ALIGNMENT, 0u);
    EXPECT_GE(buffer.bytes(), bytes);
    for (uint64_t i = 0; i < buffer.bytes(); i += 4096)
      ASSERT_EQ(buffer.data()[i], std::byte(0));
  }
  // The second is none when it is rounded up to whole pages.
  for (uint64_t bytes : {uint64_t(1) << 55, UINT64_MAX - 100})
    try {
      Buffer buffer(bytes, "array 'w'");
      FAIL() << bytes;
    } catch (const Error &error) {
      EXPECT_EQ(error.status(), PCX_ERROR_MEMORY);
      EXPECT_THAT(error.what(), testing::HasSubstr("array 'w'"));
    }
}

TEST(LastError, IsOfTheThread) {
  pcx_module_load(nullptr, nullptr);
  std::string ours = pcx_last_error(), theirs = "unset";
  std::thread other([&] { theirs = pcx_last_error(); });
  other.join();
  EXPECT_NE(ours, "");
  EXPECT_EQ(theirs, "");
}

TEST(Version, IsThatOfTheProject) {
  EXPECT_STREQ(pcx_version(), PCX_TEST_VERSION);
}
