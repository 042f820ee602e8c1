//===- DeviceTest.cpp - pcx-run --device ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On the artifact of test/Runtime/Artifacts/device.c, which computes the same
// numbers on the CPU and on the simulated device.
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"

#include <dlfcn.h>

using namespace pcx;
using namespace pcx::test;
using data::Array;
using data::DType;

namespace {
class OnDevice : public testing::Test {
protected:
  void SetUp() override {
    x = Array::zeros(DType::F32, {30, 4});
    for (int i = 0; i < 120; ++i)
      x.as<float>()[static_cast<size_t>(i)] = 0.25f * float((i * 7) % 11);
    ASSERT_TRUE(data::writeNpz(dir / "x.npz", {{"x", &x}}));
  }
  RunResult train(const std::string &device, const std::string &save,
                  std::vector<std::string> more = {},
                  const std::string &file = "pcx-test-for-device") {
    more.insert(more.begin(), {"train", artifact(file), "--data", dir / "x.npz",
                               "--save", dir / save, "--device", device});
    return run(more);
  }
  TempDir dir;
  Array x;
};
} // namespace

TEST_F(OnDevice, UnknownOnesAndMissingCodeAreMistakes) {
  EXPECT_MISTAKE(train("gpu", "a.safetensors"),
                 AllOf(HasSubstr("unknown device 'gpu'"),
                       HasSubstr("'cpu', 'cuda', 'cuda:N'"),
                       HasSubstr("'sim'")));
  EXPECT_MISTAKE(train("cuda", "a.safetensors", {}, "pcx-test-for-device-none"),
                 HasSubstr("was compiled for the CPU only; compile with pcc "
                           "--target=cuda"));
  EXPECT_MISTAKE(train("cpu", "a.safetensors", {}, "pcx-test-for-device-only"),
                 HasSubstr("was compiled for cuda only; use --device=cuda or "
                           "compile with --target=cuda,cpu"));
}

TEST_F(OnDevice, WithoutADriverTheMachineIsTold) {
  if (dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL))
    GTEST_SKIP() << "this machine has one";
  EXPECT_MISTAKE(train("cuda", "a.safetensors", {}, "pcx-test-for-device-ptx"),
                 AllOf(HasSubstr("there is no CUDA driver on this machine"),
                       HasSubstr("--device=cpu")));
}

TEST(Inspect, CodeForDevices) {
  RunResult result = run({"inspect", artifact("pcx-test-for-device")});
  EXPECT_OK(result);
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("image       simulated device (LLVM IR), "),
            HasSubstr("code      x86-64 (used here)"),
            HasSubstr("code      sim (graph): work that depends on the call, "
                      "workspace 64 B + 16 B a block\n"),
            HasSubstr("launch  relax: as often as the call says, 16 threads, "
                      "64 B shared, blocks: one for 4 samples\n"),
            HasSubstr("launch  finish: 1 a call, 2 threads, 0 B shared, "
                      "blocks: 64, as many as fit\n")));
  result = run({"inspect", artifact("pcx-test-for-device-only"), "--json"});
  EXPECT_OK(result);
  auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["images"][0]["kind"], "llvm");
  EXPECT_EQ(json["images"][0]["arch"], "sm_80");
  EXPECT_TRUE(json["programs"][0]["variants"].empty());
  EXPECT_EQ(
      json["programs"][0]["devices"][0]["launches"][0]["samples_per_block"], 4);
  EXPECT_EQ(json["programs"][0]["devices"][0]["launches"][1]["cooperative"],
            true);
  EXPECT_EQ(json["programs"][0]["devices"][0]["launches"][0]["name"],
            json["programs"][0]["devices"][0]["launches"][0]["kernel"]);
}

#ifdef PCX_TEST_SIMULATOR
TEST_F(OnDevice, TrainingWritesTheCheckpointOfTheCpu) {
  RunResult result =
      train("sim", "sim.safetensors", {"--epochs", "2", "--seed", "3"});
  EXPECT_OK(result);
  EXPECT_THAT(result.err, HasSubstr(", device sim"));
  EXPECT_OK(train("cpu", "cpu.safetensors", {"--epochs", "2", "--seed", "3"}));
  std::string expected = readText(dir / "cpu.safetensors");
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(readText(dir / "sim.safetensors"), expected);

  // In two pieces, one on each.
  EXPECT_OK(train("sim", "half.safetensors", {"--epochs", "1", "--seed", "3"}));
  EXPECT_OK(train("cpu", "whole.safetensors",
                  {"--epochs", "2", "--resume", dir / "half.safetensors"}));
  EXPECT_EQ(readText(dir / "whole.safetensors"), expected);
}

