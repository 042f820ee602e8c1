//===- CheckpointTest.cpp - Saving, loading, exact resume -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fixtures.h"
#include "Safetensors.h"

#include <bit>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pcx;
using namespace pcx::test;

namespace {

class CheckpointTest : public ToyTest {
protected:
  pcx_status_t save(const std::string &path) {
    return pcx_save(session.get(), path.c_str(), nullptr, 0);
  }
  pcx_status_t load(const std::string &path, uint32_t flags = PCX_LOAD_ALL) {
    return pcx_load(session.get(), path.c_str(), flags);
  }

  /// Everything of a session that a checkpoint keeps.
  std::vector<uint8_t> everything(const Session &of) {
    const pcx_artifact_t *info = pcx_module_info(module.get());
    std::vector<uint8_t> all;
    auto add = [&](const void *data, size_t bytes) {
      auto *from = static_cast<const uint8_t *>(data);
      all.insert(all.end(), from, from + bytes);
    };
    for (uint32_t s = 0; s < info->storage_count; ++s) {
      uint64_t sizes[] = {48, 48, 8, 40, 64, 12};
      auto bytes = readStorage<uint8_t>(of, info->storage[s].name, sizes[s]);
      add(bytes.data(), bytes.size());
    }
    for (uint32_t h = 0; h < info->hyper_count; ++h) {
      double value = 0;
      pcx_get_hyper(of.get(), info->hypers[h].name, &value);
      add(&value, sizeof(value));
    }
    pcx_counters_t counters;
    pcx_get_counters(of.get(), &counters);
    add(&counters, sizeof(counters));
    return all;
  }

  /// Values that only an exact format keeps.
  void disturb() {
    ASSERT_EQ(pcx_session_initialise(session.get(), 3), PCX_OK);
    std::vector<float> odd(12, 0.1f);
    odd[0] = -0.0f;
    odd[1] = std::numeric_limits<float>::denorm_min();
    odd[2] = std::bit_cast<float>(0x7fc12345u); // a NaN with a payload
    odd[3] = -std::numeric_limits<float>::infinity();
    writeStorage(session, "fc1.weight", odd);
    writeStorage(session, "adamw.count", std::vector<int64_t>{INT64_MIN + 1});
    pcx_counters_t counters = {0xfedcba9876543211, (1ull << 53) + 1, 0.1 + 0.2,
                               1e-300};
    pcx_set_counters(session.get(), &counters);
    ASSERT_EQ(pcx_set_hyper(session.get(), "w_lr", 1.0 / 3), PCX_OK);
  }

  TemporaryFolder folder;
  std::string path = folder / "toy.safetensors";
};

/// A file in the format, written by hand from F32 or F64 values.
template <typename T>
TensorSource source(const std::string &name, const char *dtype,
                    std::vector<int64_t> shape, std::vector<T> values) {
  return {name, dtype, std::move(shape), [values](void *to) {
            std::memcpy(to, values.data(), values.size() * sizeof(T));
          }};
}

} // namespace

TEST_F(CheckpointTest, RestoresEverythingToTheBit) {
  disturb();
  auto expected = everything(session);
  const char *metadata[] = {"epoch", "3", "note", "ünïcode"};
  ASSERT_EQ(pcx_save(session.get(), path.c_str(), metadata, 2), PCX_OK)
      << pcx_last_error();
  Session other = makeSession(module, 1);
  ASSERT_NE(everything(other), expected);
  ASSERT_EQ(pcx_load(other.get(), path.c_str(), PCX_LOAD_ALL), PCX_OK)
      << pcx_last_error();
  EXPECT_EQ(everything(other), expected);
  EXPECT_STREQ(pcx_loaded_metadata(other.get(), "epoch"), "3");
  EXPECT_STREQ(pcx_loaded_metadata(other.get(), "note"), "ünïcode");
  EXPECT_STREQ(pcx_loaded_metadata(other.get(), "pcx.model"), "toy");
  EXPECT_EQ(pcx_loaded_metadata(other.get(), "absent"), nullptr);
  EXPECT_EQ(pcx_loaded_metadata(session.get(), "epoch"), nullptr);
}

TEST_F(CheckpointTest, EqualSessionsGiveEqualFiles) {
  disturb();
  ASSERT_EQ(save(path), PCX_OK);
  ASSERT_EQ(save(folder / "again"), PCX_OK);
  EXPECT_EQ(readFile(path), readFile(folder / "again"));
  // And loading changes nothing about that.
  ASSERT_EQ(load(path), PCX_OK);
  ASSERT_EQ(save(folder / "again"), PCX_OK);
  EXPECT_EQ(readFile(path), readFile(folder / "again"));
}

