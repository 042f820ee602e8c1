//===- CommandLineTest.cpp - The command line of pcx-run ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"

using namespace pcx::test;

TEST(CommandLine, HelpAndVersion) {
  RunResult help = run({"--help"});
  EXPECT_OK(help);
  EXPECT_THAT(help.out, AllOf(HasSubstr("train"), HasSubstr("inspect"),
                              HasSubstr("Exit codes: 0 done")));
  RunResult verb = run({"train", "--help"});
  EXPECT_OK(verb);
  EXPECT_THAT(verb.out, AllOf(HasSubstr("Usage: pcx-run train"),
                              HasSubstr("--resume FILE.safetensors")));
  RunResult version = run({"--version"});
  EXPECT_OK(version);
  EXPECT_THAT(version.out, testing::MatchesRegex("pcx-run [0-9.]+\n"));
}

TEST(CommandLine, UsageErrors) {
  EXPECT_EQ(run({}).code, 2);
  RunResult verb = run({"trian", softmax()});
  EXPECT_EQ(verb.code, 2);
  EXPECT_THAT(verb.err, HasSubstr("did you mean 'train'?"));
  RunResult flag = run({"train", softmax(), "--epohcs", "3"});
  EXPECT_EQ(flag.code, 2);
  EXPECT_THAT(flag.err, HasSubstr("did you mean '--epochs'?"));
  RunResult number = run({"train", softmax(), "--batch", "many"});
  EXPECT_EQ(number.code, 2);
  EXPECT_THAT(number.err,
              HasSubstr("--batch: expected a whole number, found 'many'"));
  // What would wrap, or become the largest number, is told.
  RunResult wraps = run({"train", softmax(), "--seed", "-1"});
  EXPECT_EQ(wraps.code, 2);
  EXPECT_THAT(
      wraps.err,
      HasSubstr("--seed: expected 0 to 18446744073709551615, found -1"));
  RunResult large =
      run({"train", softmax(), "--epochs", "1" + std::string(20, '0')});
  EXPECT_EQ(large.code, 2);
  EXPECT_THAT(large.err, HasSubstr("--epochs: expected "));
  EXPECT_EQ(run({"train", softmax(), "--epochs", "1e3"}).code, 2);
  EXPECT_EQ(run({"train"}).code, 2);
  EXPECT_EQ(run({"train", softmax(), "--max-steps", "-1"}).code, 2);
  EXPECT_EQ(run({"eval", softmax(), "--split", "both"}).code, 2);
  for (const char *bad : {"0.5", "0.5,", "a,b", "0.5,0", "0.5,-1"}) {
    RunResult result = run({"train", softmax(), "--normalise", bad});
    EXPECT_EQ(result.code, 2) << bad;
    EXPECT_THAT(result.err, HasSubstr("expected MEAN,STD"));
  }
}

TEST(CommandLine, ArtifactErrors) {
  TempDir dir;
  EXPECT_MISTAKE(run({"train", dir / "none.pcx"}),
                 AllOf(HasSubstr(dir / "none.pcx"),
                       HasSubstr("No such file or directory")));
  std::string bytes = readText(softmax());
  auto write = [&](const std::string &text) {
    ASSERT_TRUE(pcx::data::writeFile(dir / "bad.pcx", text));
  };
  write(bytes.substr(0, bytes.size() / 2));
  EXPECT_MISTAKE(run({"inspect", dir / "bad.pcx"}), HasSubstr("bad.pcx"));
  bytes[bytes.size() / 2] ^= 1;
  write(bytes);
  EXPECT_MISTAKE(run({"inspect", dir / "bad.pcx"}), HasSubstr("bad.pcx"));
}

TEST(CommandLine, FullOutputIsAnError) {
  // Whoever reads the output must not take an empty one for a result.
  std::string command = std::string(PCX_TEST_RUN) + " inspect " + softmax() +
                        " > /dev/full 2> /dev/null";
  int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
}
