//===- DeviceTest.cpp - Sessions on devices -------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The hand-made artifact computes the same numbers, to the last bit, on the CPU
// and on the simulated device.
//
//===----------------------------------------------------------------------===//

#include "Cuda.h"
#include "Fixtures.h"

#include <dlfcn.h>

using namespace pcx;
using namespace pcx::test;

namespace {

constexpr int64_t width = 4, maxBatch = 8, samples = 30;

Module loadDevice(const char *object, const char *name = "device.pcx") {
  return loadModule(makeArtifact(readFile(object)), name);
}

pcx_status_t create(const Module &module, const char *device,
                    Session *session = nullptr) {
  pcx_session_options_t options = {sizeof(options), 1, device};
  pcx_session_t *made = nullptr;
  pcx_status_t status = pcx_session_create(module.get(), &options, &made);
  Session owned(made);
  if (session)
    *session = std::move(owned);
  return status;
}

/// A variable of the environment in a scope.
class Environment {
public:
  Environment(const char *name, const char *value) : name(name) {
    setenv(name, value, 1);
  }
  ~Environment() { unsetenv(name); }

private:
  const char *name;
};

/// Runs `train` once and returns its rows, the energy behind them.
std::vector<float> trainOnce(const Session &session, std::vector<float> x) {
  int64_t n = int64_t(x.size()) / width;
  std::vector<float> energy(1), rows(static_cast<size_t>(n));
  pcx_array_t in[] = {arrayOf(x, PCX_F32)};
  pcx_array_t out[] = {arrayOf(energy, PCX_F32), arrayOf(rows, PCX_F32)};
  EXPECT_EQ(pcx_run(session.get(), 0, n, in, 1, out, 2), PCX_OK)
      << pcx_last_error();
  rows.push_back(energy[0]);
  return rows;
}

std::vector<float> numbers(int64_t count, float first) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = first + 0.37f * float((i * 7) % 11);
  return values;
}

/// All of a session's arrays.
struct Arrays {
  std::vector<float> w, state, matrix;
  std::vector<int64_t> count;
  explicit Arrays(const Session &session)
      : w(readStorage<float>(session, "w", 4)),
        state(readStorage<float>(session, "state", maxBatch * width)),
        matrix(readStorage<float>(session, "matrix", 6)),
        count(readStorage<int64_t>(session, "count", 1)) {}
  bool operator==(const Arrays &) const = default;
};

/// Everything that pcx_run_steps says.
struct Steps {
  pcx_status_t status;
  int64_t done = -1;
  double energy = 0;
  std::vector<double> each;
  std::vector<float> rows = std::vector<float>(samples);
  bool operator==(const Steps &) const = default;
};

struct StepOptions {
  bool callback = false, outputs = false;
  bool finite = false;
  int64_t stopAfter = -1;
  int64_t first = 0; ///< 0: four steps, otherwise two
  uint32_t overlap = 0;
};

/// A data set of a column for the input `x`; `values` must outlive it.
template <typename T>
Data makeData(const Session &session, const std::vector<T> &values,
              uint32_t dtype, uint32_t encoding, double scale = 1,
              double mean = 0, double std = 1) {
  pcx_column_t column = {sizeof(column),
                         "x",
                         values.data(),
                         values.size() * sizeof(T),
                         dtype,
                         encoding,
                         scale,
                         mean,
                         std};
  pcx_data_t *made = nullptr;
  EXPECT_EQ(pcx_data_create(session.get(), 0, samples, &column, 1, &made),
            PCX_OK)
      << pcx_last_error();
  return Data(made);
}

Steps runSteps(const Session &session, const Data &data,
               const StepOptions &options, std::vector<uint32_t> order = {}) {
  Steps found;
  struct User {
    Steps *found;
    int64_t stopAfter;
  } user{&found, options.stopAfter};
  pcx_array_t outputs[] = {{}, arrayOf(found.rows, PCX_F32)};
  pcx_steps_t steps = {};
  steps.struct_size = sizeof(steps);
  steps.batch = maxBatch;
  steps.steps = 4; // the last one has six samples
  steps.check_finite = options.finite;
  if (!order.empty()) {
    steps.order = order.data();
    steps.order_count = samples;
  }
  if (options.callback) {
    steps.user = &user;
    steps.callback = [](void *user, int64_t step, const pcx_report_t *reports,
                        uint32_t count) -> int {
      auto &own = *static_cast<User *>(user);
      EXPECT_EQ(count, 1u);
      EXPECT_EQ(step, int64_t(own.found->each.size()));
      own.found->each.push_back(reports[0].value);
      return step == own.stopAfter;
    };
  }
  if (options.outputs) {
    steps.outputs = outputs;
    steps.output_count = 2;
  }
  steps.overlap = options.overlap;
  if (options.first) {
    steps.first = options.first;
    steps.steps = 2;
  }
  pcx_report_t report = {};
  uint32_t count = 0;
  found.status = pcx_run_steps(session.get(), 0, data.get(), &steps, &report, 1,
                               &count, &found.done);
  EXPECT_EQ(count, 1u);
  found.energy = report.value;
  return found;
}

Steps runSteps(const Session &session, const std::vector<float> &x,
               const StepOptions &options, std::vector<uint32_t> order = {}) {
  Data data = makeData(session, x, PCX_F32, PCX_ENCODE_NONE);
  return runSteps(session, data, options, std::move(order));
}

} // namespace

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

