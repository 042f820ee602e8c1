//===- TrainTest.cpp - pcx-run train --------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RunSupport.h"
#include "pcx/Data/DataSet.h"
#include "pcx/Data/Idx.h"
#include "test/Support/FullDevice.h"

#include <cstring>
#include <fmt/format.h>
#include <map>
#include <numeric>

using namespace pcx;
using namespace pcx::test;
using data::Array;
using data::DType;

namespace {
class Train : public testing::Test {
protected:
  RunResult train(std::vector<std::string> more,
                  const std::function<void(pid_t)> &meanwhile = {}) {
    return trainOn(softmax(), std::move(more), meanwhile);
  }
  RunResult trainOn(const std::string &file, std::vector<std::string> more,
                    const std::function<void(pid_t)> &meanwhile = {}) {
    more.insert(more.begin(), {"train", file});
    return run(more, meanwhile);
  }
  /// The log's lines without what the clock decides.
  std::vector<nlohmann::json> timeless(const std::string &log) {
    auto lines = readLog(log);
    for (auto &line : lines)
      line.erase("seconds");
    return lines;
  }
  TempDir dir;
};
} // namespace

TEST_F(Train, LearnsTheDigitsWithoutAnyData) {
  RunResult result = train({"--epochs", "3", "--log", dir / "log"});
  EXPECT_OK(result);
  EXPECT_THAT(result.out, testing::MatchesRegex(
                              "epoch 1/3  energy [0-9.]+  train [0-9.]+ %  "
                              "test [0-9.]+ %  [0-9.]+ s\n"
                              "epoch 2/3 .*\nepoch 3/3 .*\n"));
  EXPECT_THAT(result.err, HasSubstr("training softmax (train) on digits: 1440 "
                                    "samples, batch 32, 45 steps an epoch"));
  auto log = readLog(dir / "log");
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(log[2]["epoch"], 3);
  EXPECT_EQ(log[2]["steps"], 45);
  EXPECT_EQ(log[2]["samples"], 1440);
  EXPECT_GT(log[2]["seconds"], 0.0);
  EXPECT_LT(log[2]["energy"], log[0]["energy"]);
  // A linear classifier reaches well above 90 % on these digits.
  EXPECT_GT(log[2]["test_accuracy"], 0.85);
  EXPECT_GT(log[2]["train_accuracy"], 0.85);
  EXPECT_LE(log[2]["test_accuracy"], 1.0);
  EXPECT_EQ(log[2]["train_accuracy_samples"], 1440);
}

TEST_F(Train, RaggedBatchesWeighTheirSamples) {
  // With no weight step the energy of an epoch is the mean over the samples,
  // whatever the batches are.
  for (const char *batch : {"32", "28", "1"}) {
    EXPECT_OK(train({"--epochs", "1", "--batch", batch, "--set", "w_lr=0",
                     "--log", dir / batch, "-q"}));
    auto log = readLog(dir / batch);
    EXPECT_EQ(log[0]["samples"], 1440);
  }
  RunResult whole = run({"eval", softmax(), "--split", "train", "--json"});
  EXPECT_OK(whole);
  double expected = nlohmann::json::parse(whole.out)["energy"];
  EXPECT_NEAR(readLog(dir / "32")[0]["energy"], expected, 1e-6);
  EXPECT_NEAR(readLog(dir / "28")[0]["energy"], expected, 1e-6);
  EXPECT_NEAR(readLog(dir / "1")[0]["energy"], expected, 1e-6);
  EXPECT_EQ(readLog(dir / "28")[0]["steps"], 52);
  EXPECT_OK(train({"--epochs", "1", "--batch", "28", "--drop-last", "--log",
                   dir / "drop", "-q"}));
  EXPECT_EQ(readLog(dir / "drop")[0]["steps"], 51);
  EXPECT_EQ(readLog(dir / "drop")[0]["samples"], 1428);
}

