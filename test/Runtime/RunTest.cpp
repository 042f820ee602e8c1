//===- RunTest.cpp - Batches, resident data, many steps -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CPUExecutor.h"
#include "Data.h"
#include "Fixtures.h"
#include "Session.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <xmmintrin.h>

using namespace pcx;
using namespace pcx::test;

namespace {

constexpr int64_t width = 6, classes = 3;

/// Data for the toy's `train`: small whole numbers, so that every sum is exact.
struct Samples {
  explicit Samples(int64_t count) : count(count) {
    for (int64_t i = 0; i < count * width; ++i)
      bytes.push_back(uint8_t(i * 7 % 256));
    for (uint8_t byte : bytes)
      floats.push_back(float(byte));
    for (int64_t i = 0; i < count; ++i) {
      index.push_back(int32_t(i * 5 % classes));
      for (int64_t c = 0; c < classes; ++c)
        oneHot.push_back(c == index.back() ? 1.0f : 0.0f);
    }
  }
  double sum(int64_t sample) const {
    double total = 0;
    for (int64_t i = 0; i < width; ++i)
      total += floats[size_t(sample * width + i)];
    return total;
  }
  float row(int64_t sample) const {
    return float(sum(sample) * index[size_t(sample)]);
  }

  int64_t count;
  std::vector<uint8_t> bytes;
  std::vector<float> floats, oneHot;
  std::vector<int32_t> index;
};

template <typename T>
pcx_column_t column(const char *name, const std::vector<T> &values,
                    uint32_t dtype, pcx_encoding_t encoding = PCX_ENCODE_NONE) {
  return {sizeof(pcx_column_t),
          name,
          values.data(),
          values.size() * sizeof(T),
          dtype,
          encoding,
          1,
          0,
          1};
}

class RunTest : public ToyTest {
protected:
  pcx_status_t create(uint32_t program, int64_t samples,
                      std::vector<pcx_column_t> columns) {
    pcx_data_t *made = nullptr;
    pcx_status_t status =
        pcx_data_create(session.get(), program, samples, columns.data(),
                        uint32_t(columns.size()), &made);
    data.reset(made);
    return status;
  }
  void createSamples() {
    ASSERT_EQ(
        create(train, samples.count,
               {column("image", samples.bytes, PCX_U8, PCX_ENCODE_AFFINE),
                column("label", samples.index, PCX_I32, PCX_ENCODE_ONE_HOT)}),
        PCX_OK)
        << pcx_last_error();
  }
  pcx_steps_t steps(int64_t batch, int64_t first, int64_t count) {
    pcx_steps_t result = {};
    result.struct_size = sizeof(result);
    result.batch = batch;
    result.first = first;
    result.steps = count;
    return result;
  }
  pcx_status_t run(const pcx_steps_t &what, uint32_t program) {
    return pcx_run_steps(session.get(), program, data.get(), &what, reports, 8,
                         &reportCount, &done);
  }

  Samples samples = Samples(11);
  Data data;
  pcx_report_t reports[8] = {};
  uint32_t reportCount = 0;
  int64_t done = -1;
};

using DataTest = RunTest;

} // namespace

//===----------------------------------------------------------------------===//
// One batch
//===----------------------------------------------------------------------===//

TEST_F(RunTest, OneBatchGoesInAndOut) {
  for (int64_t n : {1, 3, 4, 5, 8}) {
    float energy = 0, newest = 0;
    double total = 0, padding = -1;
    std::vector<float> rows(size_t(n), -1.0f);
    pcx_array_t in[] = {
        {samples.floats.data(), uint64_t(n * width) * 4, PCX_F32},
        {samples.oneHot.data(), uint64_t(n * classes) * 4, PCX_F32}};
    pcx_array_t out[] = {{&energy, 4, PCX_F32},
                         {&total, 8, PCX_F64},
                         {&newest, 4, PCX_F32},
                         arrayOf(rows, PCX_F32),
                         {&padding, 8, PCX_F64}};
    ASSERT_EQ(pcx_run(session.get(), train, n, in, 2, out, 5), PCX_OK)
        << pcx_last_error();
    double expected = 0;
    for (int64_t i = 0; i < n; ++i) {
      expected += samples.sum(i);
      EXPECT_EQ(rows[size_t(i)], samples.row(i));
    }
    EXPECT_EQ(total, expected);
    EXPECT_EQ(energy, float(expected / double(n * width)));
    // Rows past n were zero though other batches stood there before.
    EXPECT_EQ(padding, 0);
  }
}