TEST(Device, UnknownNamesAreRefusedWithThoseThatThereAre) {
  Module module = loadDevice(PCX_TEST_DEVICE);
  for (const char *name : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", ""})
    EXPECT_TRUE(failedWith(create(module, name), PCX_ERROR_ARGUMENT,
                           {"unknown device '" + std::string(name) + "'",
                            "'cpu', 'cuda', 'cuda:N'", "'sim'"}));
}

TEST(Device, OptionsFromBeforeDevicesMeanTheCpu) {
  Module module = loadDevice(PCX_TEST_DEVICE);
  pcx_session_options_t options = {offsetof(pcx_session_options_t, device), 1,
                                   "no device"};
  pcx_session_t *made = nullptr;
  ASSERT_EQ(pcx_session_create(module.get(), &options, &made), PCX_OK)
      << pcx_last_error();
  Session session(made);
  EXPECT_STREQ(pcx_session_device(session.get()), "cpu");
}

TEST(Device, ArtifactsWithoutItsCodeAreRefused) {
  Module none = loadDevice(PCX_TEST_DEVICE_NONE);
  for (const char *name : {"cuda", "sim"})
    EXPECT_TRUE(failedWith(create(none, name), PCX_ERROR_DEVICE,
                           {"'device.pcx' was compiled for the CPU only; "
                            "compile with pcc --target=cuda"}));
  Module only = loadDevice(PCX_TEST_DEVICE_ONLY);
  EXPECT_EQ(pcx_module_variant(only.get(), 0), nullptr);
  EXPECT_TRUE(failedWith(create(only, "cpu"), PCX_ERROR_CPU,
                         {"'device.pcx' was compiled for cuda only; use "
                          "--device=cuda or compile with --target=cuda,cpu"}));
}

TEST(Device, AMachineWithoutADriverIsTold) {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL))
    GTEST_SKIP() << "this machine has one";
  Module module = loadDevice(PCX_TEST_DEVICE_PTX);
  for (const char *name : {"cuda", "cuda:3"})
    EXPECT_TRUE(failedWith(
        create(module, name), PCX_ERROR_DEVICE,
        {"no CUDA driver on this machine", "libcuda.so.1", "--device=cpu"}));
}

TEST(Device, AMissingSimulatorIsTold) {
  Environment library("PCX_SIM_LIBRARY", "/nowhere/libpcx-sim.so");
  Module module = loadDevice(PCX_TEST_DEVICE);
  EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_DEVICE,
                         {"cannot load the simulated device",
                          "/nowhere/libpcx-sim.so", "PCX_SIM_LIBRARY"}));
}

TEST(Device, AnotherLibraryIsNoSimulator) {
  Environment library("PCX_SIM_LIBRARY", PCX_TEST_TOY);
  Module module = loadDevice(PCX_TEST_DEVICE);
  EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_DEVICE,
                         {PCX_TEST_TOY, "has no function 'cuInit'"}));
}

//===----------------------------------------------------------------------===//
// On the simulated device
//===----------------------------------------------------------------------===//

class SimulatedDevice : public testing::Test {
protected:
  void SetUp() override {
#ifndef PCX_TEST_SIMULATOR
    GTEST_SKIP() << "the simulated device was not built";
#else
    driver = std::make_unique<cuda::Driver>(/*simulated=*/true);
    driver->pcxSimReset();
    module = loadDevice(PCX_TEST_DEVICE);
    cpu = makeSession(module, 1);
    sim = makeSession(module, 2, "sim");
    ASSERT_TRUE(cpu && sim);
    for (const Session *session : {&cpu, &sim})
      ASSERT_EQ(pcx_session_initialise(session->get(), 5), PCX_OK);
#endif
  }

public:
  uint64_t count(const char *counter, const char *kernel = nullptr) {
    unsigned long long value = 0;
    EXPECT_EQ(driver->pcxSimCount(kernel, counter, &value), cuda::Success)
        << counter;
    return value;
  }

protected:
  /// Runs steps over the data until the callback asks to stop behind
  /// `stopAfter`. Returns for each step that is told, which are those done, how
  /// many have begun on the simulated device.
  std::vector<uint64_t> runTold(const Session &session, const Data &data,
                                uint32_t overlap, int64_t stopAfter,
                                int64_t most = 4) {
    struct User {
      SimulatedDevice *test;
      uint64_t before;
      int64_t stopAfter;
      std::vector<uint64_t> begun;
    } user = {this, count("launches", "finish"), stopAfter, {}};
    pcx_steps_t steps = {};
    steps.struct_size = sizeof(steps);
    steps.batch = maxBatch;
    steps.steps = most;
    steps.overlap = overlap;
    steps.user = &user;
    steps.callback = [](void *given, int64_t step, const pcx_report_t *,
                        uint32_t) -> int {
      User &own = *static_cast<User *>(given);
      EXPECT_EQ(step, int64_t(own.begun.size()));
      own.begun.push_back(own.test->count("launches", "finish") - own.before);
      return step == own.stopAfter;
    };
    int64_t done = 0;
    EXPECT_EQ(pcx_run_steps(session.get(), 0, data.get(), &steps, nullptr, 0,
                            nullptr, &done),
              PCX_OK);
    EXPECT_EQ(done, int64_t(user.begun.size()));
    return user.begun;
  }