TEST_F(CheckpointTest, ARunResumesExactly) {
  std::vector<float> image(8 * 6), label(8 * 3);
  for (size_t i = 0; i < image.size(); ++i)
    image[i] = float(i) * 0.37f;
  auto step = [&](const Session &s) {
    pcx_array_t in[] = {arrayOf(image, PCX_F32), arrayOf(label, PCX_F32)};
    pcx_array_t out[5] = {};
    ASSERT_EQ(pcx_run(s.get(), train, 8, in, 2, out, 5), PCX_OK);
  };
  ASSERT_EQ(pcx_session_initialise(session.get(), 3), PCX_OK);
  step(session);
  ASSERT_EQ(save(path), PCX_OK);
  step(session);
  auto uninterrupted = everything(session);
  Session other = makeSession(module, 3);
  ASSERT_EQ(pcx_load(other.get(), path.c_str(), PCX_LOAD_ALL), PCX_OK);
  step(other);
  EXPECT_EQ(everything(other), uninterrupted);
}

TEST_F(CheckpointTest, TheFileIsInTheUsersLayoutAndNamesItsTensors) {
  std::vector<float> values(12);
  for (size_t i = 0; i < 12; ++i)
    values[i] = float(i);
  // Transposed in memory, dense in the file.
  writeStorage(session, "fc2.weight", values);
  ASSERT_EQ(save(path), PCX_OK);
  Bytes bytes = readFile(path);
  Safetensors file = parseSafetensors(bytes, path);
  const TensorView &tensor = file.tensors.at("fc2.weight");
  EXPECT_EQ(tensor.dtype, "F32");
  EXPECT_THAT(tensor.shape, testing::ElementsAre(3, 4));
  EXPECT_EQ(std::memcmp(tensor.data.data(), values.data(), 48), 0);
  EXPECT_EQ(file.tensors.size(), 6u);
}

TEST_F(CheckpointTest, OfAnotherModelChangesNothing) {
  disturb();
  Module second = loadModule(secondArtifact(), "second.pcx");
  Session other = makeSession(second, 1);
  ASSERT_EQ(pcx_save(other.get(), path.c_str(), nullptr, 0), PCX_OK);
  auto before = everything(session);
  EXPECT_TRUE(failedWith(load(path), PCX_ERROR_MISMATCH,
                         {path, "checkpoint of model 'second'", "model 'toy'",
                          "'fc1.weight' is 3x5, expected 3x4"}));
  EXPECT_EQ(everything(session), before);
  ASSERT_EQ(save(path), PCX_OK);
  EXPECT_TRUE(failedWith(pcx_load(other.get(), path.c_str(), PCX_LOAD_ALL),
                         PCX_ERROR_MISMATCH, {"'toy'", "'second'", "3x4"}));
}

namespace {
/// The toy's checkpoint with one change to its tensors or metadata.
template <typename Change>
void rewrite(const std::string &path, Change change) {
  Bytes bytes = readFile(path);
  Safetensors file = parseSafetensors(bytes, path);
  change(file);
  std::vector<TensorSource> tensors;
  for (const auto &[name, tensor] : file.tensors) {
    std::span<const uint8_t> data = tensor.data;
    tensors.push_back({name, tensor.dtype, tensor.shape, [data](void *to) {
                         std::memcpy(to, data.data(), data.size());
                       }});
  }
  writeSafetensors(path, file.metadata, tensors);
}
} // namespace