TEST_F(RunTest, UnwantedOutputsAndUnalignedInputsAreFine) {
  std::vector<float> unaligned(1 + 2 * width);
  std::copy_n(samples.floats.begin(), 2 * width, unaligned.begin() + 1);
  double total = 0;
  pcx_array_t in[] = {{unaligned.data() + 1, 2 * width * 4, PCX_F32},
                      {samples.oneHot.data(), 2 * classes * 4, PCX_F32}};
  pcx_array_t out[5] = {};
  out[1] = {&total, 8, PCX_F64};
  ASSERT_EQ(pcx_run(session.get(), train, 2, in, 2, out, 5), PCX_OK)
      << pcx_last_error();
  EXPECT_EQ(total, samples.sum(0) + samples.sum(1));
}

TEST_F(RunTest, AnAlignedWholeBlockIsReadInPlace) {
  Buffer image(8 * width * 4, "a test"), label(8 * classes * 4, "a test");
  std::memcpy(image.data(), samples.floats.data(), 8 * width * 4);
  double total = 0;
  pcx_array_t in[] = {{image.data(), 8 * width * 4, PCX_F32},
                      {label.data(), 8 * classes * 4, PCX_F32}};
  pcx_array_t out[5] = {};
  out[1] = {&total, 8, PCX_F64};
  ASSERT_EQ(pcx_run(session.get(), train, 8, in, 2, out, 5), PCX_OK);
  EXPECT_EQ(session->inputPointers[0], image.data());
  double expected = 0;
  for (int64_t i = 0; i < 8; ++i)
    expected += samples.sum(i);
  EXPECT_EQ(total, expected);
}

TEST_F(RunTest, ProgramsSeeCountersHypersAndAlignedMemory) {
  pcx_counters_t counters = {77, 3, 1000, 2};
  pcx_set_counters(session.get(), &counters);
  ASSERT_EQ(pcx_set_hyper(session.get(), "steps", 9), PCX_OK);
  double shared = 0.5;
  std::vector<double> seen(10);
  pcx_array_t in = {&shared, 8, PCX_F64};
  pcx_array_t out = arrayOf(seen, PCX_F64);
  // Flushing of denormals is the caller's business and stays there.
  unsigned modes = _mm_getcsr();
  _mm_setcsr(modes | 0x8040);
  pcx_status_t status = pcx_run(session.get(), arguments, 6, &in, 1, &out, 1);
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040u);
  _mm_setcsr(modes);
  ASSERT_EQ(status, PCX_OK) << pcx_last_error();
  EXPECT_THAT(seen, testing::ElementsAre(6, 77, 3, 1000, 2, 9, 2, 0.5, 0, 0));
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.call, 4u);
}

TEST_F(RunTest, WrongArgumentsChangeNothing) {
  std::vector<float> image(8 * width), label(8 * classes);
  pcx_array_t in[] = {arrayOf(image, PCX_F32), arrayOf(label, PCX_F32)};
  pcx_array_t out[5] = {};
  auto call = [&](int64_t n, uint32_t inputs = 2, uint32_t outputs = 5) {
    return pcx_run(session.get(), train, n, in, inputs, out, outputs);
  };
  EXPECT_TRUE(failedWith(call(9), PCX_ERROR_ARGUMENT,
                         {"batch of 9", "expected 1 to 8", "--batch 9"}));
  EXPECT_TRUE(failedWith(call(0), PCX_ERROR_ARGUMENT, {"batch of 0"}));
  EXPECT_TRUE(failedWith(call(8, 1), PCX_ERROR_ARGUMENT,
                         {"'train' has 2 inputs, found 1"}));
  EXPECT_TRUE(failedWith(call(8, 2, 4), PCX_ERROR_ARGUMENT,
                         {"'train' has 5 outputs, found 4"}));
  EXPECT_TRUE(failedWith(
      call(7), PCX_ERROR_ARGUMENT,
      {"input 'image'", "192 bytes, expected 168", "7 x 2x3 of f32"}));
  in[1].dtype = PCX_I32;
  EXPECT_TRUE(failedWith(call(8), PCX_ERROR_ARGUMENT,
                         {"input 'label'", "is i32, expected f32"}));
  in[1].dtype = PCX_F32;
  in[0].data = nullptr;
  EXPECT_TRUE(failedWith(call(8), PCX_ERROR_ARGUMENT, {"'image' is NULL"}));
  in[0].data = image.data();
  out[0] = {image.data(), 8, PCX_F32};
  EXPECT_TRUE(failedWith(call(8), PCX_ERROR_ARGUMENT,
                         {"output 'energy'", "expected 4"}));
  out[0] = {};
  EXPECT_TRUE(failedWith(pcx_run(session.get(), 4, 8, in, 2, out, 5),
                         PCX_ERROR_ARGUMENT, {"4 programs", "index 4"}));
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.call, 0u);
  EXPECT_EQ(readStorage<int64_t>(session, "adamw.count", 1)[0], 0);
}