  std::unique_ptr<cuda::Driver> driver;
  Module module;
  Session cpu, sim;
};

TEST_F(SimulatedDevice, HasItsNameAndMemory) {
  EXPECT_STREQ(pcx_session_device(sim.get()), "sim");
  EXPECT_STREQ(pcx_session_device(cpu.get()), "cpu");
  // The arrays, at least.
  EXPECT_GT(pcx_session_bytes(sim.get()), uint64_t(maxBatch * width * 4 * 3));
  EXPECT_EQ(pcx_session_threads(sim.get()), 2u);
}

TEST_F(SimulatedDevice, InitialisesAsTheCpu) {
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
  EXPECT_NE(readStorage<float>(sim, "matrix", 6), std::vector<float>(6));
}

TEST_F(SimulatedDevice, ReadsAndWritesDenseArrays) {
  std::vector<float> matrix = {1, 2, 3, 4, 5, 6};
  std::vector<int64_t> steps = {41};
  writeStorage(sim, "matrix", matrix);
  writeStorage(sim, "count", steps);
  EXPECT_EQ(readStorage<float>(sim, "matrix", 6), matrix);
  EXPECT_EQ(readStorage<int64_t>(sim, "count", 1), steps);
  ASSERT_EQ(pcx_session_initialise(sim.get(), 5), PCX_OK);
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
}

TEST_F(SimulatedDevice, RunsAsTheCpu) {
  for (int64_t n : {8, 3, 5, 1}) {
    std::vector<float> x = numbers(n * width, float(n));
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x)) << n;
    EXPECT_EQ(Arrays(sim), Arrays(cpu)) << n;
  }
  // Two launches of the first and one of the second kernel a call, each in
  // blocks of four samples.
  EXPECT_EQ(count("launches", "relax"), 8u);
  EXPECT_EQ(count("launches", "finish"), 4u);
  EXPECT_GT(count("atomics", "finish"), 0u);
  // Rows past n were not touched: those of states keep what they were.
  Arrays arrays(sim);
  EXPECT_NE(arrays.state[7 * width], 0);
  EXPECT_EQ(arrays.count[0], 4);
}

TEST_F(SimulatedDevice, HypersAndCountersReachTheHostsPart) {
  std::vector<double> values(8);
  pcx_array_t out[] = {arrayOf(values, PCX_F64)};
  pcx_counters_t counters = {7, 9, 100, 2.5};
  pcx_set_counters(sim.get(), &counters);
  ASSERT_EQ(pcx_set_hyper(sim.get(), "lr", 0.75), PCX_OK);
  ASSERT_EQ(pcx_run(sim.get(), 1, 4, nullptr, 0, out, 1), PCX_OK)
      << pcx_last_error();
  // Arrays of floats are not the host's.
  EXPECT_EQ(values, (std::vector<double>{4, 7, 9, 100, 2.5, 0.75, 1, 1}));
  pcx_get_counters(sim.get(), &counters);
  EXPECT_EQ(counters.call, 10u);
}

TEST_F(SimulatedDevice, LaunchesThatComeAgainAreRecordedOnce) {
  std::vector<float> x = numbers(8 * width, 1);
  for (int call = 0; call < 5; ++call) {
    // Other scalars each time: they are in memory.
    for (const Session *session : {&cpu, &sim})
      ASSERT_EQ(pcx_set_hyper(session->get(), "lr", 0.1 * call), PCX_OK);
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x)) << call;
  }
  EXPECT_EQ(count("captures"), 1u);
  EXPECT_EQ(count("replays"), 4u);
  EXPECT_EQ(count("launches", "relax"), 10u);
  // Another order of launches: anew, when it has come twice.
  for (const Session *session : {&cpu, &sim})
    ASSERT_EQ(pcx_set_hyper(session->get(), "sweeps", 3), PCX_OK);
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x)) << call;
  EXPECT_EQ(count("captures"), 2u);
  EXPECT_EQ(count("replays"), 6u);
  // Another batch size has a recording of its own.
  std::vector<float> less = numbers(5 * width, 2);
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(trainOnce(sim, less), trainOnce(cpu, less)) << call;
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x)) << call;
  }
  EXPECT_EQ(count("captures"), 3u);
  EXPECT_EQ(count("replays"), 11u);
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
}

TEST_F(SimulatedDevice, MoreScalarsThanEverBeforeFindRoom) {
  std::vector<float> x = numbers(8 * width, 1);
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x));
  // A launch and a scalar a sweep: more than there is room for at first.
  auto setSweeps = [&](double sweeps) {
    for (const Session *session : {&cpu, &sim})
      ASSERT_EQ(pcx_set_hyper(session->get(), "sweeps", sweeps), PCX_OK);
  };
  setSweeps(700);
  std::vector<float> less = numbers(5 * width, 2);
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(trainOnce(sim, less), trainOnce(cpu, less));
  // What was recorded before has the old address.
  setSweeps(2);
  EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x));
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
}

