//===- ProfileTest.cpp - Where the time of programs goes ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "Fixtures.h"

using namespace pcx;
using namespace pcx::test;

namespace {
class ProfileTest : public ToyTest {
protected:
  void start(uint32_t events) {
    pcx_profile_options_t options = {sizeof(options), events};
    ASSERT_EQ(pcx_profile_start(session.get(), &options), PCX_OK)
        << pcx_last_error();
  }
  const pcx_profile_t &stop() {
    const pcx_profile_t *profile = nullptr;
    EXPECT_EQ(pcx_profile_stop(session.get(), &profile), PCX_OK)
        << pcx_last_error();
    return *profile;
  }
  /// Runs `train` on n samples.
  void run(int64_t n) {
    std::vector<float> image(size_t(n) * 6, 1.0f), label(size_t(n) * 3, 0.5f);
    pcx_array_t inputs[] = {arrayOf(image, PCX_F32), arrayOf(label, PCX_F32)};
    std::vector<pcx_array_t> outputs(
        pcx_module_info(module.get())->programs[train].output_count);
    ASSERT_EQ(pcx_run(session.get(), train, n, inputs, 2, outputs.data(),
                      uint32_t(outputs.size())),
              PCX_OK)
        << pcx_last_error();
  }
  uint64_t count(const pcx_profile_t &profile, pcx_event_kind_t kind) {
    uint64_t found = 0;
    for (uint64_t i = 0; i < profile.event_count; ++i)
      found += profile.events[i].kind == uint32_t(kind);
    return found;
  }
};
} // namespace

TEST_F(ProfileTest, NeedsAStart) {
  const pcx_profile_t *profile = nullptr;
  EXPECT_TRUE(failedWith(pcx_profile_stop(session.get(), &profile),
                         PCX_ERROR_ARGUMENT, {"pcx_profile_start"}));
  start(0);
  stop();
  EXPECT_TRUE(failedWith(pcx_profile_stop(session.get(), &profile),
                         PCX_ERROR_ARGUMENT, {"pcx_profile_start"}));
  pcx_profile_options_t options = {2, 0};
  EXPECT_TRUE(failedWith(pcx_profile_start(session.get(), &options),
                         PCX_ERROR_ARGUMENT, {"struct_size", "expected 8"}));
}

TEST_F(ProfileTest, KnowsStagesByTheirTasks) {
  run(8); // before the start: does not count
  start(100);
  run(8);
  run(3);
  const pcx_profile_t &profile = stop();
  run(8); // after the end
  EXPECT_EQ(profile.workers, 2u);
  ASSERT_EQ(profile.program_count,
            pcx_module_info(module.get())->program_count);
  const pcx_profile_program_t &program = profile.programs[train];
  EXPECT_EQ(program.calls, 2u);
  EXPECT_EQ(program.samples, 11u);
  EXPECT_EQ(program.marked, 0u);
  EXPECT_GT(program.seconds, 0);
  EXPECT_LE(program.seconds, profile.seconds);
  EXPECT_EQ(profile.programs[spoil].calls, 0u);
  // "single", "rows", and loops that are of no stage.
  ASSERT_EQ(program.stage_count, 3u);
  EXPECT_EQ(program.stages[0].runs, 0u);
  EXPECT_EQ(program.stages[1].runs, 2u);
  EXPECT_EQ(program.stages[1].tasks, 11u);
  EXPECT_LE(program.stages[1].seconds, program.seconds);
  EXPECT_LE(program.stages[1].busiest, program.stages[1].busy);
  EXPECT_EQ(program.stages[2].runs, 0u);
  EXPECT_EQ(count(profile, PCX_EVENT_CALL), 2u);
  EXPECT_EQ(count(profile, PCX_EVENT_STAGE), 2u);
  EXPECT_EQ(count(profile, PCX_EVENT_TASK), 11u);
  EXPECT_EQ(profile.events_lost, 0u);
  for (uint64_t i = 1; i < profile.event_count; ++i)
    EXPECT_LE(profile.events[i - 1].begin, profile.events[i].begin);
}

TEST_F(ProfileTest, KeepsTheLastEvents) {
  start(4);
  for (int i = 0; i < 10; ++i)
    run(8);
  const pcx_profile_t &profile = stop();
  EXPECT_EQ(profile.programs[train].calls, 10u);
  EXPECT_LE(profile.event_count, 8u);
  EXPECT_EQ(profile.event_count + profile.events_lost, 100u);
  // A start forgets.
  start(0);
  run(1);
  const pcx_profile_t &second = stop();
  EXPECT_EQ(second.programs[train].calls, 1u);
  EXPECT_EQ(second.event_count, 0u);
  EXPECT_EQ(second.events_lost, 0u);
}

