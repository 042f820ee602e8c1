//===- ProfileTest.cpp - Time of stages and kernels, shown ----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Profile.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

using namespace pcx;
using namespace pcx::experiment;
using testing::HasSubstr;
using testing::Not;

namespace {
/// A program of a stage with two kernels, one of them in a loop.
class ShownProfile : public testing::Test {
protected:
  ShownProfile() {
    kernels[0] = {sizeof(kernels[0]), "0 contract", 0, 1e6, 0, 100, 0};
    kernels[1] = {sizeof(kernels[1]), "1 \"map\"", 1000, 0, 4e9, 0, 20};
    uses[0] = {sizeof(uses[0]), 0, 5};
    uses[1] = {sizeof(uses[1]), 1, 1};
    stages[0] = {sizeof(stages[0]), "samples1", nullptr, 2, 1, &uses[0]};
    stages[1] = {sizeof(stages[1]), "params2_0", nullptr, 1, 1, &uses[1]};
    variant = {};
    variant.kernel_count = 2;
    variant.kernels = kernels;
    variant.marked = 1;
    variant.stage_count = 2;
    variant.stages = stages;
    program = {};
    program.name = "train";
    artifact = {};
    artifact.model = "net";
    artifact.dtype = PCX_F32;
    artifact.program_count = 1;
    artifact.programs = &program;

    // Two calls of ten samples on two workers.
    kernelTimes[0] = {20, 40, 0.4, 0.3, 20 * 10e6, 20 * 1000};
    kernelTimes[1] = {2, 2, 3.2, 3.2, 2000, 8e9};
    stageTimes[0] = {4, 8, 0.25, 0.4, 0.3};
    stageTimes[1] = {2, 2, 3.25, 3.2, 3.2};
    stageTimes[2] = {};
    total = {2, 20, 4, 1, 2, kernelTimes, 3, stageTimes};
    events[0] = {0, 2, PCX_EVENT_CALL, 0, 0, 0, 10};
    events[1] = {0.5, 0.0000125, PCX_EVENT_KERNEL, 1, 0, 1, 7};
    profile = {sizeof(profile), 2, 5, 1, &total, 2, events, 3, ""};
    speed.threads = 2;
    speed.flops = 2e9;
    speed.l2 = 20e9;
    speed.memory = 4e9;
  }
  std::string table() {
    std::string text =
        formatProfile(artifact, profile, {&variant}, speed, 1 << 20);
    // One space for many.
    std::string narrow;
    for (char c : text)
      if (c != ' ' || (!narrow.empty() && narrow.back() != ' '))
        narrow += c;
    return narrow;
  }

  pcx_kernel_info_t kernels[2];
  pcx_kernel_use_t uses[2];
  pcx_stage_info_t stages[2];
  pcx_variant_t variant;
  pcx_program_t program;
  pcx_artifact_t artifact;
  pcx_profile_kernel_t kernelTimes[2];
  pcx_profile_stage_t stageTimes[3];
  pcx_profile_program_t total;
  pcx_event_t events[2];
  pcx_profile_t profile;
  MachineSpeed speed;
};
} // namespace

TEST_F(ShownProfile, CountsTheWorkOfACall) {
  auto work = workOfCall(variant, 10);
  ASSERT_TRUE(work);
  EXPECT_EQ(work->flops, 2 * 5 * 10e6 + 1000);
  EXPECT_EQ(work->bytes, 2 * 5 * 1000 + 4e9);
  // As often as only the run knows.
  uses[0].calls = 0;
  EXPECT_FALSE(workOfCall(variant, 10));
  uses[0].calls = 5;
  stages[1].runs = 0;
  EXPECT_FALSE(workOfCall(variant, 10));
  variant.stage_count = 0;
  EXPECT_FALSE(workOfCall(variant, 10));
}

TEST_F(ShownProfile, StandsBesideTheMachine) {
  std::string text = table();
  EXPECT_THAT(text, HasSubstr("machine: 2 threads, 2.0 GFLOP/s of FMA, 20.0 "
                              "GB/s in the second-level cache, 4.0 GB/s in "
                              "memory\n"));
  EXPECT_THAT(text, HasSubstr("profile of 'train': 2 calls, 20 samples, 4 s, "
                              "2000 ms a call\n"));
  // 62.5 ms a run: 50 MFLOP at 1 GFLOP/s a worker are 25 ms of two. The busiest
  // has 0.3 of 0.4 s; 0.1 of 0.5 s are idle.
  EXPECT_THAT(text,
              HasSubstr("samples1 4 62500.0 6.2 25000.0 0.8 40 2 1.50 20\n"));
  // 4 GB are more than the cache, at 2 GB/s a worker.
  EXPECT_THAT(text, HasSubstr("params2_0 2 1625000.0 81.2 1000000.0 0.0 0 1 "
                              "2.00 51\n"));
  EXPECT_THAT(text, HasSubstr("(between) 12.5\n"));
  // The most expensive one first.
  EXPECT_THAT(text,
              HasSubstr("imbalance\n 1 \"map\" 2 1600000.00 40.0 "
                        "2000000.00 0.80 0.0 0 2.00\n"
                        " 0 contract 20 20000.00 5.0 10000.00 2.00 0.5 50 "
                        "1.50\n"));
  EXPECT_THAT(text, Not(HasSubstr("note:")));
}

TEST_F(ShownProfile, HalvesThePeakForDoubles) {
  artifact.dtype = PCX_F64;
  EXPECT_THAT(table(), HasSubstr("0 contract 20 20000.00 5.0 20000.00 1.00 0.5 "
                                 "100 1.50\n"));
}

TEST_F(ShownProfile, SaysHowToSeeMore) {
  total.marked = 0;
  variant.stage_count = 0;
  total.stage_count = 1;
  std::string text = table();
  EXPECT_THAT(text, HasSubstr("(not named) 4 62500.0 6.2 - - - 2 1.50 20\n"));
  EXPECT_THAT(text, Not(HasSubstr("contract")));
  EXPECT_THAT(text, HasSubstr("note: stages of one task do not show, nor do "
                              "kernels; an artifact that `pcc --profile` made "
                              "has both\n"));
}

TEST_F(ShownProfile, TracesInMicroseconds) {
  auto json =
      nlohmann::json::parse(formatTrace(artifact, profile, {&variant}, {}));
  EXPECT_EQ(json["otherData"]["events_lost"], 3);
  const auto &list = json["traceEvents"];
  ASSERT_EQ(list.size(), 5u); // a name of the process and of each worker
  EXPECT_EQ(list[0]["args"]["name"], "net");
  EXPECT_EQ(list[2]["args"]["name"], "worker 1");
  EXPECT_EQ(list[3]["name"], "train");
  EXPECT_EQ(list[3]["cat"], "call");
  EXPECT_EQ(list[3]["args"]["samples"], 10);
  EXPECT_EQ(list[4]["name"], "1 \"map\"");
  EXPECT_EQ(list[4]["ph"], "X");
  EXPECT_EQ(list[4]["ts"], 500000);
  EXPECT_EQ(list[4]["dur"], 12.5);
  EXPECT_EQ(list[4]["tid"], 1);
  EXPECT_EQ(list[4]["args"]["rows"], 7);
}