TEST_F(SimulatedDevice, ManyStepsAreAsOnTheCpu) {
  std::vector<float> x = numbers(samples * width, -1);
  std::vector<uint32_t> order(samples);
  pcx_permutation(3, PCX_STREAM_USER, order.data(), samples);
  for (StepOptions options :
       {StepOptions{}, StepOptions{.callback = true},
        StepOptions{.outputs = true}, StepOptions{.finite = true},
        StepOptions{.callback = true, .outputs = true, .stopAfter = 1}}) {
    for (const auto &some : {std::vector<uint32_t>(), order}) {
      Steps here = runSteps(cpu, x, options, some);
      EXPECT_EQ(here.status, PCX_OK) << pcx_last_error();
      EXPECT_EQ(runSteps(sim, x, options, some), here);
      EXPECT_EQ(Arrays(sim), Arrays(cpu));
      pcx_counters_t ours, theirs;
      pcx_get_counters(sim.get(), &ours);
      pcx_get_counters(cpu.get(), &theirs);
      EXPECT_EQ(ours.call, theirs.call);
    }
  }
}

TEST_F(SimulatedDevice, ACallbackMayComeWhenTheNextStepHasBegun) {
  std::vector<float> x = numbers(samples * width, -1);
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  Steps here = runSteps(cpu, data, {.callback = true, .outputs = true});
  EXPECT_EQ(
      runSteps(sim, data, {.callback = true, .outputs = true, .overlap = 1}),
      here);
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
  using Begun = std::vector<uint64_t>;
  EXPECT_EQ(runTold(sim, data, 0, /*stopAfter=*/1), (Begun{1, 2}));
  EXPECT_EQ(runTold(sim, data, 1, /*stopAfter=*/1), (Begun{2, 3, 3}));
  // The CPU stops where it is asked to.
  for (uint32_t overlap : {0u, 1u})
    EXPECT_EQ(runTold(cpu, data, overlap, /*stopAfter=*/1).size(), 2u);
}

TEST_F(SimulatedDevice, OnlyWantedOutputsAreCopied) {
  std::vector<float> x = numbers(samples * width, -1);
  runSteps(sim, x, {});
  // One copy a step with the numbers that are reported.
  EXPECT_EQ(count("downloads"), 4u);
  runSteps(sim, x, {.outputs = true});
  EXPECT_EQ(count("downloads"), 12u);
}

TEST_F(SimulatedDevice, AStepThatIsNotFiniteIsTheLast) {
  std::vector<float> x = numbers(samples * width, -1);
  x[10 * width] = std::numeric_limits<float>::infinity();
  Steps here = runSteps(cpu, x, {.finite = true});
  Steps there = runSteps(sim, x, {.finite = true});
  EXPECT_EQ(here.status, PCX_ERROR_NUMERIC);
  EXPECT_EQ(there.status, PCX_ERROR_NUMERIC);
  EXPECT_EQ(there.done, 2);
  EXPECT_EQ(there.done, here.done);
  EXPECT_EQ(Arrays(sim).count, Arrays(cpu).count);
}

//===----------------------------------------------------------------------===//
// Data sets on the device
//===----------------------------------------------------------------------===//

namespace {
/// With an artifact that makes batches on the device.
class ResidentData : public SimulatedDevice {
protected:
  void SetUp() override {
    SimulatedDevice::SetUp();
    if (IsSkipped())
      return;
    module = loadDevice(PCX_TEST_DEVICE_GATHER);
    cpu = makeSession(module, 1);
    sim = makeSession(module, 2, "sim");
    ASSERT_TRUE(cpu && sim);
    for (const Session *session : {&cpu, &sim})
      ASSERT_EQ(pcx_session_initialise(session->get(), 5), PCX_OK);
    order.resize(samples);
    pcx_permutation(3, PCX_STREAM_USER, order.data(), samples);
  }

  /// Steps over the same data with and without an order, on both.
  template <typename T>
  void compare(const std::vector<T> &values, uint32_t dtype, uint32_t encoding,
               double scale = 1, double mean = 0, double std = 1) {
    Data data = makeData(cpu, values, dtype, encoding, scale, mean, std);
    for (const auto &some : {std::vector<uint32_t>(), order}) {
      uint64_t before = count("launches", "pcx_gather");
      Steps here = runSteps(cpu, data, {.outputs = true}, some);
      EXPECT_EQ(here.status, PCX_OK) << pcx_last_error();
      EXPECT_EQ(runSteps(sim, data, {.outputs = true}, some), here);
      EXPECT_EQ(Arrays(sim), Arrays(cpu));
      EXPECT_EQ(count("launches", "pcx_gather") - before, 4u);
    }
  }

  std::vector<uint32_t> order;
  std::vector<float> x = numbers(samples * width, -1);
};
} // namespace

TEST_F(ResidentData, StepsAreAsOnTheCpu) {
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  for (StepOptions options :
       {StepOptions{}, StepOptions{.callback = true},
        StepOptions{.outputs = true}, StepOptions{.finite = true},
        StepOptions{.callback = true, .outputs = true, .stopAfter = 1},
        // In the middle, as after --resume, and to the ragged end.
        StepOptions{.outputs = true, .first = 8},
        StepOptions{.outputs = true, .first = 16}})
    for (const auto &some : {std::vector<uint32_t>(), order}) {
      Steps here = runSteps(cpu, data, options, some);
      EXPECT_EQ(here.status, PCX_OK) << pcx_last_error();
      EXPECT_EQ(runSteps(sim, data, options, some), here);
      EXPECT_EQ(Arrays(sim), Arrays(cpu));
    }
  EXPECT_GT(count("launches", "pcx_gather"), 30u);
}