TEST_F(Train, TrainingAccuracyOfASubset) {
  RunResult result = train({"--epochs", "1", "--train-accuracy-samples", "100",
                            "--log", dir / "log", "--save", dir / "s"});
  EXPECT_OK(result);
  EXPECT_THAT(result.err, HasSubstr("measured on the first 100 training"));
  auto log = readLog(dir / "log");
  EXPECT_EQ(log[0]["train_accuracy_samples"], 100);
  // Of 100 samples: a whole number of percents.
  double percents = 100 * log[0]["train_accuracy"].get<double>();
  EXPECT_NEAR(percents, std::round(percents), 1e-9);
  EXPECT_OK(train({"--epochs", "1", "--train-accuracy-samples", "0", "--log",
                   dir / "log", "--save", dir / "t", "-q"}));
  EXPECT_FALSE(readLog(dir / "log")[0].contains("train_accuracy"));
  // Measuring leaves no trace in the run.
  EXPECT_EQ(readText(dir / "s"), readText(dir / "t"));
}

TEST_F(Train, SameSeedSameResultWhateverTheThreads) {
  auto once = [&](const std::string &name, std::vector<std::string> more) {
    more.insert(more.end(), {"--epochs", "2", "--save", dir / name, "-q"});
    EXPECT_OK(train(more));
    return readText(dir / name);
  };
  std::string first = once("a", {"--threads", "1"});
  EXPECT_EQ(first, once("b", {"--threads", "3"}));
  EXPECT_NE(first, once("c", {"--seed", "1"}));
  std::string sorted = once("d", {"--no-shuffle"});
  EXPECT_NE(first, sorted);
  EXPECT_EQ(sorted, once("e", {"--no-shuffle"}));
}

/// The bytes of an array in a safetensors file; the header's offsets count from
/// its end.
static std::string readArray(const std::string &file, const std::string &name) {
  std::string text = readText(file);
  uint64_t length = 0;
  if (text.size() < sizeof(length))
    return "";
  std::memcpy(&length, text.data(), sizeof(length));
  auto header = nlohmann::json::parse(text.substr(8, length));
  size_t begin = header[name]["data_offsets"][0],
         end = header[name]["data_offsets"][1];
  return text.substr(8 + length + begin, end - begin);
}

TEST_F(Train, ShufflesEveryEpochAnewAndTheSameForASeed) {
  // The state is what the last sample left: it says which one that was, as long
  // as no step changes the weights.
  constexpr int samples = 8;
  std::string text = "a,b,c,d,e,label\n";
  for (int i = 0; i < samples; ++i)
    text += fmt::format("{},{},1,0,{},{}\n", i, i * i, -i, i % 3);
  ASSERT_TRUE(data::writeFile(dir / "d.csv", text));
  auto last = [&](int steps, std::vector<std::string> more) {
    more.insert(more.end(),
                {"--data", dir / "d.csv", "--batch", "1", "--epochs", "2",
                 "--max-steps", std::to_string(steps), "--set", "w_lr=0",
                 "--save", dir / "s", "--params", dir / "w", "-q"});
    std::filesystem::remove(dir / "s");
    EXPECT_OK(trainOn(artifact("pcx-test-softmax5"), more));
    return readArray(dir / "s", "h");
  };
  // The same weights for every seed.
  EXPECT_OK(trainOn(artifact("pcx-test-softmax5"),
                    {"--data", dir / "d.csv", "--batch", "1", "--max-steps",
                     "1", "--save", dir / "w", "-q"}));
  std::map<std::string, int> sampleOf;
  for (int i = 0; i < samples; ++i)
    sampleOf[last(i + 1, {"--no-shuffle"})] = i;
  ASSERT_EQ(sampleOf.size(), size_t(samples));
  auto epoch = [&](int number, const std::string &seed) {
    std::vector<int> order;
    for (int step = 1; step <= samples; ++step) {
      auto found =
          sampleOf.find(last(number * samples + step, {"--seed", seed}));
      order.push_back(found == sampleOf.end() ? -1 : found->second);
    }
    return order;
  };
  std::vector<int> sorted(samples);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::vector<int> first = epoch(0, "1"), second = epoch(1, "1");
  EXPECT_THAT(first, testing::UnorderedElementsAreArray(sorted));
  EXPECT_THAT(second, testing::UnorderedElementsAreArray(sorted));
  EXPECT_NE(first, sorted);
  EXPECT_NE(second, first);
  EXPECT_EQ(epoch(0, "1"), first);
  EXPECT_EQ(epoch(1, "1"), second);
  EXPECT_NE(epoch(0, "2"), first);
}