TEST_F(OnDevice, ANumberThatIsNoneIsToldOfItsStep) {
  // In the last sample, of one shuffled batch of four.
  x.as<float>()[117] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(data::writeNpz(dir / "x.npz", {{"x", &x}}));
  for (const char *seed : {"1", "2", "3", "4"}) {
    RunResult here = train("cpu", "a.safetensors", {"--seed", seed});
    RunResult there = train("sim", "a.safetensors", {"--seed", seed});
    auto message = [](const RunResult &result) {
      return result.err.substr(
          std::min(result.err.find("error: "), result.err.size()));
    };
    EXPECT_THAT(message(here), AllOf(HasSubstr("inf (a report of each"),
                                     HasSubstr("of epoch 1")));
    EXPECT_EQ(message(there), message(here));
  }
}

TEST_F(OnDevice, ExecWritesTheArraysOfTheCpu) {
  Array few = Array::zeros(DType::F32, {5, 4});
  few.as<float>()[3] = 2;
  ASSERT_TRUE(data::writeNpy(dir / "x.npy", few));
  for (const char *device : {"cpu", "sim"})
    EXPECT_OK(run({"exec", artifact("pcx-test-for-device"), "--program",
                   "train", "--input", "x=" + dir / "x.npy", "--device", device,
                   "-o", dir / (std::string(device) + ".npz")}));
  auto here = data::NpzFile::open(dir / "cpu.npz"),
       there = data::NpzFile::open(dir / "sim.npz");
  ASSERT_TRUE(here && there);
  for (const char *name : {"energy", "rows", "params/w", "params/state",
                           "params/count", "params/matrix"}) {
    auto expected = here->read(name), found = there->read(name);
    ASSERT_TRUE(expected && found) << name;
    EXPECT_EQ(found->bytes, expected->bytes) << name;
  }
}

TEST_F(OnDevice, TheProfileShowsLaunchesAndCounters) {
  RunResult result =
      train("sim", "a.safetensors",
            {"--epochs", "1", "--profile", "--trace", dir / "t.json"});
  EXPECT_OK(result);
  EXPECT_THAT(result.err, AllOf(HasSubstr("device: sim\n"),
                                HasSubstr("profile of 'train': 4 calls"),
                                HasSubstr("finish"),
                                HasSubstr("what the device counted:\n")));
  auto trace = nlohmann::json::parse(readText(dir / "t.json"));
  size_t launches = 0;
  for (const auto &event : trace["traceEvents"])
    launches += event.value("cat", "") == "launch";
  // Three a call.
  EXPECT_EQ(launches, 12u);
}

TEST_F(OnDevice, BenchTimesIt) {
  RunResult result =
      run({"bench", artifact("pcx-test-for-device"), "--device", "sim",
           "--blocks", "2", "--steps", "2", "--json", dir / "b.json"});
  EXPECT_OK(result);
  EXPECT_THAT(result.out, HasSubstr("program 'train' of 'device' for sim\n"));
  // The CPU's speed is of no account, nor is a rate of the simulation.
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("device: sim, simulated: times are those of the "
                              "simulation and say nothing of a GPU\n"),
                    HasSubstr("MFLOP a step  MB a step"),
                    Not(HasSubstr("machine:")), Not(HasSubstr("peak")),
                    Not(HasSubstr("threads"))));
  auto json = nlohmann::json::parse(readText(dir / "b.json"));
  EXPECT_EQ(json["machine"], (nlohmann::json{{"device", "sim"}}));
  EXPECT_FALSE(json["rows"][0].contains("threads"));
  EXPECT_TRUE(json["rows"][0]["peak_share"].is_null());

  EXPECT_MISTAKE(run({"bench", "--device", "sim"}),
                 HasSubstr("--device sim: the speed of the CPU alone is "
                           "measured; name an artifact to time"));
  EXPECT_MISTAKE(run({"bench", artifact("pcx-test-for-device"), "--device",
                      "sim", "--threads", "1"}),
                 HasSubstr("--threads is for --device cpu: on sim programs run "
                           "with all that it has"));
}

TEST_F(OnDevice, AFaultIsAnErrorThatNamesTheKernel) {
  ASSERT_TRUE(data::writeNpy(dir / "x.npy", Array::zeros(DType::F32, {8, 4})));
  EXPECT_MISTAKE(run({"exec", artifact("pcx-test-for-device"), "--program",
                      "fault", "--input", "x=" + dir / "x.npy", "--device",
                      "sim", "-o", dir / "o.npz"}),
                 AllOf(HasSubstr("kernel 'overrun' (launch #0) of program "
                                 "'fault'"),
                       HasSubstr("out of bounds")));
}
#endif