TEST_F(ResidentData, EncodingsAreAsOnTheCpu) {
  std::vector<uint8_t> bytes(samples * width);
  std::vector<double> doubles(samples * width);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = uint8_t(i * 37);
    doubles[i] = 0.1 * double(i % 17);
  }
  compare(x, PCX_F32, PCX_ENCODE_NONE);
  compare(x, PCX_F32, PCX_ENCODE_AFFINE, 0.3, 0.7, 1.3);
  compare(doubles, PCX_F64, PCX_ENCODE_AFFINE, 0.3, 0.7, 1.3);
  compare(bytes, PCX_U8, PCX_ENCODE_AFFINE, 1.0 / 255, 0.5, 0.3);
  std::vector<uint8_t> small(samples);
  std::vector<int32_t> classes(samples);
  std::vector<int64_t> wide(samples);
  for (size_t i = 0; i < small.size(); ++i)
    small[i] = uint8_t(classes[i] = int32_t(wide[i] = (i * 7) % width));
  compare(small, PCX_U8, PCX_ENCODE_ONE_HOT);
  compare(classes, PCX_I32, PCX_ENCODE_ONE_HOT);
  compare(wide, PCX_I64, PCX_ENCODE_ONE_HOT);
}

TEST_F(ResidentData, IsCopiedOnce) {
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  runSteps(sim, data, {}, order);
  uint64_t before = count("uploads"), bytes = count("uploadedBytes");
  runSteps(sim, data, {}, order);
  // The order, and the scalars of four steps: those of two sweeps and of the
  // end, and which samples. Three steps are of whole batches and go together.
  EXPECT_EQ(count("uploads") - before, 3u);
  EXPECT_EQ(count("uploadedBytes") - bytes, 4u * samples + 4 * 8 * (2 + 2 + 2));
}

TEST_F(ResidentData, BatchesAreRecordedWithTheLaunches) {
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  for (int run = 0; run < 4; ++run) {
    Steps here = runSteps(cpu, data, {.outputs = true}, order);
    EXPECT_EQ(runSteps(sim, data, {.outputs = true}, order), here) << run;
    std::rotate(order.begin(), order.begin() + 7, order.end());
  }
  // Of eight samples and of six; the first launches of each were not played.
  EXPECT_EQ(count("captures"), 2u);
  EXPECT_EQ(count("replays"), 14u);
  EXPECT_EQ(count("launches", "pcx_gather"), 16u);
  EXPECT_EQ(Arrays(sim), Arrays(cpu));
}

TEST_F(ResidentData, ShortStepsAreBegunTogether) {
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  // Twice: launched, and then recorded and played.
  for (StepOptions options :
       {StepOptions{}, StepOptions{},
        StepOptions{.callback = true, .overlap = 7},
        StepOptions{.callback = true, .overlap = 7},
        StepOptions{.callback = true, .overlap = 3},
        StepOptions{.callback = true, .first = 8, .overlap = 3}}) {
    Steps here = runSteps(cpu, data, options, order);
    EXPECT_EQ(runSteps(sim, data, options, order), here);
    EXPECT_EQ(Arrays(sim), Arrays(cpu));
  }
  EXPECT_EQ(count("launches", "pcx_gather"), 5 * 4u + 2u);

  // How many have begun when each is told, and how many are done when the first
  // one is to be the last: three whole batches and one of six samples.
  using Begun = std::vector<uint64_t>;
  for (auto [overlap, stopAfter, expected] :
       {std::tuple(2u, -1, Begun{2, 3, 4, 4}),
        std::tuple(3u, -1, Begun{3, 3, 4, 4}),
        std::tuple(5u, -1, Begun{4, 4, 4, 4}),
        std::tuple(3u, 0, Begun{3, 3, 3}), std::tuple(3u, 1, Begun{3, 3, 3}),
        std::tuple(3u, 2, Begun{3, 3, 4, 4}),
        std::tuple(1000u, 0, Begun{4, 4, 4, 4})}) {
    EXPECT_EQ(runTold(sim, data, overlap, stopAfter), expected) << overlap;
    // The session is as after the steps that are counted.
    runTold(cpu, data, 0, -1, int64_t(expected.size()));
    EXPECT_EQ(Arrays(sim), Arrays(cpu)) << overlap;
  }
}

TEST_F(ResidentData, RecordingsAreOfOneDataSet) {
  std::vector<float> other = numbers(samples * width, 3);
  Data data[] = {makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE),
                 makeData(cpu, other, PCX_F32, PCX_ENCODE_NONE)};
  for (int run = 0; run < 6; ++run) {
    const Data &one = data[run % 2];
    Steps here = runSteps(cpu, one, {.outputs = true}, order);
    EXPECT_EQ(runSteps(sim, one, {.outputs = true}, order), here) << run;
    // And of none.
    std::vector<float> batch = numbers(maxBatch * width, float(run));
    EXPECT_EQ(trainOnce(sim, batch), trainOnce(cpu, batch)) << run;
  }
  EXPECT_EQ(count("captures"), 5u);
}