TEST_F(Train, ResumeIsExactToTheBit) {
  std::vector<std::string> common = {"--batch", "28", "--epochs", "3",
                                     "--seed",  "7",  "--set",    "w_lr=0.03"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), common.begin(), common.end());
    return more;
  };
  EXPECT_OK(train(with({"--save", dir / "whole", "--log", dir / "whole.log"})));
  std::string whole = readText(dir / "whole");
  // 52 steps an epoch: inside the first epoch, at its end, inside a later one.
  for (const char *steps : {"7", "52", "53", "150"}) {
    SCOPED_TRACE(steps);
    std::string save = dir / "part", log = dir / "part.log";
    std::filesystem::remove(save);
    EXPECT_OK(
        train(with({"--save", save, "--log", log, "--max-steps", steps})));
    EXPECT_NE(readText(save), whole);
    // Nothing but the checkpoint is said again.
    EXPECT_OK(train(
        {"--resume", save, "--save", save, "--log", log, "--threads", "3"}));
    EXPECT_EQ(readText(save), whole);
    EXPECT_EQ(timeless(log), timeless(dir / "whole.log"));
  }
}

TEST_F(Train, ResumeInManyPieces) {
  EXPECT_OK(train({"--epochs", "1", "--save", dir / "whole", "-q"}));
  EXPECT_OK(train(
      {"--epochs", "1", "--save", dir / "part", "--max-steps", "4", "-q"}));
  for (int piece = 0; piece < 11; ++piece)
    EXPECT_OK(train({"--resume", dir / "part", "--save", dir / "part",
                     "--max-steps", "4", "-q"}));
  EXPECT_EQ(readText(dir / "part"), readText(dir / "whole"));
}

TEST_F(Train, SaveEvery) {
  // Stopped by a NaN at step 30, so the last save inside the epoch stays.
  EXPECT_EQ(train({"--epochs", "1", "--save", dir / "s", "--save-every", "8",
                   "--set", "explode_at=30"})
                .code,
            1);
  EXPECT_OK(train({"--resume", dir / "s", "--set", "explode_at=-1", "--save",
                   dir / "s", "-q"}));
  EXPECT_OK(train({"--epochs", "1", "--save", dir / "whole", "-q"}));
  EXPECT_EQ(readText(dir / "s"), readText(dir / "whole"));
  EXPECT_MISTAKE(train({"--save-every", "8"}),
                 HasSubstr("--save-every: expected --save"));
}

TEST_F(Train, ResumeRefusesWhatWouldNotContinueTheRun) {
  EXPECT_OK(train({"--epochs", "1", "--save", dir / "s", "-q"}));
  EXPECT_MISTAKE(train({"--resume", dir / "s", "--batch", "16"}),
                 AllOf(HasSubstr("--batch 16: the checkpoint '" + dir / "s"),
                       HasSubstr("was made with 32")));
  EXPECT_MISTAKE(train({"--resume", dir / "s", "--seed", "1"}),
                 HasSubstr("was made with 0"));
  EXPECT_MISTAKE(train({"--resume", dir / "s", "--drop-last"}),
                 HasSubstr("--drop-last true: the checkpoint"));
  EXPECT_MISTAKE(train({"--resume", dir / "s", "--params", dir / "s"}),
                 HasSubstr("exclude each other"));
  EXPECT_MISTAKE(train({"--resume", dir / "none"}),
                 HasSubstr("cannot open '" + dir / "none"));
  // A checkpoint of another model.
  EXPECT_MISTAKE(
      trainOn(artifact("pcx-test-softmax784"), {"--resume", dir / "s"}),
      AllOf(HasSubstr("fc.weight"), HasSubstr("10x64"), HasSubstr("10x784")));
  // Nothing is left of a finished run, until there are more epochs.
  RunResult done = train({"--resume", dir / "s"});
  EXPECT_OK(done);
  EXPECT_THAT(done.err, HasSubstr("is at epoch 1 of 1; pass a larger "
                                  "--epochs"));
  RunResult more = train({"--resume", dir / "s", "--epochs", "2"});
  EXPECT_OK(more);
  EXPECT_THAT(more.out, testing::StartsWith("epoch 2/2"));
}