//===----------------------------------------------------------------------===//
// Resident data
//===----------------------------------------------------------------------===//

TEST_F(DataTest, EncodingsGiveTheDocumentedValues) {
  // (x scale - mean) / std in double, rounded once, for every source.
  pcx_column_t image =
      column("image", samples.bytes, PCX_U8, PCX_ENCODE_AFFINE);
  image.scale = 1.0 / 255;
  image.mean = 0.2860;
  image.std = 0.3530;
  std::vector<double> doubles(samples.bytes.begin(), samples.bytes.end());
  for (int source = 0; source < 3; ++source) {
    if (source == 1)
      image.data = samples.floats.data(), image.bytes *= 4,
      image.dtype = PCX_F32;
    if (source == 2)
      image.data = doubles.data(), image.bytes *= 2, image.dtype = PCX_F64;
    ASSERT_EQ(create(spoil, samples.count, {image}), PCX_OK)
        << pcx_last_error();
    // The batch stands in the staging memory.
    ASSERT_EQ(run(steps(8, 0, 1), spoil), PCX_OK) << pcx_last_error();
    auto *staged = reinterpret_cast<const float *>(
        session->executor->staging(spoil, 0).inputs[0]);
    for (int64_t i = 0; i < 8 * width; ++i)
      ASSERT_EQ(
          staged[i],
          float((samples.bytes[size_t(i)] * (1.0 / 255) - 0.2860) / 0.3530))
          << "source " << source << " element " << i;
  }
}

TEST_F(DataTest, FormulasGiveTheValuesOfTheTable) {
  using Decode = pcx::Column::Decode;
  constexpr int64_t wideWidth = 2048;
  std::vector<uint8_t> bytes(wideWidth);
  std::iota(bytes.begin(), bytes.end(), uint8_t(0));
  auto wide = uint32_t(pcx_module_find_program(module.get(), "wide"));
  bool formulas =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  struct {
    double scale, mean, std;
    Decode decode;
  } cases[] = {{1, 0, 1, Decode::Product},
               {1.0 / 255, 0, 1, Decode::Product},
               {0.1, 0, 0.3530, Decode::Product},
               {1.0 / 255, 0.5, 0.5, Decode::Linear},
               {1.0 / 255, 0.2860, 0.3530, Decode::Linear},
               {1.0 / 255, 0.1307, -0.3081, Decode::Linear},
               // Beyond the largest float32 from a byte on.
               {1e37, 0, 1, Decode::Product},
               // 3 * 0.1 - 0.3 is what rounding made of it.
               {0.1, 0.3, 1, Decode::Table}};
  for (auto [scale, mean, std, decode] : cases) {
    pcx_column_t column = ::column("wide", bytes, PCX_U8, PCX_ENCODE_AFFINE);
    column.scale = scale;
    column.mean = mean;
    column.std = std;
    ASSERT_EQ(create(wide, 1, {column}), PCX_OK) << pcx_last_error();
    EXPECT_EQ(data->columns[0].decode, formulas ? decode : Decode::Table)
        << scale << " " << mean << " " << std;
    ASSERT_EQ(run(steps(1, 0, 1), wide), PCX_OK) << pcx_last_error();
    auto *staged = reinterpret_cast<const float *>(
        session->executor->staging(wide, 0).inputs[0]);
    for (int64_t i = 0; i < wideWidth; ++i)
      ASSERT_EQ(staged[i], float((bytes[size_t(i)] * scale - mean) / std))
          << scale << " " << mean << " " << std << " element " << i;
  }
}