TEST_F(ResidentData, MemoryOfPastDataIsGivenBack) {
  std::vector<float> other = numbers(samples * width, 3);
  Data first = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  runSteps(sim, first, {}, order);
  runSteps(sim, first, {}, order);
  uint64_t used = count("allocatedBytes"), bytes = pcx_session_bytes(sim.get());
  // Another one, at the same address more often than not.
  for (const std::vector<float> *values : {&other, &x, &other}) {
    first.reset();
    first = makeData(cpu, *values, PCX_F32, PCX_ENCODE_NONE);
    ASSERT_EQ(pcx_session_initialise(sim.get(), 5), PCX_OK);
    ASSERT_EQ(pcx_session_initialise(cpu.get(), 5), PCX_OK);
    Steps here = runSteps(cpu, first, {.outputs = true}, order);
    EXPECT_EQ(runSteps(sim, first, {.outputs = true}, order), here);
    EXPECT_EQ(count("allocatedBytes"), used);
    EXPECT_EQ(pcx_session_bytes(sim.get()), bytes);
  }
  // Two at once have room for two.
  Data second = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  runSteps(sim, second, {}, order);
  EXPECT_GT(count("allocatedBytes"), used + samples * width * 4 - 1);
}

TEST_F(ResidentData, WhatDoesNotFitStaysWithTheHost) {
  uint64_t used = count("allocatedBytes");
  // A sixteenth is kept free: there is room for half of the data.
  std::string limit = std::to_string((used + samples * width * 2) * 16 / 15);
  Environment memory("PCX_SIM_MEMORY", limit.c_str());
  Data data = makeData(cpu, x, PCX_F32, PCX_ENCODE_NONE);
  Steps here = runSteps(cpu, data, {.outputs = true}, order);
  EXPECT_EQ(runSteps(sim, data, {.outputs = true}, order), here);
  EXPECT_EQ(count("launches", "pcx_gather"), 0u);
  EXPECT_EQ(count("allocatedBytes"), used);
}

TEST_F(ResidentData, TheEnvironmentLeavesItWithTheHost) {
  Environment place("PCX_DEVICE_DATA", "host");
  Session session = makeSession(module, 1, "sim");
  ASSERT_EQ(pcx_session_initialise(session.get(), 5), PCX_OK);
  Steps here = runSteps(cpu, x, {.outputs = true}, order);
  EXPECT_EQ(runSteps(session, x, {.outputs = true}, order), here);
  EXPECT_EQ(count("launches", "pcx_gather"), 0u);
}

TEST_F(ResidentData, WrongPlacesAreMistakes) {
  Environment place("PCX_DEVICE_DATA", "disk");
  EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_ARGUMENT,
                         {"PCX_DEVICE_DATA is 'disk'", "'host'", "'device'"}));
}

TEST_F(ResidentData, TheProfileHasWhatMakesBatches) {
  pcx_profile_options_t options = {sizeof(options), 100};
  ASSERT_EQ(pcx_profile_start(sim.get(), &options), PCX_OK) << pcx_last_error();
  runSteps(sim, x, {}, order);
  const pcx_profile_t *profile = nullptr;
  ASSERT_EQ(pcx_profile_stop(sim.get(), &profile), PCX_OK) << pcx_last_error();
  const pcx_profile_program_t &train = profile->programs[0];
  ASSERT_EQ(train.stage_count, 3u);
  EXPECT_EQ(train.stages[2].runs, 4u);
  EXPECT_EQ(train.stages[2].tasks, 3 * 8u + 6u); // a block a sample
  EXPECT_GT(train.stages[2].seconds, 0);
  EXPECT_EQ(profile->event_count, 4u * 5);
}

TEST_F(SimulatedDevice, ArtifactsWithoutItsKernelMakeBatchesOnTheHost) {
  runSteps(sim, numbers(samples * width, -1), {});
  EXPECT_EQ(count("launches", "pcx_gather"), 0u);
}

//===----------------------------------------------------------------------===//
// The session on the device
//===----------------------------------------------------------------------===//

TEST_F(SimulatedDevice, CheckpointsMoveBetweenDevices) {
  TemporaryFolder folder;
  std::vector<float> x = numbers(8 * width, 1);
  // To the simulated device and back, a call on each, against the CPU alone.
  Session other = makeSession(module, 1);
  ASSERT_EQ(pcx_session_initialise(other.get(), 5), PCX_OK);
  trainOnce(cpu, x);
  trainOnce(other, x);
  ASSERT_EQ(pcx_save(cpu.get(), (folder / "a.safetensors").c_str(), nullptr, 0),
            PCX_OK);
  ASSERT_EQ(
      pcx_load(sim.get(), (folder / "a.safetensors").c_str(), PCX_LOAD_ALL),
      PCX_OK)
      << pcx_last_error();
  EXPECT_EQ(trainOnce(sim, x), trainOnce(other, x));
  ASSERT_EQ(pcx_save(sim.get(), (folder / "b.safetensors").c_str(), nullptr, 0),
            PCX_OK);
  ASSERT_EQ(
      pcx_load(cpu.get(), (folder / "b.safetensors").c_str(), PCX_LOAD_ALL),
      PCX_OK)
      << pcx_last_error();
  EXPECT_EQ(Arrays(cpu), Arrays(other));
  EXPECT_EQ(trainOnce(cpu, x), trainOnce(other, x));
  // The file says nothing of the device.
  ASSERT_EQ(pcx_save(cpu.get(), (folder / "c.safetensors").c_str(), nullptr, 0),
            PCX_OK);
  ASSERT_EQ(
      pcx_save(other.get(), (folder / "d.safetensors").c_str(), nullptr, 0),
      PCX_OK);
  EXPECT_EQ(readFile(folder / "c.safetensors"),
            readFile(folder / "d.safetensors"));
}

