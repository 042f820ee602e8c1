//===- InspectTest.cpp - pcx-run inspect ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"

using namespace pcx::test;

TEST(Inspect, Text) {
  RunResult result = run({"inspect", softmax(), "--batch", "10"});
  EXPECT_OK(result);
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("program train (train)"),
            HasSubstr("input     image 8x8 f32 a sample\n"),
            HasSubstr("input     label 10 f32 a sample, target\n"),
            HasSubstr("output    energy scalar f32, mean over the batch\n"),
            HasSubstr("warning   it is late\n"),
            HasSubstr("parameter fc.weight 10x64 f32, uniform [-0.1, 0.1)\n"),
            HasSubstr("w_lr = 0.05, 0 to 1e+30\n"),
            HasSubstr("640 parameters")));
  // 100 + 10 * 2 * 10 * 64 FLOP; 4 * 10 * 64 + 10 * 4 * 64 bytes.
  EXPECT_THAT(result.out,
              HasSubstr("x86-64 (used here): 12.9 kFLOP and 5.12 kB a call at "
                        "batch 10"));
}

TEST(Inspect, Json) {
  RunResult result = run({"inspect", softmax(), "--json", "--batch", "10"});
  EXPECT_OK(result);
  auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["model"], "softmax");
  EXPECT_EQ(json["max_batch"], 32);
  EXPECT_EQ(json["programs"][0]["inputs"][1]["target"], true);
  EXPECT_EQ(json["programs"][0]["outputs"][2]["trace"], true);
  EXPECT_EQ(json["programs"][0]["outputs"][2]["warning"], false);
  EXPECT_EQ(json["programs"][0]["outputs"][3]["name"], "it is late");
  EXPECT_EQ(json["programs"][0]["outputs"][3]["warning"], true);
  EXPECT_EQ(json["programs"][0]["variants"][0]["flops"], 12900.0);
  EXPECT_EQ(json["programs"][0]["variants"][0]["kernels"][0]["bytes"], 5120.0);
  EXPECT_EQ(json["storage"][0]["dims"], (std::vector<int64_t>{10, 64}));
  EXPECT_EQ(json["hypers"][3]["integral"], true);
}

TEST(Inspect, BatchOutOfRange) {
  EXPECT_MISTAKE(run({"inspect", softmax(), "--batch", "33"}),
                 HasSubstr("--batch 33: expected 1 to 32, the largest that the "
                           "artifact was compiled for; compile it with `pcc "
                           "--batch 33`"));
}