TEST_F(DataTest, AllWaysToTheSameNumbersGiveTheSameRun) {
  std::vector<uint8_t> index8(samples.index.begin(), samples.index.end());
  std::vector<int64_t> index64(samples.index.begin(), samples.index.end());
  std::vector<std::vector<pcx_column_t>> ways = {
      {column("image", samples.bytes, PCX_U8, PCX_ENCODE_AFFINE),
       column("label", samples.index, PCX_I32, PCX_ENCODE_ONE_HOT)},
      {column("label", index8, PCX_U8, PCX_ENCODE_ONE_HOT),
       column("image", samples.floats, PCX_F32, PCX_ENCODE_AFFINE)},
      {column("label", index64, PCX_I64, PCX_ENCODE_ONE_HOT),
       column("image", samples.floats, PCX_F32)},
      {column("label", samples.oneHot, PCX_F32),
       column("image", samples.floats, PCX_F32)},
  };
  std::vector<uint32_t> order = {10, 0, 3, 3, 7, 9, 1, 2, 8};
  for (const auto &way : ways) {
    ASSERT_EQ(create(train, samples.count, way), PCX_OK) << pcx_last_error();
    EXPECT_EQ(pcx_data_samples(data.get()), samples.count);
    std::vector<float> rows(order.size());
    pcx_array_t outputs[5] = {};
    outputs[3] = arrayOf(rows, PCX_F32);
    pcx_steps_t what = steps(4, 0, 3);
    what.order = order.data();
    what.order_count = int64_t(order.size());
    what.outputs = outputs;
    what.output_count = 5;
    ASSERT_EQ(run(what, train), PCX_OK) << pcx_last_error();
    for (size_t i = 0; i < order.size(); ++i)
      EXPECT_EQ(rows[i], samples.row(order[i])) << i;
  }
}

TEST_F(DataTest, ALargeBatchIsGatheredByAllThreads) {
  // Above the size from which a batch is shared out.
  constexpr int64_t wideWidth = 2048, count = 20;
  std::vector<uint8_t> bytes(size_t(count * wideWidth));
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = uint8_t(i * 31 + i / 256);
  std::vector<float> floats(bytes.begin(), bytes.end());
  std::vector<uint32_t> order(count);
  pcx_permutation(1, PCX_STREAM_SHUFFLE, order.data(), count);
  auto wide = uint32_t(pcx_module_find_program(module.get(), "wide"));
  for (uint32_t threads : {1u, 2u, 5u})
    for (bool ordered : {true, false})
      for (const pcx_column_t &way :
           {column("wide", bytes, PCX_U8, PCX_ENCODE_AFFINE),
            column("wide", floats, PCX_F32)}) {
        session = makeSession(module, threads);
        ASSERT_EQ(create(wide, count, {way}), PCX_OK) << pcx_last_error();
        std::vector<double> sums(count);
        pcx_array_t outputs[1] = {arrayOf(sums, PCX_F64)};
        pcx_steps_t what = steps(8, 0, 3);
        what.outputs = outputs;
        what.output_count = 1;
        if (ordered) {
          what.order = order.data();
          what.order_count = count;
        }
        ASSERT_EQ(run(what, wide), PCX_OK) << pcx_last_error();
        for (size_t r = 0; r < size_t(count); ++r) {
          double expected = 0;
          size_t sample = ordered ? order[r] : r;
          for (size_t i = 0; i < wideWidth; ++i)
            expected += bytes[sample * wideWidth + i] * double(i % 1000);
          ASSERT_EQ(sums[r], expected) << r;
        }
      }
}

TEST_F(DataTest, ASharedInputIsOneArray) {
  std::vector<double> shared = {2.25};
  ASSERT_EQ(create(arguments, 100, {column("shared", shared, PCX_F64)}), PCX_OK)
      << pcx_last_error();
  ASSERT_EQ(run(steps(8, 0, 1), arguments), PCX_OK) << pcx_last_error();
  // A shared array of ten is no scalar: nothing to report.
  EXPECT_EQ(reportCount, 0u);
  auto *seen = reinterpret_cast<const double *>(
      session->executor->staging(arguments, 0).outputs[0]);
  EXPECT_EQ(seen[7], 2.25);
}