TEST_F(SimulatedDevice, CooperativeGridsFitTheDevice) {
  std::vector<float> x = numbers(8 * width, 1);
  EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x));
  // Each block of `finish` comes to two barriers.
  EXPECT_EQ(count("barriers", "finish"), 2 * 64u);
  driver->pcxSimReset();
  ASSERT_EQ(pcx_session_initialise(cpu.get(), 5), PCX_OK);
  // One multiprocessor holds 32 of them.
  Environment processors("PCX_SIM_SMS", "1");
  Session small = makeSession(module, 1, "sim");
  ASSERT_EQ(pcx_session_initialise(small.get(), 5), PCX_OK);
  EXPECT_EQ(trainOnce(small, x), trainOnce(cpu, x));
  EXPECT_EQ(count("barriers", "finish"), 2 * 32u);
}

TEST_F(SimulatedDevice, ItsSettingsAreNumbers) {
  for (const char *text : {"abc", "", "0", "-1", "4x", " 4", "0.5", "65537",
                           "99999999999999999999"}) {
    Environment processors("PCX_SIM_SMS", text);
    EXPECT_TRUE(failedWith(
        create(module, "sim"), PCX_ERROR_ARGUMENT,
        {"PCX_SIM_SMS is '" + std::string(text) +
         "' in the environment, expected the multiprocessors of the simulated "
         "device: a whole number from 1 to 65536; unset it for 132"}))
        << text;
  }
  for (const char *text : {"80GB", "", "0"}) {
    Environment memory("PCX_SIM_MEMORY", text);
    EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_ARGUMENT,
                           {"PCX_SIM_MEMORY is '" + std::string(text) +
                            "' in the environment, expected the bytes of the "
                            "simulated device's memory"}))
        << text;
  }
  for (const char *text : {"sm_86", "1000"}) {
    Environment architecture("PCX_SIM_ARCH", text);
    EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_ARGUMENT,
                           {"PCX_SIM_ARCH is '" + std::string(text)}))
        << text;
  }
  for (const char *text : {"232449", "0"}) {
    Environment sharedBytes("PCX_SIM_SHARED", text);
    EXPECT_TRUE(failedWith(create(module, "sim"), PCX_ERROR_ARGUMENT,
                           {"PCX_SIM_SHARED is '" + std::string(text)}))
        << text;
  }
  Environment most("PCX_SIM_SMS", "65536");
  EXPECT_TRUE(makeSession(module, 1, "sim"));
}

TEST_F(SimulatedDevice, FollowsTheBestPlanThatFits) {
  Module plans = loadDevice(PCX_TEST_DEVICE_PLANS);
  ASSERT_TRUE(plans);
  const pcx_device_variant_t *devices =
      pcx_module_info(plans.get())->programs[0].devices;
  std::vector<float> x = numbers(8 * width, 1);
  ASSERT_EQ(pcx_session_initialise(cpu.get(), 5), PCX_OK);
  auto expected = trainOnce(cpu, x);
  auto follows = [&](const char *arch, const char *shared, size_t plan) {
    Environment architecture("PCX_SIM_ARCH", arch);
    Environment sharedBytes("PCX_SIM_SHARED", shared);
    Session session = makeSession(plans, 1, "sim");
    EXPECT_EQ(pcx_session_device_variant(session.get(), 0), &devices[plan])
        << arch << " " << shared;
    EXPECT_EQ(pcx_session_initialise(session.get(), 5), PCX_OK);
    EXPECT_EQ(trainOnce(session, x), expected) << arch << " " << shared;
  };
  follows("90", "232448", 1);
  follows("90", "204800", 1);
  follows("90", "204799", 0);
  follows("120", "101376", 0);
  follows("89", "232448", 0);
  follows("80", "1024", 0);
  {
    Environment architecture("PCX_SIM_ARCH", "75");
    EXPECT_TRUE(failedWith(create(plans, "sim"), PCX_ERROR_DEVICE,
                           {"runs LLVM IR for up to sm_75", "--gpu-arch=sim"}));
  }
  // Where none fits, the newest is named.
  Environment sharedBytes("PCX_SIM_SHARED", "10");
  EXPECT_TRUE(
      failedWith(create(plans, "sim"), PCX_ERROR_DEVICE,
                 {"kernel 'relax' of program 'train'", "needs 204800 bytes",
                  "at most 10 on sim", "without --gpu-arch"}));
  EXPECT_EQ(pcx_session_device_variant(cpu.get(), 0), nullptr);
  EXPECT_EQ(pcx_session_device_variant(sim.get(), 99), nullptr);
}