TEST_F(Train, ResumeRefusesDamage) {
  EXPECT_OK(train({"--epochs", "1", "--save", dir / "s", "-q"}));
  std::string file = readText(dir / "s");
  ASSERT_TRUE(data::writeFile(dir / "t", file.substr(0, file.size() - 10)));
  EXPECT_MISTAKE(train({"--resume", dir / "t"}), HasSubstr(dir / "t"));
  size_t at = file.find("\"run.batch\":\"32\"");
  ASSERT_NE(at, std::string::npos);
  file.replace(at, 16, "\"run.batch\":\"xx\"");
  ASSERT_TRUE(data::writeFile(dir / "u", file));
  EXPECT_MISTAKE(train({"--resume", dir / "u"}),
                 HasSubstr("its metadata 'run.batch' is missing or malformed"));
}

TEST_F(Train, NaNStopsAndKeepsTheLastGoodCheckpoint) {
  RunResult result = train({"--epochs", "3", "--save", dir / "s", "--log",
                            dir / "log", "--set", "explode_at=60"});
  EXPECT_MISTAKE(
      result,
      AllOf(HasSubstr("'energy' is nan, 'energy.label' is nan after step 16 of "
                      "epoch 2"),
            HasSubstr("the last good checkpoint is '" + dir / "s" +
                      "' (after 1 epoch and 0 steps)"),
            HasSubstr("--set")));
  EXPECT_EQ(readLog(dir / "log").size(), 1u);
  EXPECT_OK(train({"--resume", dir / "s", "--set", "explode_at=-1", "-q"}));
  EXPECT_MISTAKE(train({"--epochs", "1", "--set", "explode_at=3"}),
                 AllOf(HasSubstr("after step 4 of epoch 1"),
                       HasSubstr("no checkpoint was saved; pass --save")));
  EXPECT_MISTAKE(
      train({"--epochs", "1", "--set", "explode_at=3", "--save", dir / "t"}),
      HasSubstr("no checkpoint was saved before"));
  EXPECT_FALSE(std::filesystem::exists(dir / "t"));
}

TEST_F(Train, ParametersThatAreNoNumbersAreNotSaved) {
  // The last weight step spoils a weight behind an energy that is finite.
  EXPECT_OK(train({"--epochs", "1", "--save", dir / "s", "-q"}));
  std::string good = readText(dir / "s");
  RunResult result = train(
      {"--epochs", "1", "--save", dir / "s", "--set", "poison_at=44", "-q"});
  EXPECT_MISTAKE(result,
                 HasSubstr("parameter 'fc.weight' is not finite after epoch "
                           "1 (batch 32"));
  EXPECT_EQ(readText(dir / "s"), good);
}

TEST_F(Train, InterruptFinishesTheStepAndSaves) {
  std::vector<std::string> slow = {"--epochs", "2", "--set", "delay=5"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), slow.begin(), slow.end());
    return more;
  };
  EXPECT_OK(train(with({"--save", dir / "whole", "-q"})));
  for (int signal : {SIGINT, SIGTERM}) {
    std::string save = dir / "part";
    std::filesystem::remove(save);
    RunResult result =
        train(with({"--save", save, "--save-every", "1"}), [&](pid_t process) {
          // It trains once it saves.
          while (!std::filesystem::exists(save))
            ::usleep(2000);
          ::kill(process, signal);
        });
    EXPECT_EQ(result.code, 128 + signal) << result.err;
    EXPECT_THAT(result.out, HasSubstr("stopped after step"));
    EXPECT_NE(readText(save), readText(dir / "whole"));
    EXPECT_OK(train({"--resume", save, "--save", save, "-q"}));
    EXPECT_EQ(readText(save), readText(dir / "whole"));
  }
}

TEST_F(Train, UnwritableOutput) {
  EXPECT_MISTAKE(
      train({"--save", dir / "no/such/s"}),
      HasSubstr("--save " + dir / "no/such/s" + ": cannot write to"));
  EXPECT_MISTAKE(train({"--log", dir.path()}),
                 HasSubstr("expected a file, found a folder"));
}