TEST_F(DataTest, WrongColumnsAreRefused) {
  auto image = column("image", samples.bytes, PCX_U8, PCX_ENCODE_AFFINE);
  auto label = column("label", samples.index, PCX_I32, PCX_ENCODE_ONE_HOT);
  auto refuses = [&](std::vector<pcx_column_t> columns,
                     std::vector<std::string> words, int64_t count = 11) {
    return failedWith(create(train, count, columns), PCX_ERROR_ARGUMENT, words);
  };
  EXPECT_TRUE(refuses({image}, {"no column 'label'", "'train'"}));
  EXPECT_TRUE(refuses({image, label, image}, {"'image' is given twice"}));
  EXPECT_TRUE(
      refuses({image, label}, {"'image'", "66 bytes, expected 60"}, 10));
  EXPECT_TRUE(refuses({image, label}, {"0 samples"}, 0));
  auto changed = label;
  changed.name = "lable";
  EXPECT_TRUE(refuses({image, changed}, {"did you mean 'label'?"}));
  changed = image;
  changed.encoding = PCX_ENCODE_NONE;
  EXPECT_TRUE(refuses({changed, label}, {"'image' is u8, expected f32"}));
  changed = image;
  changed.std = 0;
  EXPECT_TRUE(refuses({changed, label}, {"std 0"}));
  changed = label;
  changed.encoding = PCX_ENCODE_AFFINE;
  EXPECT_TRUE(refuses({image, changed}, {"'label' is i32, expected u8"}));
  changed = column("label", samples.oneHot, PCX_F32, PCX_ENCODE_ONE_HOT);
  EXPECT_TRUE(refuses({image, changed}, {"'label' is f32", "class indices"}));
  changed.encoding = 9;
  EXPECT_TRUE(refuses({image, changed}, {"unknown encoding 9"}));
  changed.dtype = 9;
  EXPECT_TRUE(refuses({image, changed}, {"unknown dtype 9"}));
  changed = image;
  changed.struct_size = 3;
  EXPECT_TRUE(refuses({changed, label}, {"struct_size"}));
  changed = image;
  changed.data = nullptr;
  EXPECT_TRUE(refuses({changed, label}, {"NULL"}));
  std::vector<int32_t> far = samples.index;
  far[6] = 3;
  EXPECT_TRUE(
      refuses({image, column("label", far, PCX_I32, PCX_ENCODE_ONE_HOT)},
              {"'label' has class 3 at sample 6, expected 0 to 2"}));
  far[6] = -1;
  EXPECT_TRUE(
      refuses({image, column("label", far, PCX_I32, PCX_ENCODE_ONE_HOT)},
              {"class -1 at sample 6"}));
  std::vector<uint8_t> shared = {1};
  EXPECT_TRUE(
      failedWith(create(arguments, 11,
                        {column("shared", shared, PCX_U8, PCX_ENCODE_AFFINE)}),
                 PCX_ERROR_ARGUMENT, {"shared input", "PCX_ENCODE_NONE"}));
}

//===----------------------------------------------------------------------===//
// Many steps
//===----------------------------------------------------------------------===//

TEST_F(RunTest, ReportsCombineOverARaggedLastBatch) {
  createSamples();
  ASSERT_EQ(run(steps(4, 0, 3), train), PCX_OK) << pcx_last_error();
  EXPECT_EQ(done, 3);
  ASSERT_EQ(reportCount, 4u);
  double total = 0;
  for (int64_t i = 0; i < samples.count; ++i)
    total += samples.sum(i);
  EXPECT_STREQ(reports[0].name, "energy");
  // The mean over all 11 samples, not over the three batches. Each batch's mean
  // was rounded to float.
  EXPECT_NEAR(reports[0].value, total / double(samples.count * width), 1e-4);
  double batches = 0;
  for (int64_t first : {0, 4, 8}) {
    double sum = 0;
    int64_t n = std::min<int64_t>(4, samples.count - first);
    for (int64_t i = first; i < first + n; ++i)
      sum += samples.sum(i);
    batches += double(float(sum / double(n * width))) * double(n);
  }
  EXPECT_EQ(reports[0].value, batches / double(samples.count));
  EXPECT_STREQ(reports[1].name, "total");
  EXPECT_EQ(reports[1].value, total);
  EXPECT_STREQ(reports[2].name, "newest");
  EXPECT_EQ(reports[2].value, samples.oneHot[8 * classes]);
  EXPECT_STREQ(reports[3].name, "padding");
  EXPECT_EQ(reports[3].value, 0);
  EXPECT_EQ(readStorage<int64_t>(session, "adamw.count", 1)[0], samples.count);
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.call, 3u);
}

