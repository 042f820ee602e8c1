//===- FileTest.cpp - Whole files, compressed or not ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/File.h"
#include "TestSupport.h"

#include <csignal>
#include <fstream>
#include <sys/resource.h>

using namespace pcx::data;
using namespace pcx::test;

TEST(File, WritesAndReads) {
  TempDir dir;
  ASSERT_TRUE(writeFile(dir / "a", "hello"));
  ASSERT_TRUE(writeFile(dir / "a", "world!"));
  auto bytes = readFile(dir / "a");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, bytesOf("world!"));
  // Nothing else stays behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}),
            1);
}

TEST(File, NamesPathAndReason) {
  TempDir dir;
  EXPECT_EQ(messageOf(readFile(dir / "none")),
            "cannot open '" + dir / "none" + "': No such file or directory");
  EXPECT_EQ(messageOf(readFile(dir.path())),
            "cannot read '" + dir.path() +
                "': it is a folder, expected a file");
  EXPECT_EQ(messageOf(writeFile(dir / "no/such", "x")),
            "cannot write '" + dir / "no/such" +
                "': No such file or directory");
  EXPECT_EQ(messageOf(writeFile(dir.path(), "x")),
            "cannot write '" + dir.path() +
                "': it is a folder, expected a file");
}

TEST(File, FullDiskLeavesTheOldFile) {
  TempDir dir;
  ASSERT_TRUE(writeFile(dir / "a", "old"));
  // A limit on the file size fails a write as a full disk does.
  struct rlimit old, low;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  low = old;
  low.rlim_cur = 1000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &low), 0);
  Status status = writeFile(dir / "a", std::string(100000, 'x'));
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(messageOf(status),
            "cannot write '" + dir / "a" + "': File too large");
  auto bytes = readFile(dir / "a");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, bytesOf("old"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}),
            1);
}

TEST(File, WritesToADevice) {
  EXPECT_TRUE(writeFile("/dev/null", "x"));
  EXPECT_EQ(messageOf(writeFile("/dev/full", "x")),
            "cannot write '/dev/full': No space left on device");
}

TEST(Inflate, StopsAtTheLimit) {
  std::vector<std::byte> zeros(1 << 20), packed = gzip(zeros);
  auto some = inflate(packed, Deflate::Gzip, 1000, "x");
  ASSERT_TRUE(some);
  EXPECT_TRUE(some->more);
  EXPECT_EQ(some->bytes.size(), 1000u);
  auto all = inflate(packed, Deflate::Gzip, zeros.size(), "x");
  ASSERT_TRUE(all);
  EXPECT_FALSE(all->more);
  EXPECT_EQ(all->bytes, zeros);
}

TEST(Inflate, ReadsConcatenatedMembers) {
  std::vector<std::byte> packed = gzip(bytesOf("ab")),
                         second = gzip(bytesOf("cd"));
  packed.insert(packed.end(), second.begin(), second.end());
  auto out = inflate(packed, Deflate::Gzip, 100, "x");
  ASSERT_TRUE(out);
  EXPECT_EQ(out->bytes, bytesOf("abcd"));
}

TEST(Inflate, NamesDamage) {
  std::vector<std::byte> packed = gzip(bytesOf("hello hello hello"));
  auto truncated = packed;
  truncated.resize(packed.size() - 9);
  EXPECT_NE(messageOf(inflate(truncated, Deflate::Gzip, 100, "x"))
                .find("x: truncated: the compressed data ends after"),
            std::string::npos);
  auto flipped = packed;
  flipped[packed.size() - 6] ^= std::byte{1}; // in the CRC
  EXPECT_NE(messageOf(inflate(flipped, Deflate::Gzip, 100, "x"))
                .find("x: damaged compressed data"),
            std::string::npos);
  auto longer = packed;
  longer.push_back(std::byte{0});
  EXPECT_EQ(messageOf(inflate(longer, Deflate::Gzip, 100, "x")),
            "x: found 1 bytes after the compressed data");
}