TEST_F(Train, FullDisk) {
  std::string full = pcx::test::makeFullDevice(dir.path());
  if (full.empty())
    GTEST_SKIP() << "no device that is always full";
  EXPECT_MISTAKE(train({"--epochs", "1", "--save", full, "-q"}),
                 HasSubstr("No space left on device"));
  EXPECT_MISTAKE(train({"--epochs", "1", "--log", full, "-q"}),
                 HasSubstr("--log " + full + ": cannot write"));
}

TEST_F(Train, HyperParameters) {
  EXPECT_MISTAKE(train({"--set", "w_rl=1"}), HasSubstr("did you mean 'w_lr'?"));
  EXPECT_MISTAKE(train({"--set", "momentum=2"}),
                 AllOf(HasSubstr("momentum"), HasSubstr("2")));
  EXPECT_MISTAKE(train({"--set", "explode_at=0.5"}), HasSubstr("explode_at"));
  EXPECT_MISTAKE(train({"--set", "momentum"}),
                 HasSubstr("--set momentum: expected NAME=VALUE"));
  EXPECT_MISTAKE(train({"--set", "momentum=much"}),
                 HasSubstr("expected a number, found 'much'"));
  EXPECT_MISTAKE(train({"--batch", "64"}),
                 HasSubstr("--batch 64: expected 1 to 32"));
  EXPECT_MISTAKE(train({"--epochs", "0"}), HasSubstr("expected 1 or more"));
  EXPECT_MISTAKE(train({"--program", "trian"}),
                 HasSubstr("did you mean 'train'?"));
  EXPECT_MISTAKE(train({"--prediction", "predict"}),
                 HasSubstr("did you mean 'prediction'?"));
}

TEST_F(Train, SaysWhichDataSetsFit) {
  EXPECT_MISTAKE(
      trainOn(artifact("pcx-test-softmax784"), {}),
      HasSubstr("no --data given, and the embedded digits (8x8 = 64 values, 10 "
                "classes) do not fit the inputs of program 'train' (image 784, "
                "label 10); pass --data fashion-mnist, which would"));
  EXPECT_MISTAKE(trainOn(artifact("pcx-test-softmax5"), {}),
                 HasSubstr("pass --data with a folder of IDX files"));
}

TEST_F(Train, DataErrors) {
  EXPECT_MISTAKE(train({"--data", "digit"}), HasSubstr("did you mean "
                                                       "'digits'?"));
  EXPECT_MISTAKE(trainOn(artifact("pcx-test-softmax784"), {"--data", "digits"}),
                 HasSubstr("wrong shape: input 'image' expects 784 (784 "
                           "values) a sample, found 8x8 u8 a sample"));
  // A folder whose labels, magic and length are wrong in turn.
  Array images = Array::zeros(DType::U8, {20, 8, 8});
  Array labels = Array::zeros(DType::U8, {20});
  labels.as<uint8_t>()[7] = 10;
  auto write = [&](const std::string &name, std::vector<std::byte> bytes) {
    ASSERT_TRUE(data::writeFile(dir / name, {data::Bytes(bytes)}));
  };
  std::string imageFile = "train-images-idx3-ubyte",
              labelFile = "train-labels-idx1-ubyte";
  write(imageFile, formatIdx(images));
  write(labelFile, formatIdx(labels));
  EXPECT_MISTAKE(train({"--data", dir.path()}),
                 HasSubstr(dir / labelFile + ": label out of range: expected 0 "
                                             "to 9, found 10 at row 7"));
  labels.as<uint8_t>()[7] = 9;
  write(labelFile, formatIdx(labels));
  EXPECT_OK(train({"--data", dir.path(), "-q", "--epochs", "1"}));
  auto bytes = formatIdx(images);
  bytes.resize(bytes.size() - 1);
  write(imageFile, bytes);
  EXPECT_MISTAKE(train({"--data", dir.path()}),
                 HasSubstr(dir / imageFile +
                           ": truncated: expected 1280 bytes of data (20x8x8 "
                           "u8), found 1279"));
  bytes[0] = std::byte{1};
  write(imageFile, bytes);
  EXPECT_MISTAKE(train({"--data", dir.path()}), HasSubstr("wrong magic"));
  write(imageFile, formatIdx(images));
  std::filesystem::rename(dir / imageFile, dir / "t10k-images-idx3-ubyte");
  std::filesystem::rename(dir / labelFile, dir / "t10k-labels-idx1-ubyte");
  EXPECT_MISTAKE(train({"--data", dir.path()}),
                 HasSubstr("expected a training split, found the test split"));
}

