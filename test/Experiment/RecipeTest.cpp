//===- RecipeTest.cpp - Recipes -------------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"

using namespace pcx::test;

namespace {
class Recipe : public testing::Test {
protected:
  void write(const std::string &text) {
    ASSERT_TRUE(pcx::data::writeFile(dir / "r.toml", text));
  }
  RunResult train(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "train", softmax(), "--recipe", dir / "r.toml", "--log", dir / "log"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  TempDir dir;
};
} // namespace

TEST_F(Recipe, KeysAreTheLongFlags) {
  write("# what one would pass on the command line\n"
        "data = \"digits\"\n"
        "epochs = 2\n"
        "batch = 28\n"
        "drop-last = true\n"
        "normalise = [0.25, 0.5]\n"
        "save = \"" +
        dir / "s" +
        "\"\n"
        "[set]\n"
        "w_lr = 0.0\n"
        "momentum = 0.25\n");
  EXPECT_OK(train());
  auto log = readLog(dir / "log");
  ASSERT_EQ(log.size(), 2u);
  EXPECT_EQ(log[0]["steps"], 51);
  std::string file = readText(dir / "s");
  EXPECT_THAT(file, AllOf(HasSubstr("\"run.mean\":\"0x1p-2\""),
                          HasSubstr("\"run.drop_last\":\"1\"")));

  // The same by hand.
  std::filesystem::copy_file(dir / "s", dir / "recipe");
  EXPECT_OK(
      run({"train", softmax(), "--data", "digits", "--epochs", "2", "--batch",
           "28", "--drop-last", "--normalise", "0.25,0.5", "--save", dir / "s",
           "--set", "w_lr=0", "--set", "momentum=0.25"}));
  EXPECT_EQ(file, readText(dir / "s"));
}

TEST_F(Recipe, CommandLineWins) {
  write("epochs = 3\nkeep-last = false\nbatch = 28\n"
        "set = [\"w_lr=0\", \"noise=1\"]\n");
  EXPECT_OK(train({"--epochs", "1", "--set", "noise=0"}));
  auto log = readLog(dir / "log");
  ASSERT_EQ(log.size(), 1u);
  // keep-last = false is drop-last.
  EXPECT_EQ(log[0]["steps"], 51);
  // noise=1 of the recipe would change the weights only by w_lr.
  RunResult unknown = train({"--set", "nois=0"});
  EXPECT_MISTAKE(unknown, HasSubstr("did you mean 'noise'?"));
  EXPECT_OK(train({"--keep-last", "--epochs", "1"}));
  EXPECT_EQ(readLog(dir / "log")[0]["steps"], 52);
}

TEST_F(Recipe, ErrorsCarryLines) {
  write("epochs = 3\n\nbacth = 28\n");
  EXPECT_MISTAKE(train(), HasSubstr(dir / "r.toml" + ":3:1: unknown key "
                                                     "'bacth', did you mean "
                                                     "'batch'?"));
  write("epochs = 3\nbatch = \n");
  EXPECT_MISTAKE(train(), HasSubstr(dir / "r.toml" + ":2:"));
  write("epochs = \"three\"\n");
  EXPECT_MISTAKE(train(), HasSubstr("r.toml:1:1: 'epochs': "));
  write("epochs = 1\nshuffle = 3\n");
  EXPECT_MISTAKE(train(),
                 HasSubstr("r.toml:2:1: 'shuffle': expected true or false"));
  write("[epochs]\na = 1\n");
  EXPECT_MISTAKE(train(), HasSubstr("'epochs': expected a value"));
  write("set = 3\n");
  EXPECT_MISTAKE(train(), HasSubstr("'set': expected a table of numbers"));
  write("[set]\nw_lr = \"a\"\n");
  EXPECT_MISTAKE(train(), HasSubstr("'set': expected a table of numbers"));
  write("[set]\nw_rl = 1\n");
  EXPECT_MISTAKE(train(), HasSubstr("did you mean 'w_lr'?"));
  write("recipe = \"other.toml\"\n");
  EXPECT_MISTAKE(train(), HasSubstr("unknown key 'recipe'"));
  write("normalise = [1, 0]\n");
  EXPECT_MISTAKE(train(), HasSubstr("expected MEAN,STD"));
  std::filesystem::remove(dir / "r.toml");
  EXPECT_MISTAKE(train(), HasSubstr("cannot open '" + dir / "r.toml"));
}
