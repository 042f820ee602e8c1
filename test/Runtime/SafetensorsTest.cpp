//===- SafetensorsTest.cpp - The file format, whole and damaged -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Safetensors.h"
#include "Fixtures.h"

#include <cstring>

using namespace pcx;
using namespace pcx::test;

namespace {

/// A file with this header and this much data.
Bytes fileOf(const std::string &header, size_t dataBytes) {
  Bytes bytes(8);
  for (size_t i = 0; i < 8; ++i)
    bytes[i] = uint8_t(uint64_t(header.size()) >> (8 * i));
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (size_t i = 0; i < dataBytes; ++i)
    bytes.push_back(uint8_t(i));
  return bytes;
}

testing::AssertionResult refused(const Bytes &bytes,
                                 std::vector<std::string> words) {
  words.push_back("'a.safetensors'");
  try {
    parseSafetensors(bytes, "a.safetensors");
  } catch (const Error &error) {
    if (error.status() != PCX_ERROR_FORMAT)
      return testing::AssertionFailure() << "status " << error.status();
    for (const std::string &word : words)
      if (std::string(error.what()).find(word) == std::string::npos)
        return testing::AssertionFailure()
               << "no '" << word << "' in: " << error.what();
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "it was accepted";
}

constexpr char twoTensors[] =
    R"({"__metadata__":{"k":"v"},)"
    R"("b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]},)"
    R"("a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}})";

} // namespace

TEST(Safetensors, AHandWrittenFileIsRead) {
  // The header's order is not the data's.
  Bytes bytes = fileOf(twoTensors, 19);
  Safetensors file = parseSafetensors(bytes, "a.safetensors");
  EXPECT_EQ(file.metadata, (Metadata{{"k", "v"}}));
  ASSERT_EQ(file.tensors.size(), 2u);
  const TensorView &a = file.tensors.at("a"), &b = file.tensors.at("b");
  EXPECT_EQ(a.dtype, "F32");
  EXPECT_THAT(a.shape, testing::ElementsAre(2, 2));
  EXPECT_EQ(a.data.size(), 16u);
  EXPECT_EQ(a.data[0], 0);
  EXPECT_EQ(b.dtype, "U8");
  EXPECT_THAT(std::vector<int>(b.data.begin(), b.data.end()),
              testing::ElementsAre(16, 17, 18));
}

TEST(Safetensors, ScalarsEmptyTensorsAndPaddedHeadersAreRead) {
  Safetensors file = parseSafetensors(
      fileOf(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
             R"("e":{"dtype":"F16","shape":[0,4],"data_offsets":[8,8]}}   )",
             8),
      "a.safetensors");
  EXPECT_TRUE(file.tensors.at("s").shape.empty());
  EXPECT_TRUE(file.tensors.at("e").data.empty());
  EXPECT_TRUE(parseSafetensors(fileOf("{}", 0), "x").tensors.empty());
}

TEST(Safetensors, ATruncatedFileIsFoundAtAnyLength) {
  Bytes whole = fileOf(twoTensors, 19);
  for (size_t length = 0; length < whole.size(); ++length) {
    Bytes part(whole.begin(), whole.begin() + ptrdiff_t(length));
    ASSERT_TRUE(refused(part, {"truncated"})) << length;
  }
  whole.push_back(0);
  EXPECT_TRUE(refused(whole, {"end at byte 19, expected 20"}));
}

TEST(Safetensors, AFlippedBitIsFoundOrHarmless) {
  // The format has no checksum: reading must end in a result or a message.
  Bytes whole = fileOf(twoTensors, 19);
  for (size_t at = 0; at < whole.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = whole;
      damaged[at] ^= uint8_t(1 << bit);
      try {
        Safetensors file = parseSafetensors(damaged, "a.safetensors");
        size_t bytes = 0;
        for (const auto &[name, tensor] : file.tensors)
          bytes += tensor.data.size();
        EXPECT_EQ(bytes, 19u);
      } catch (const Error &error) {
        EXPECT_EQ(error.status(), PCX_ERROR_FORMAT);
      }
    }
}

