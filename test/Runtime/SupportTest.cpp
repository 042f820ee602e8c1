//===- SupportTest.cpp - Names and files ----------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Fixtures.h"
#include "pcx/Support/Descriptors.h"
#include "pcx/Support/Names.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace pcx;
using namespace pcx::test;

TEST(EditDistance, CountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(editDistance("", ""), 0u);
  EXPECT_EQ(editDistance("", "abc"), 3u);
  EXPECT_EQ(editDistance("abc", ""), 3u);
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("train", "trian"), 2u);
  EXPECT_EQ(editDistance("w_lr", "w_lr"), 0u);
}

TEST(NearestName, IsTheClosestOneIfAnyIsClose) {
  std::vector<std::string_view> names = {"fc1.weight", "fc1.bias",
                                         "fc2.weight"};
  EXPECT_EQ(nearestName("fc2.wieght", names), "fc2.weight");
  EXPECT_EQ(nearestName("fc1.biass", names), "fc1.bias");
  // The first of two that are as near.
  EXPECT_EQ(nearestName("fc.weight", names), "fc1.weight");
  EXPECT_EQ(nearestName("zzzzzz", names), "");
  EXPECT_EQ(nearestName("x", {}), "");
  EXPECT_EQ(nearestName(std::string(5000, 'x'), names), "");
}

TEST(SuggestName, SaysWhatThereIs) {
  EXPECT_EQ(suggestName("trian", {"train", "eval"}), ", did you mean 'train'?");
  EXPECT_EQ(suggestName("zz", {"train", "eval"}),
            "; expected one of 'train', 'eval'");
  EXPECT_EQ(suggestName("zz", {}), "; there are none");
  EXPECT_EQ(suggestName("zz", std::vector<std::string_view>(9, "aaaa")),
            "; expected one of 'aaaa', 'aaaa', 'aaaa', 'aaaa', 'aaaa', 'aaaa', "
            "'aaaa', 'aaaa', ...");
}

TEST(Descriptors, LaunchesOfOneKernelAreFoundByItsName) {
  // Equal names need not be one string.
  std::string copy = "shared";
  pcx_launch_t launches[3] = {};
  launches[0].kernel = "shared";
  launches[1].kernel = "own";
  launches[2].kernel = copy.c_str();
  pcx_device_variant_t variant = {};
  variant.launch_count = 3;
  variant.launches = launches;
  EXPECT_TRUE(sharesKernel(variant, 0));
  EXPECT_FALSE(sharesKernel(variant, 1));
  EXPECT_TRUE(sharesKernel(variant, 2));
  variant.launch_count = 2;
  EXPECT_FALSE(sharesKernel(variant, 0));
}

TEST(Descriptors, ImagesAreNamedForPeople) {
  pcx_image_t image = {};
  image.kind = PCX_IMAGE_PTX;
  image.arch = 80;
  EXPECT_EQ(imageName(image), "ptx sm_80");
  image.kind = PCX_IMAGE_CUBIN;
  image.arch = 90;
  image.exact = 1;
  EXPECT_EQ(imageName(image), "cubin sm_90a");
  image.kind = PCX_IMAGE_LLVM;
  EXPECT_EQ(imageName(image), "simulated device (LLVM IR)");
  EXPECT_STREQ(imageKindName(PCX_IMAGE_LLVM), "llvm");
  EXPECT_STREQ(imageKindName(99), "unknown");
}

TEST(ReadFile, ReadsFilesOfAnySizeAndTheirBeginnings) {
  TemporaryFolder folder;
  for (size_t size : {0, 1, 4095, 4096, 100001}) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; ++i)
      bytes[i] = uint8_t(i * 3 + 1);
    writeFile(folder / "file", bytes);
    EXPECT_EQ(readFile(folder / "file"), bytes);
    bytes.resize(std::min<size_t>(size, 10));
    EXPECT_EQ(readFile(folder / "file", 10), bytes);
  }
}

TEST(ReadFile, ReadsPipes) {
  TemporaryFolder folder;
  std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  Bytes bytes(50000, 7);
  std::thread writer([&] { writeFile(path, bytes); });
  EXPECT_EQ(readFile(path), bytes);
  writer.join();
}

namespace {
void replace(const std::string &path, const std::string &text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.commit();
}
} // namespace

TEST(AtomicFile, AppearsOnlyWhenItIsCommitted) {
  TemporaryFolder folder;
  std::string path = folder / "file";
  {
    AtomicFile file(path);
    file.write("abc", 3);
    EXPECT_FALSE(std::filesystem::exists(path));
    file.commit();
    EXPECT_EQ(readFile(path), bytesOf("abc"));
  }
  {
    AtomicFile file(path);
    file.write("gone", 4);
  }
  EXPECT_EQ(readFile(path), bytesOf("abc"));
  EXPECT_THAT(folder.names(), testing::ElementsAre("file"));
}

TEST(AtomicFile, KeepsTheModeAndFollowsLinks) {
  TemporaryFolder folder;
  replace(folder / "file", "old");
  chmod((folder / "file").c_str(), 0640);
  ASSERT_EQ(symlink("file", (folder / "link").c_str()), 0);
  replace(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(readFile(folder / "file"), bytesOf("new"));
  struct stat status;
  ASSERT_EQ(stat((folder / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST(AtomicFile, ANewFileHasTheProcesssMode) {
  TemporaryFolder folder;
  mode_t old = umask(027);
  replace(folder / "file", "text");
  umask(old);
  struct stat status;
  ASSERT_EQ(stat((folder / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(AtomicFile, ATemporaryOfAnotherProcessIsLeftAlone) {
  TemporaryFolder folder;
  std::string other = folder / ("file." + std::to_string(getpid()) + "-0.tmp");
  writeFile(other, bytesOf("theirs"));
  replace(folder / "file", "ours");
  EXPECT_EQ(readFile(other), bytesOf("theirs"));
  EXPECT_EQ(readFile(folder / "file"), bytesOf("ours"));
}

TEST(AtomicFile, WritesToPipesDirectly) {
  TemporaryFolder folder;
  std::string path = folder / "pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { replace(path, "through"); });
  EXPECT_EQ(readFile(path), bytesOf("through"));
  writer.join();
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}