TEST_F(CheckpointTest, EveryDifferenceIsNamed) {
  disturb();
  auto before = everything(session);
  auto refuses = [&](auto change, std::vector<std::string> words) {
    EXPECT_EQ(save(path), PCX_OK);
    rewrite(path, change);
    auto result = failedWith(load(path), PCX_ERROR_MISMATCH, words);
    EXPECT_EQ(everything(session), before);
    return result;
  };
  EXPECT_TRUE(refuses(
      [](Safetensors &f) {
        auto node = f.tensors.extract("fc1.weight");
        node.key() = "fc1.weights";
        f.tensors.insert(std::move(node));
      },
      {"no array 'fc1.weight', did you mean 'fc1.weights'?"}));
  EXPECT_TRUE(
      refuses([](Safetensors &f) { f.tensors["fc9"] = f.tensors["mask"]; },
              {"an array 'fc9' that the model lacks"}));
  EXPECT_TRUE(
      refuses([](Safetensors &f) { f.tensors["adamw.count"].dtype = "F64"; },
              {"'adamw.count' is F64, expected I64"}));
  EXPECT_TRUE(refuses([](Safetensors &f) { f.metadata.erase("pcx.seed"); },
                      {"no 'pcx.seed'"}));
  EXPECT_TRUE(refuses([](Safetensors &f) { f.metadata["pcx.call"] = "12"; },
                      {"'pcx.call'", "'12'", "hexadecimal"}));
  EXPECT_TRUE(refuses(
      [](Safetensors &f) { f.metadata["pcx.call"] = "0x00000000000000-1"; },
      {"'pcx.call'"}));
  EXPECT_TRUE(
      refuses([](Safetensors &f) { f.metadata.erase("pcx.hyper.w_lr"); },
              {"no 'pcx.hyper.w_lr'"}));
  EXPECT_TRUE(refuses(
      [](Safetensors &f) {
        f.metadata["pcx.hyper.new"] = f.metadata["pcx.hyper.w_lr"];
      },
      {"hyper-parameter 'new' that the model lacks"}));
  EXPECT_TRUE(refuses(
      [](Safetensors &f) {
        f.metadata["pcx.hyper.steps"] = "0x4059400000000000"; // 101
      },
      {"'steps' cannot be 101, expected 1 to 100"}));
  EXPECT_TRUE(refuses([](Safetensors &f) { f.metadata.erase("pcx.format"); },
                      {"no checkpoint", "only its parameters"}));
}

TEST_F(CheckpointTest, ANewerFormatAsksForANewerRuntime) {
  ASSERT_EQ(save(path), PCX_OK);
  rewrite(path, [](Safetensors &f) { f.metadata["pcx.format"] = "2"; });
  EXPECT_TRUE(failedWith(load(path), PCX_ERROR_VERSION,
                         {"format '2', expected '1'", "update"}));
}

TEST_F(CheckpointTest, ATruncatedOneChangesNothing) {
  disturb();
  ASSERT_EQ(save(path), PCX_OK);
  auto before = everything(session);
  Bytes whole = readFile(path);
  for (size_t length = 0; length < whole.size(); length += 37) {
    writeFile(path, Bytes(whole.begin(), whole.begin() + ptrdiff_t(length)));
    ASSERT_TRUE(failedWith(load(path), PCX_ERROR_FORMAT, {path, "truncated"}))
        << length;
  }
  EXPECT_EQ(everything(session), before);
  EXPECT_TRUE(failedWith(load(folder / "missing"), PCX_ERROR_IO,
                         {"missing", "No such file"}));
}

TEST_F(CheckpointTest, ParametersComeFromAnyFileThatNamesThem) {
  disturb();
  std::vector<float> one(12, 1.5f);
  std::vector<double> two(12, 2.5), mean(5, 3.5);
  std::vector<uint8_t> mask(12, 4);
  std::vector<TensorSource> tensors = {
      source("fc1.weight", "F32", {3, 4}, one),
      // Another precision converts.
      source("fc2.weight", "F64", {3, 4}, two),
      source("running.mean", "F64", {5}, mean),
      source("mask", "U8", {2, 3, 2}, mask),
      source("of.no.interest", "F64", {5}, mean),
  };
  writeSafetensors(path, {{"from", "elsewhere"}}, tensors);
  ASSERT_EQ(load(path, PCX_LOAD_PARAMETERS), PCX_OK) << pcx_last_error();
  EXPECT_EQ(readStorage<float>(session, "fc1.weight", 12), one);
  EXPECT_THAT(readStorage<float>(session, "fc2.weight", 12),
              testing::Each(2.5f));
  EXPECT_EQ(readStorage<double>(session, "running.mean", 5), mean);
  EXPECT_EQ(readStorage<uint8_t>(session, "mask", 12), mask);
  // Optimiser, states, hypers and counters stay.
  EXPECT_EQ(readStorage<int64_t>(session, "adamw.count", 1)[0], INT64_MIN + 1);
  EXPECT_THAT(readStorage<int32_t>(session, "h1", 16), testing::Each(-7));
  pcx_counters_t counters;
  pcx_get_counters(session.get(), &counters);
  EXPECT_EQ(counters.seed, 0xfedcba9876543211);
  EXPECT_STREQ(pcx_loaded_metadata(session.get(), "from"), "elsewhere");

  EXPECT_TRUE(failedWith(load(path), PCX_ERROR_MISMATCH, {"no checkpoint"}));
  tensors.erase(tensors.begin());
  writeSafetensors(path, {}, tensors);
  EXPECT_TRUE(failedWith(load(path, PCX_LOAD_PARAMETERS), PCX_ERROR_MISMATCH,
                         {"no array 'fc1.weight', did you mean"}));
  EXPECT_TRUE(failedWith(load(path, 7), PCX_ERROR_ARGUMENT, {"load flags 7"}));
}