TEST_F(Train, NpzEqualsTheDataSetThatItHolds) {
  auto digits = data::openDigits();
  ASSERT_TRUE(digits);
  const Array &pixels = digits->train.find(data::ColumnKind::Features)->array;
  const Array &classes = digits->train.find(data::ColumnKind::Labels)->array;
  Array image = Array::zeros(DType::F32, {pixels.rows(), 64});
  for (int64_t i = 0; i < pixels.elements(); ++i)
    image.as<float>()[static_cast<size_t>(i)] =
        static_cast<float>((pixels.at(i) * (1.0 / 16) - 0.5) / 0.5);
  Array oneHot = Array::zeros(DType::F64, {pixels.rows(), 10});
  for (int64_t i = 0; i < pixels.rows(); ++i)
    oneHot.as<double>()[static_cast<size_t>(i * 10) +
                        static_cast<size_t>(classes.at(i))] = 1;
  auto energies = [&](const std::string &set) {
    EXPECT_OK(
        train({"--data", set, "--epochs", "2", "--log", dir / "log", "-q"}));
    std::vector<double> out;
    for (const auto &line : readLog(dir / "log")) {
      out.push_back(line["energy"]);
      out.push_back(line["train_accuracy"]);
    }
    return out;
  };
  auto expected = energies("digits");
  ASSERT_TRUE(
      data::writeNpz(dir / "a.npz", {{"image", &image}, {"label", &classes}}));
  EXPECT_EQ(energies(dir / "a.npz"), expected);
  ASSERT_TRUE(data::writeNpz(
      dir / "b.npz", {{"train_image", &image}, {"train_label", &oneHot}}));
  EXPECT_EQ(energies(dir / "b.npz"), expected);

  ASSERT_TRUE(
      data::writeNpz(dir / "c.npz", {{"images", &image}, {"label", &classes}}));
  EXPECT_MISTAKE(train({"--data", dir / "c.npz"}),
                 HasSubstr("no array 'image' for the input of program 'train', "
                           "did you mean 'images'?"));
  Array few = Array::zeros(DType::I32, {3});
  ASSERT_TRUE(
      data::writeNpz(dir / "d.npz", {{"image", &image}, {"label", &few}}));
  EXPECT_MISTAKE(train({"--data", dir / "d.npz"}),
                 HasSubstr("expected 1440 rows, as many as"));
  Array wide = Array::zeros(DType::F32, {1440, 11});
  ASSERT_TRUE(
      data::writeNpz(dir / "e.npz", {{"image", &image}, {"label", &wide}}));
  EXPECT_MISTAKE(train({"--data", dir / "e.npz"}),
                 HasSubstr("input 'label' expects 10 (10 values) a sample, "
                           "found 11 f32 a sample"));
}

TEST_F(Train, Csv) {
  std::string text = "a,b,c,d,e,label\n";
  for (int i = 0; i < 40; ++i)
    text += std::to_string(i % 2) + "," + std::to_string(1 - i % 2) +
            ",0.5,0,-1," + std::to_string(i % 2) + "\n";
  ASSERT_TRUE(data::writeFile(dir / "a.csv", text));
  RunResult result = trainOn(artifact("pcx-test-softmax5"),
                             {"--data", dir / "a.csv", "--epochs", "20",
                              "--log", dir / "log", "--set", "w_lr=0.5"});
  EXPECT_OK(result);
  // Two classes that one feature tells apart.
  EXPECT_EQ(readLog(dir / "log").back()["train_accuracy"], 1.0);
  EXPECT_FALSE(readLog(dir / "log").back().contains("test_accuracy"));
  EXPECT_MISTAKE(trainOn(artifact("pcx-test-softmax5"),
                         {"--data", dir / "a.csv", "--label-column", "lable"}),
                 HasSubstr("did you mean 'label'?"));
  ASSERT_TRUE(data::writeFile(dir / "b.csv", "1,2,3,4,5,0\n1,2,3,x,5,0\n"));
  EXPECT_MISTAKE(
      trainOn(artifact("pcx-test-softmax5"), {"--data", dir / "b.csv"}),
      HasSubstr(dir / "b.csv" + ":2:7: expected a number, found 'x'"));
}