TEST_F(ProfileTest, ChangesNoResult) {
  Session other = makeSession(module, 2);
  std::swap(session, other);
  run(8);
  std::swap(session, other);
  start(10);
  run(8);
  stop();
  EXPECT_EQ(readStorage<float>(session, "fc1.weight", 12),
            readStorage<float>(other, "fc1.weight", 12));
}

namespace {
/// What marked code says, from the host's side.
class MarkTest : public ToyTest {
protected:
  void mark(int64_t worker, uint32_t what, int64_t rows) {
    const pcx_host_t &host = profiler.host();
    host.mark(host.self, worker, what, PCX_MARK_BEGIN);
    host.mark(host.self, worker, what, rows);
  }
  ThreadPool pool{2};
  Profiler profiler{*module, pool, 16};
};
} // namespace

TEST_F(MarkTest, CountsPiecesAsSharesOfACall) {
  const pcx_variant_t &variant = *pcx_module_variant(module.get(), train);
  ASSERT_GE(variant.kernel_count, 1u);
  const pcx_kernel_info_t &kernel = variant.kernels[0];
  ASSERT_EQ(kernel.rows, 0); // samples
  profiler.beginCall(train, 8);
  mark(0, 0, 6);
  mark(1, 0, 2);
  mark(1, 0, 8);
  profiler.endCall();
  profiler.beginCall(train, 2);
  mark(0, 0, 2);
  // Of no kernel and no stage that there is.
  mark(0, 1000, 2);
  mark(0, PCX_MARK_STAGE + 1000, 0);
  profiler.endCall();
  const pcx_profile_program_t &program = profiler.finish().programs[train];
  EXPECT_EQ(program.kernels[0].calls, 3);
  EXPECT_EQ(program.kernels[0].pieces, 4u);
  EXPECT_EQ(program.kernels[0].flops,
            3 * kernel.flops_base + 18 * kernel.flops_per_sample);
  EXPECT_EQ(program.kernels[0].bytes,
            3 * kernel.bytes_base + 18 * kernel.bytes_per_sample);
  EXPECT_LE(program.kernels[0].busiest, program.kernels[0].seconds);
}

TEST_F(MarkTest, TimesStagesThatAreOneTask) {
  const pcx_host_t &host = profiler.host();
  auto nothing = [](void *, int64_t, int64_t) {};
  profiler.beginCall(train, 8);
  mark(0, PCX_MARK_STAGE + 0, 0);
  host.mark(host.self, 0, PCX_MARK_STAGE + 1, PCX_MARK_BEGIN);
  host.parallel_for(host.self, nothing, nullptr, 5);
  host.mark(host.self, 0, PCX_MARK_STAGE + 1, 0);
  // Outside of what is marked, a task that no stage has.
  host.parallel_for(host.self, nothing, nullptr, 3);
  profiler.endCall();
  const pcx_profile_t &profile = profiler.finish();
  const pcx_profile_stage_t *stages = profile.programs[train].stages;
  uint64_t tasks[] = {1, 5, 3};
  for (int s = 0; s < 3; ++s) {
    EXPECT_EQ(stages[s].runs, 1u);
    EXPECT_EQ(stages[s].tasks, tasks[s]);
  }
  EXPECT_EQ(stages[0].busy, stages[0].seconds);
  // Three stages, eight tasks, one call.
  EXPECT_EQ(profile.event_count + profile.events_lost, 12u);
}

TEST_F(MarkTest, LeavesInnerLoopsToTheirTasks) {
  const pcx_host_t &host = profiler.host();
  auto nothing = [](void *, int64_t, int64_t) {};
  struct Context {
    const pcx_host_t &host;
    pcx_task_fn inner;
  } context{host, nothing};
  auto outer = [](void *data, int64_t, int64_t) {
    auto &context = *static_cast<Context *>(data);
    context.host.parallel_for(context.host.self, context.inner, nullptr, 10);
  };
  profiler.beginCall(train, 8);
  host.parallel_for(host.self, outer, &context, 4);
  profiler.endCall();
  const pcx_profile_stage_t &stage =
      profiler.finish().programs[train].stages[2];
  EXPECT_EQ(stage.runs, 1u);
  EXPECT_EQ(stage.tasks, 4u);
}

TEST(ProfileTicks, Advance) {
  uint64_t before = readTicks();
  EXPECT_GE(readTicks(), before);
}