TEST_F(CheckpointTest, WrongMetadataIsRefused) {
  const char *own[] = {"pcx.seed", "1"};
  EXPECT_TRUE(failedWith(pcx_save(session.get(), path.c_str(), own, 1),
                         PCX_ERROR_ARGUMENT, {"'pcx.seed'", "'pcx.'"}));
  const char *twice[] = {"a", "1", "a", "2"};
  EXPECT_TRUE(failedWith(pcx_save(session.get(), path.c_str(), twice, 2),
                         PCX_ERROR_ARGUMENT, {"'a' is given twice"}));
  const char *null[] = {"a", nullptr};
  EXPECT_TRUE(failedWith(pcx_save(session.get(), path.c_str(), null, 1),
                         PCX_ERROR_ARGUMENT, {"NULL"}));
  EXPECT_TRUE(folder.names().empty());
}

//===----------------------------------------------------------------------===//
// Failures while writing
//===----------------------------------------------------------------------===//

namespace {
/// Limits files to a size in a scope: a full disk that needs no disk.
class FileSizeLimit {
public:
  explicit FileSizeLimit(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    rlimit limit = {bytes, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
  }

private:
  rlimit old;
};
} // namespace

TEST_F(CheckpointTest, AFailedWriteLeavesTheOldFileAndNoTemporary) {
  disturb();
  ASSERT_EQ(save(path), PCX_OK);
  Bytes old = readFile(path);
  ASSERT_EQ(pcx_session_initialise(session.get(), 99), PCX_OK);
  // In the length, in the header, in the data.
  for (rlim_t bytes : {rlim_t(4), rlim_t(100), rlim_t(old.size() - 1)}) {
    pcx_status_t status;
    {
      FileSizeLimit limit(bytes);
      status = save(path);
    }
    EXPECT_TRUE(failedWith(status, PCX_ERROR_IO, {path, "File too large"}));
    EXPECT_EQ(readFile(path), old);
    EXPECT_THAT(folder.names(), testing::ElementsAre("toy.safetensors"));
  }
}

TEST_F(CheckpointTest, AFullDiskIsNamed) {
  pcx_status_t status;
  {
    // Who could replace the device, were it renamed over, does not try.
    Unprivileged user;
    status = save("/dev/full");
  }
  EXPECT_TRUE(failedWith(status, PCX_ERROR_IO, {"/dev/full", "No space left"}));
}

TEST_F(CheckpointTest, UnwritablePathsAreNamed) {
  EXPECT_TRUE(failedWith(save(folder / "missing/a.safetensors"), PCX_ERROR_IO,
                         {"missing/a.safetensors", "No such file"}));
  EXPECT_TRUE(failedWith(save(folder / ""), PCX_ERROR_IO, {"folder"}));
  chmod((folder / "").c_str(), 0555);
  pcx_status_t status;
  {
    Unprivileged user;
    status = save(path);
  }
  chmod((folder / "").c_str(), 0755);
  EXPECT_TRUE(failedWith(status, PCX_ERROR_IO, {path, "Permission denied"}));
  EXPECT_TRUE(folder.names().empty());
}

TEST_F(CheckpointTest, AReadOnlyFileIsNotReplaced) {
  ASSERT_EQ(save(path), PCX_OK);
  Bytes old = readFile(path);
  ASSERT_EQ(pcx_session_initialise(session.get(), 99), PCX_OK);
  chmod(path.c_str(), 0444);
  // The folder would let its files be replaced.
  chmod((folder / "").c_str(), 0777);
  pcx_status_t status;
  {
    Unprivileged user;
    status = save(path);
  }
  EXPECT_TRUE(failedWith(status, PCX_ERROR_IO, {path, "Permission denied"}));
  EXPECT_EQ(readFile(path), old);
  EXPECT_THAT(folder.names(), testing::ElementsAre("toy.safetensors"));
}