TEST_F(Train, StartsFromParameters) {
  EXPECT_OK(train({"--epochs", "2", "--save", dir / "s", "-q"}));
  EXPECT_OK(train({"--params", dir / "s", "--epochs", "1", "--set", "w_lr=0",
                   "--log", dir / "log", "-q"}));
  RunResult eval = run(
      {"eval", softmax(), "--params", dir / "s", "--split", "train", "--json"});
  EXPECT_OK(eval);
  EXPECT_NEAR(readLog(dir / "log")[0]["energy"],
              nlohmann::json::parse(eval.out)["energy"].get<double>(), 1e-6);
}

TEST_F(Train, ProgressBarOnATerminal) {
  int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(::grantpt(terminal), 0);
  ASSERT_EQ(::unlockpt(terminal), 0);
  int user = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  ASSERT_GE(user, 0);
  pid_t process = ::fork();
  if (process == 0) {
    ::setenv("TERM", "xterm", 1);
    ::dup2(::open("/dev/null", O_WRONLY), 1);
    ::dup2(user, 2);
    ::execl(PCX_TEST_RUN, PCX_TEST_RUN, "train", softmax().c_str(), "--epochs",
            "2", "--set", "delay=5", nullptr);
    ::_exit(127);
  }
  ::close(user);
  std::string seen;
  char buffer[4096];
  for (ssize_t count; (count = ::read(terminal, buffer, sizeof(buffer))) > 0;)
    seen.append(buffer, static_cast<size_t>(count));
  ::close(terminal);
  int status = 0;
  ::waitpid(process, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(seen, testing::ContainsRegex(
                        "epoch 1/2 .[=> ]{24}. [0-9]+/45  energy [0-9.e+-]+  "
                        "[0-9:]+ ?s? ?left"));
  EXPECT_THAT(seen, HasSubstr("epoch 2/2 ["));
  // The line is gone at the end.
  EXPECT_THAT(seen, testing::EndsWith("\r\x1b[K"));
  // None of it where there is no terminal.
  EXPECT_THAT(train({"--epochs", "1"}).err, testing::Not(HasSubstr("\r")));
}

TEST_F(Train, WarnsOnceInTheFirstEpochInWhichItHolds) {
  RunResult result = train({"--epochs", "4", "--set", "warn_from=2", "--log",
                            dir / "log", "--save", dir / "s"});
  EXPECT_OK(result);
  const std::string warning = "pcx-run: warning: epoch 3: it is late\n";
  size_t first = result.err.find(warning);
  ASSERT_NE(first, std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("it is late", first + warning.size()),
            std::string::npos);
  EXPECT_THAT(result.err, testing::Not(HasSubstr("never")));
  // A warning is no report.
  EXPECT_THAT(result.out, testing::Not(HasSubstr("it is late")));
  EXPECT_FALSE(readLog(dir / "log")[3].contains("it is late"));
  // A resumed run says it again, one that ends before does not.
  EXPECT_THAT(train({"--resume", dir / "s", "--epochs", "6"}).err,
              HasSubstr("pcx-run: warning: epoch 5: it is late\n"));
  EXPECT_THAT(train({"--epochs", "2", "--set", "warn_from=2"}).err,
              testing::Not(HasSubstr("warning")));
  EXPECT_EQ(train({"--epochs", "1", "--set", "warn_from=0", "-q"}).err, "");
}

TEST_F(Train, QuietSaysNothing) {
  RunResult result = train({"--epochs", "1", "--quiet"});
  EXPECT_OK(result);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "");
}

TEST_F(Train, DropLastNeedsAWholeBatch) {
  Array image = Array::zeros(DType::F32, {5, 64});
  Array label = Array::zeros(DType::I32, {5});
  ASSERT_TRUE(
      data::writeNpz(dir / "a.npz", {{"image", &image}, {"label", &label}}));
  EXPECT_MISTAKE(train({"--data", dir / "a.npz", "--drop-last"}),
                 HasSubstr("expected at least one batch of 32, found 5 "
                           "training samples"));
}