TEST_F(RunTest, ManyStepsEqualSingleOnes) {
  createSamples();
  Session other = makeSession(module, 1);
  for (const Session *s : {&session, &other})
    ASSERT_EQ(pcx_session_initialise(s->get(), 5), PCX_OK);
  ASSERT_EQ(run(steps(4, 0, 3), train), PCX_OK) << pcx_last_error();
  for (int64_t first : {0, 4, 8}) {
    int64_t n = std::min<int64_t>(4, samples.count - first);
    pcx_array_t in[] = {{samples.floats.data() + first * width,
                         uint64_t(n * width) * 4, PCX_F32},
                        {samples.oneHot.data() + first * classes,
                         uint64_t(n * classes) * 4, PCX_F32}};
    pcx_array_t out[5] = {};
    ASSERT_EQ(pcx_run(other.get(), train, n, in, 2, out, 5), PCX_OK);
  }
  EXPECT_EQ(readStorage<float>(session, "fc1.weight", 12),
            readStorage<float>(other, "fc1.weight", 12));
}

TEST_F(RunTest, ACallMayContinueWhereAnotherEnded) {
  createSamples();
  std::vector<float> rows(size_t(samples.count), -1.0f);
  pcx_array_t outputs[5] = {};
  outputs[3] = arrayOf(rows, PCX_F32);
  pcx_steps_t what = steps(3, 3, 2);
  what.outputs = outputs;
  what.output_count = 5;
  ASSERT_EQ(run(what, train), PCX_OK) << pcx_last_error();
  for (int64_t i = 0; i < samples.count; ++i)
    EXPECT_EQ(rows[size_t(i)], i >= 3 && i < 9 ? samples.row(i) : -1.0f);
}

TEST_F(RunTest, ResultsDoNotDependOnTheNumberOfThreads) {
  // Enough bytes that the batch is gathered in parallel.
  createSamples();
  std::vector<std::vector<float>> weights;
  std::vector<double> energies;
  for (uint32_t threads : {1u, 2u, 5u}) {
    session = makeSession(module, threads);
    ASSERT_EQ(pcx_session_initialise(session.get(), 11), PCX_OK);
    std::vector<uint32_t> order(11);
    pcx_permutation(11, PCX_STREAM_SHUFFLE, order.data(), 11);
    pcx_steps_t what = steps(4, 0, 3);
    what.order = order.data();
    what.order_count = 11;
    ASSERT_EQ(run(what, train), PCX_OK) << pcx_last_error();
    weights.push_back(readStorage<float>(session, "fc1.weight", 12));
    energies.push_back(reports[0].value);
  }
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_EQ(weights[0], weights[2]);
  EXPECT_EQ(energies[0], energies[1]);
  EXPECT_EQ(energies[0], energies[2]);
}

TEST_F(RunTest, ANaNStopsAndNamesTheReportAndTheStep) {
  auto image = column("image", samples.floats, PCX_F32);
  ASSERT_EQ(create(spoil, samples.count, {image}), PCX_OK);
  ASSERT_EQ(pcx_session_initialise(session.get(), 13), PCX_OK);
  pcx_steps_t what = steps(1, 0, 6);
  what.check_finite = 1;
  EXPECT_TRUE(failedWith(run(what, spoil), PCX_ERROR_NUMERIC,
                         {"'energy' of program 'spoil' is nan at step 2"}));
  EXPECT_EQ(done, 3);
  EXPECT_EQ(readStorage<int64_t>(session, "adamw.count", 1)[0], 3);
  // Unasked, nobody minds.
  ASSERT_EQ(pcx_session_initialise(session.get(), 13), PCX_OK);
  what.check_finite = 0;
  EXPECT_EQ(run(what, spoil), PCX_OK);
  EXPECT_EQ(done, 6);
  EXPECT_TRUE(std::isnan(reports[0].value));
}