TEST_F(SimulatedDevice, AFaultNamesTheKernelAndEndsTheSession) {
  std::vector<float> x = numbers(8 * width, 1);
  pcx_array_t in[] = {arrayOf(x, PCX_F32)};
  EXPECT_TRUE(failedWith(
      pcx_run(sim.get(), 2, 8, in, 1, nullptr, 0), PCX_ERROR_DEVICE,
      {"kernel 'overrun' (launch #0) of program 'fault' of 'device.pcx' failed "
       "on sim",
       "out of bounds", "thread (0, 0, 0)", "%v = load float"}));
  std::vector<float> w(4);
  EXPECT_TRUE(failedWith(pcx_read_storage(sim.get(), "w", w.data(), 16),
                         PCX_ERROR_DEVICE,
                         {"of no use any more", "kernel 'overrun'"}));
  EXPECT_TRUE(failedWith(pcx_run(sim.get(), 2, 8, in, 1, nullptr, 0),
                         PCX_ERROR_DEVICE, {"of no use any more"}));
  // Another one is not concerned.
  Session fresh = makeSession(module, 1, "sim");
  ASSERT_EQ(pcx_session_initialise(fresh.get(), 5), PCX_OK);
  EXPECT_EQ(trainOnce(fresh, x), trainOnce(cpu, x));
}

TEST_F(SimulatedDevice, AMistakenHostPartIsRefused) {
  EXPECT_TRUE(failedWith(
      pcx_run(sim.get(), 3, 1, nullptr, 0, nullptr, 0), PCX_ERROR_FORMAT,
      {"host's part of program 'mistaken'", "launch 9 of 2"}));
  // Nothing has happened.
  std::vector<float> x = numbers(8 * width, 1);
  EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x));
}

TEST_F(SimulatedDevice, MemoryThatRunsOutIsNamed) {
  uint64_t used = count("allocatedBytes");
  std::string limit = std::to_string(used + 40);
  Environment memory("PCX_SIM_MEMORY", limit.c_str());
  EXPECT_TRUE(
      failedWith(create(module, "sim"), PCX_ERROR_MEMORY,
                 {"no memory left on sim", "array 'state' of 'device.pcx'",
                  "128 bytes", "use a device with more memory"}));
  // What it had got is given back.
  EXPECT_EQ(count("allocatedBytes"), used);
}

TEST_F(SimulatedDevice, SessionsGiveBackTheirMemory) {
  uint64_t before = count("allocatedBytes");
  {
    Session third = makeSession(module, 1, "sim");
    EXPECT_GT(count("allocatedBytes"), before);
  }
  EXPECT_EQ(count("allocatedBytes"), before);
}

TEST_F(SimulatedDevice, ImagesForGpusAloneAreRefused) {
  Module ptx = loadDevice(PCX_TEST_DEVICE_PTX);
  EXPECT_TRUE(failedWith(
      create(ptx, "sim"), PCX_ERROR_DEVICE,
      {"no code for the simulated device", "its images are ptx sm_80"}));
}

TEST_F(SimulatedDevice, RunsWhatTheCpuCannot) {
  Module only = loadDevice(PCX_TEST_DEVICE_ONLY);
  Session session = makeSession(only, 1, "sim");
  ASSERT_EQ(pcx_session_initialise(session.get(), 5), PCX_OK);
  std::vector<float> x = numbers(8 * width, 1);
  EXPECT_EQ(trainOnce(session, x), trainOnce(cpu, x));
}

TEST_F(SimulatedDevice, WaitingForEachLaunchChangesNothing) {
  Environment wait("PCX_CUDA_SYNC", "1");
  Session waiting = makeSession(module, 1, "sim");
  ASSERT_EQ(pcx_session_initialise(waiting.get(), 5), PCX_OK);
  std::vector<float> x = numbers(8 * width, 1);
  uint64_t before = count("waits");
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(trainOnce(waiting, x), trainOnce(cpu, x));
  EXPECT_EQ(count("captures"), 0u);
  EXPECT_GE(count("waits") - before, 9u);
}

TEST_F(SimulatedDevice, TheProfileHasTheLaunches) {
  std::vector<float> x = numbers(8 * width, 1);
  trainOnce(cpu, x);
  trainOnce(sim, x);
  pcx_profile_options_t options = {sizeof(options), 100};
  ASSERT_EQ(pcx_profile_start(sim.get(), &options), PCX_OK) << pcx_last_error();
  for (int call = 0; call < 3; ++call)
    EXPECT_EQ(trainOnce(sim, x), trainOnce(cpu, x));
  const pcx_profile_t *profile = nullptr;
  ASSERT_EQ(pcx_profile_stop(sim.get(), &profile), PCX_OK) << pcx_last_error();
  ASSERT_EQ(profile->program_count, 4u);
  const pcx_profile_program_t &train = profile->programs[0];
  EXPECT_EQ(train.calls, 3u);
  EXPECT_EQ(train.samples, 24u);
  EXPECT_EQ(train.marked, 0u);
  ASSERT_EQ(train.stage_count, 3u);
  EXPECT_EQ(train.stages[0].runs, 6u);
  EXPECT_EQ(train.stages[0].tasks, 12u); // two blocks each
  EXPECT_GT(train.stages[0].seconds, 0);
  EXPECT_EQ(train.stages[1].runs, 3u);
  EXPECT_EQ(train.stages[1].tasks, 3 * 64u);
  EXPECT_EQ(train.stages[2].runs, 0u);
  EXPECT_GE(train.seconds, train.stages[0].seconds);
  // Three calls of three launches.
  EXPECT_EQ(profile->event_count, 12u);
  EXPECT_EQ(profile->events[0].kind, uint32_t(PCX_EVENT_CALL));
  EXPECT_EQ(profile->events_lost, 0u);
  EXPECT_THAT(profile->device_text, testing::HasSubstr("relax"));
  // Nobody was recorded meanwhile.
  EXPECT_EQ(count("replays"), 0u);
}