TEST(Safetensors, DamagedHeadersAreNamed) {
  EXPECT_TRUE(refused(bytesOf("PK\x03\x04 and so on"), {".npz"}));
  EXPECT_TRUE(refused(fileOf("[1]", 0), {"begins with '{'"}));
  EXPECT_TRUE(refused(fileOf("{\"a\":", 0), {"no JSON at byte"}));
  EXPECT_TRUE(refused(fileOf("{} x", 0), {"no JSON"}));
  EXPECT_TRUE(refused(fileOf(R"({"a":1e999})", 0), {"no double holds"}));
  EXPECT_TRUE(refused(fileOf(R"({"a":1})", 0), {"'a' is number"}));
  EXPECT_TRUE(refused(fileOf(R"({"a":{}})", 0), {"'a' has no 'dtype'"}));
  EXPECT_TRUE(refused(fileOf(R"({"a":{"a":{"a":{"a":1}}}})", 0), {"nested"}));
  EXPECT_TRUE(refused(fileOf(R"({"__metadata__":{"k":1}})", 0),
                      {"'k'", "number, expected a string"}));
  EXPECT_TRUE(
      refused(fileOf(R"({"__metadata__":[]})", 0), {"expected an object"}));
  EXPECT_TRUE(refused(fileOf(R"({"__metadata__":{"k":"1","k":"2"}})", 0),
                      {"'k' twice"}));
  std::string tensor = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_TRUE(refused(fileOf("{\"a\":" + tensor + ",\"a\":" + tensor + "}", 1),
                      {"'a' twice"}));
}

TEST(Safetensors, DamagedTensorsAreNamed) {
  auto one = [](const std::string &dtype, const std::string &shape,
                const std::string &offsets, size_t bytes = 8) {
    return fileOf("{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape +
                      ",\"data_offsets\":" + offsets + "}}",
                  bytes);
  };
  parseSafetensors(one("\"F32\"", "[2]", "[0,8]"), "a.safetensors");
  EXPECT_TRUE(refused(one("7", "[2]", "[0,8]"), {"dtype of tensor 'w'"}));
  EXPECT_TRUE(refused(one("\"F33\"", "[2]", "[0,8]"), {"unknown dtype 'F33'"}));
  EXPECT_TRUE(refused(one("\"F32\"", "2", "[0,8]"), {"shape of tensor 'w'"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[-2]", "[0,8]"), {"shape of"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2.0]", "[0,8]"), {"shape of"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[4611686018427387904,4]", "[0,8]"),
                      {"too large"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[0,18446744073709551615]", "[0,0]", 0),
                      {"too large"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2]", "[0]"), {"data_offsets"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2]", "[0,\"8\"]"), {"data_offsets"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2]", "[8,0]"), {"ends at byte 0"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2]", "[4,12]"),
                      {"ends at byte 12, expected at most 8"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[2]", "[0,4]"),
                      {"has 4 bytes, expected 8 for 2 of F32"}));
  EXPECT_TRUE(refused(one("\"F32\"", "[1]", "[4,8]"), {"leave a gap"}));
}

TEST(Safetensors, OverlappingTensorsAreRefused) {
  EXPECT_TRUE(
      refused(fileOf(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                     R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                     6),
              {"overlap"}));
}

TEST(Safetensors, AHeaderBeyondTheFormatsBoundIsRefused) {
  Bytes bytes(8, 0xff);
  bytes.resize(64);
  EXPECT_TRUE(refused(bytes, {"announces a header"}));
}

TEST(Safetensors, WhatIsWrittenIsReadAndAligned) {
  TemporaryFolder folder;
  std::string path = folder / "a.safetensors";
  auto filled = [](uint8_t value, size_t bytes) {
    return [=](void *to) { std::memset(to, value, bytes); };
  };
  writeSafetensors(path, {{"key", "a \"quoted\" ünïcode\nvalue"}},
                   {{"bytes", "U8", {3}, filled(1, 3)},
                    {"floats", "F32", {2, 1}, filled(2, 8)},
                    {"wide", "I64", {}, filled(3, 8)}});
  Bytes bytes = readFile(path);
  Safetensors file = parseSafetensors(bytes, path);
  EXPECT_EQ(file.metadata.at("key"), "a \"quoted\" ünïcode\nvalue");
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const auto &[name, tensor] : file.tensors) {
    size_t at = size_t(tensor.data.data() - bytes.data());
    EXPECT_EQ(at % safetensorsDtypeBytes(tensor.dtype), 0u) << name;
  }
  EXPECT_EQ(file.tensors.at("bytes").data[2], 1);
  EXPECT_EQ(file.tensors.at("floats").data[7], 2);
  EXPECT_EQ(file.tensors.at("wide").data[0], 3);
  // The data begins at a multiple of eight.
  EXPECT_EQ(bytes[0] % 8, 0);
  EXPECT_THAT(folder.names(), testing::ElementsAre("a.safetensors"));
}

TEST(Safetensors, TextThatIsNoUtf8IsRefused) {
  TemporaryFolder folder;
  try {
    writeSafetensors(folder / "a.safetensors", {{"key", "\xff\xfe"}}, {});
    FAIL();
  } catch (const Error &error) {
    EXPECT_EQ(error.status(), PCX_ERROR_ARGUMENT);
    EXPECT_THAT(error.what(), testing::HasSubstr("UTF-8"));
  }
  EXPECT_TRUE(folder.names().empty());
}