TEST_F(RunTest, TheCallbackSeesEachStepAndMayStop) {
  auto image = column("image", samples.floats, PCX_F32);
  ASSERT_EQ(create(spoil, samples.count, {image}), PCX_OK);
  std::vector<std::pair<int64_t, double>> seen;
  pcx_steps_t what = steps(1, 0, 6);
  what.user = &seen;
  what.callback = [](void *user, int64_t step, const pcx_report_t *reports,
                     uint32_t count) {
    EXPECT_EQ(count, 1u);
    EXPECT_STREQ(reports[0].name, "energy");
    static_cast<decltype(seen) *>(user)->emplace_back(step, reports[0].value);
    return int(step == 3);
  };
  ASSERT_EQ(run(what, spoil), PCX_OK);
  // The toy's energy is the number of calls before: each step's own value.
  EXPECT_THAT(seen, testing::ElementsAre(std::pair(0, 0.0), std::pair(1, 1.0),
                                         std::pair(2, 2.0), std::pair(3, 3.0)));
  EXPECT_EQ(done, 4);
  EXPECT_EQ(reports[0].value, 1.5);
}

TEST_F(RunTest, NoStepsDoNothing) {
  createSamples();
  ASSERT_EQ(run(steps(4, 11, 0), train), PCX_OK) << pcx_last_error();
  EXPECT_EQ(done, 0);
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.call, 0u);
}

TEST_F(RunTest, WrongStepsAreRefused) {
  createSamples();
  auto refuses = [&](const pcx_steps_t &what, std::vector<std::string> words) {
    return failedWith(run(what, train), PCX_ERROR_ARGUMENT, words);
  };
  EXPECT_TRUE(refuses(steps(9, 0, 1), {"batch of 9"}));
  EXPECT_TRUE(refuses(steps(4, 0, 4), {"4 steps", "at most 3"}));
  EXPECT_TRUE(refuses(steps(4, 12, 0), {"position of 0 to 11"}));
  EXPECT_TRUE(refuses(steps(4, -1, 1), {"position"}));
  pcx_steps_t what = steps(4, 0, 1);
  what.struct_size = 1;
  EXPECT_TRUE(refuses(what, {"struct_size"}));
  what = steps(4, 0, 1);
  what.order_count = 5;
  EXPECT_TRUE(refuses(what, {"order of 5 entries for 11"}));
  std::vector<uint32_t> order = {0, 11};
  what.order = order.data();
  what.order_count = 2;
  EXPECT_TRUE(refuses(what, {"sample 11 at position 1, expected 0 to 10"}));
  what = steps(4, 0, 1);
  std::vector<float> rows(10);
  pcx_array_t outputs[5] = {};
  outputs[3] = arrayOf(rows, PCX_F32);
  what.outputs = outputs;
  what.output_count = 5;
  EXPECT_TRUE(refuses(what, {"'rows'", "40 bytes, expected 44"}));
  outputs[3] = {};
  outputs[0] = {rows.data(), 4, PCX_F32};
  EXPECT_TRUE(refuses(what, {"'energy'", "shared", "reports"}));
  EXPECT_TRUE(failedWith(pcx_run_steps(session.get(), train, data.get(),
                                       &(what = steps(4, 0, 1)), reports, 2,
                                       &reportCount, &done),
                         PCX_ERROR_ARGUMENT, {"4 values", "found 2"}));
  EXPECT_EQ(done, 0);
}

TEST_F(RunTest, DataFitsEveryProgramWithTheSameInputs) {
  createSamples();
  // `spoil` reads the images alone.
  EXPECT_EQ(run(steps(4, 0, 1), spoil), PCX_OK) << pcx_last_error();
  EXPECT_TRUE(failedWith(run(steps(4, 0, 1), arguments), PCX_ERROR_ARGUMENT,
                         {"no column 'shared'", "'arguments'"}));
}
