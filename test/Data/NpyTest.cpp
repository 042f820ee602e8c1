//===- NpyTest.cpp - The NPY and NPZ readers and writers ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Npy.h"
#include "TestSupport.h"
#include "pcx/Data/File.h"

#include <algorithm>

using namespace pcx::data;
using namespace pcx::test;
using namespace std::string_view_literals;

/// An NPY 1.0 file with this header text and data.
static std::vector<std::byte> npy(std::string header, std::string_view data) {
  std::string file = "\x93NUMPY\x01";
  file += '\0';
  file += static_cast<char>(header.size());
  file += '\0';
  return bytesOf(file + header + std::string(data));
}

static std::string input(const std::string &name) {
  return PCX_TEST_INPUTS "/" + name;
}

TEST(Npy, ReadsVersions) {
  for (const char *file : {"v2.npy", "v3.npy"}) {
    auto array = readNpy(input(file));
    ASSERT_TRUE(array) << messageOf(array);
    EXPECT_EQ(array->describe(), "3 i16");
    EXPECT_EQ(array->at(2), 2);
  }
  auto bad = npy("", "");
  bad[6] = std::byte{4};
  EXPECT_EQ(messageOf(parseNpy(bad, "x")),
            "x: expected NPY version 1 to 3, found 4.0");
}

TEST(Npy, RoundTrips) {
  for (DType dtype : {DType::U8, DType::I8, DType::I16, DType::I32, DType::I64,
                      DType::F32, DType::F64, DType::Bool}) {
    for (auto dims : {std::vector<int64_t>{}, {3}, {2, 3}, {2, 0, 4}}) {
      Array array = Array::zeros(dtype, dims);
      for (size_t i = 0; i < array.bytes.size(); ++i)
        array.bytes[i] = std::byte(i * 7 + 1);
      std::vector<std::byte> file = formatNpy(array);
      // The data is aligned for whoever maps the file.
      EXPECT_EQ((file.size() - array.bytes.size()) % 64, 0u);
      auto back = parseNpy(file, "x");
      ASSERT_TRUE(back) << messageOf(back);
      EXPECT_EQ(back->dtype, dtype);
      EXPECT_EQ(back->dims, dims);
      EXPECT_EQ(back->bytes, array.bytes);
    }
  }
}

TEST(Npy, RefusesMalformedHeaders) {
  auto message = [](std::string header) {
    return messageOf(parseNpy(npy(std::move(header), "abcdefgh"), "x"));
  };
  EXPECT_EQ(
      message("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"), "");
  EXPECT_EQ(message("{\"shape\":(2,1L),'fortran_order':True,'descr':'<f4'}\n"),
            "");
  EXPECT_EQ(message("'descr'"),
            "x: malformed NPY header: expected a dictionary at byte 0");
  EXPECT_NE(message("{'descr': '<f4'}")
                .find("expected descr, fortran_order and shape"),
            std::string::npos);
  EXPECT_NE(message("{'what': 1}").find("expected one of descr"),
            std::string::npos);
  EXPECT_NE(message("{'shape': (2,-1)}").find("expected a tuple of sizes"),
            std::string::npos);
  EXPECT_NE(message("{'shape': (99999999999999999999,)}")
                .find("expected a tuple of sizes"),
            std::string::npos);
  EXPECT_NE(message("{'fortran_order': 1}").find("expected True or False"),
            std::string::npos);
  EXPECT_NE(message("{descr: '<f4'}").find("expected a key at byte 1"),
            std::string::npos);
  EXPECT_NE(message("{'descr': 4}").find("expected a type string"),
            std::string::npos);
  EXPECT_NE(message("{'descr': '<f4' 'shape': (1,)}").find("expected ',' or"),
            std::string::npos);
  EXPECT_NE(
      message("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} more")
          .find("expected the end of the header"),
      std::string::npos);
  EXPECT_EQ(message("{'descr': [('a','<f4')], 'shape': (1,)}"),
            "x: expected an array of numbers, found a structured type");
  EXPECT_EQ(
      message("{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}"),
      "x: expected one of f4 f8 i1 i2 i4 i8 u1 b1 in little-endian order, "
      "found type '>f4'; convert it with astype() in NumPy");
  EXPECT_EQ(message("{'descr': '<f8', 'fortran_order': False, 'shape': "
                    "(9223372036854775807,2)}"),
            "x: the sizes 9223372036854775807x2 overflow");
}

TEST(Npy, RefusesTruncatedAndTrailing) {
  std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(messageOf(parseNpy(npy(header, "abcdefg"), "x")),
            "x: truncated: expected 8 bytes of data (2 <f4), found 7");
  EXPECT_EQ(messageOf(parseNpy(npy(header, "abcdefghi"), "x")),
            "x: trailing bytes: expected 8 bytes of data (2 <f4), found 9");
  auto file = npy(header, "");
  file.resize(20);
  EXPECT_EQ(messageOf(parseNpy(file, "x")),
            "x: truncated: expected an NPY header of 57 bytes, found 10");
  EXPECT_EQ(messageOf(parseNpy(bytesOf("\x93NUMPY\x01"sv), "x")),
            "x: truncated: expected an NPY header, found 7 bytes");
  EXPECT_EQ(messageOf(parseNpy(bytesOf("abcdefghijkl"), "x")),
            "x: wrong magic: expected an NPY file (93 'NUMPY')");
  EXPECT_NE(
      messageOf(readNpy(input("numpy-stored.npz"))).find("FILE.npz:ARRAY"),
      std::string::npos);
}

TEST(Npz, ReadsWhatNumPyStores) {
  auto npz = NpzFile::open(input("numpy-stored.npz"));
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_EQ(npz->names().size(), 11u);
  auto image = npz->read("image");
  ASSERT_TRUE(image) << messageOf(image);
  EXPECT_EQ(image->describe(), "2x3 f32");
  EXPECT_EQ(image->at(5), 5.0);
  auto fortran = npz->read("fortran");
  ASSERT_TRUE(fortran);
  EXPECT_EQ(fortran->describe(), "2x3x4 f64");
  for (int64_t i = 0; i < 24; ++i)
    EXPECT_EQ(fortran->at(i), static_cast<double>(i));
  EXPECT_EQ(npz->read("label")->at(1), -1);
  EXPECT_EQ(npz->read("i4")->describe(), "1x2 i32");
  EXPECT_EQ(npz->read("u1")->at(1), 255);
  EXPECT_EQ(npz->read("b1")->dtype, DType::Bool);
  EXPECT_EQ(npz->read("scalar")->describe(), "scalar f64");
  EXPECT_EQ(npz->read("empty")->describe(), "0x4 f32");
  auto meta = npz->read("meta");
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->dtype, DType::Text);
  EXPECT_EQ(meta->bytes, bytesOf("{\"a\": \"\u00e4\u20ac\U0001f600\"}"));
  auto again = parseNpy(formatNpy(*meta), "x");
  ASSERT_TRUE(again) << messageOf(again);
  EXPECT_EQ(again->bytes, meta->bytes);
  // Types that are not supported are refused one by one.
  EXPECT_NE(messageOf(npz->read("big")).find("found type '>f4'"),
            std::string::npos);
  EXPECT_NE(messageOf(npz->read("c8")).find("found type '<c8'"),
            std::string::npos);
  EXPECT_EQ(messageOf(npz->read("imag")),
            input("numpy-stored.npz") +
                ": no array 'imag', did you mean 'image'?");
}

TEST(Npz, ReadsWhatNumPyDeflates) {
  auto npz = NpzFile::open(input("numpy-deflated.npz"));
  ASSERT_TRUE(npz) << messageOf(npz);
  auto image = npz->read("image");
  ASSERT_TRUE(image) << messageOf(image);
  EXPECT_EQ(image->describe(), "100x10 f32");
  for (int64_t i = 0; i < 1000; ++i)
    ASSERT_EQ(image->at(i), static_cast<double>(i % 10));
}

TEST(Npz, RoundTripsAndDependsOnTheArraysAlone) {
  TempDir dir;
  std::vector<float> values = {1, 2, 3};
  Array a = Array::of({3}, std::span<const float>(values));
  Array b = Array::zeros(DType::I64, {2, 2});
  ASSERT_TRUE(writeNpz(dir / "1.npz", {{"a", &a}, {"params/b.weight", &b}}));
  ASSERT_TRUE(writeNpz(dir / "2.npz", {{"a", &a}, {"params/b.weight", &b}}));
  EXPECT_EQ(*readFile(dir / "1.npz"), *readFile(dir / "2.npz"));
  auto npz = NpzFile::open(dir / "1.npz");
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_EQ(npz->names(), (std::vector<std::string>{"a", "params/b.weight"}));
  EXPECT_EQ(npz->read("a")->bytes, a.bytes);
  EXPECT_EQ(npz->read("params/b.weight")->dims, b.dims);
  ASSERT_TRUE(writeNpz(dir / "none.npz", {}));
  auto none = NpzFile::open(dir / "none.npz");
  ASSERT_TRUE(none) << messageOf(none);
  EXPECT_TRUE(none->names().empty());
}

TEST(Npz, RefusesDamage) {
  TempDir dir;
  std::vector<float> values = {1, 2, 3};
  Array a = Array::of({3}, std::span<const float>(values));
  ASSERT_TRUE(writeNpz(dir / "a.npz", {{"a", &a}}));
  auto good = *readFile(dir / "a.npz");

  EXPECT_EQ(messageOf(NpzFile::parse(bytesOf("not a zip file"), "x")),
            "x: wrong magic: expected an NPZ file (a zip archive, 'PK')");
  auto bad = good;
  bad.resize(good.size() - 1);
  EXPECT_EQ(messageOf(NpzFile::parse(bad, "x")),
            "x: truncated: the zip archive has no end-of-directory record");
  bad = good;
  bad[bad.size() - 6 + 3] = std::byte{0x7f}; // offset of the directory
  EXPECT_NE(messageOf(NpzFile::parse(bad, "x")).find("lies outside the file"),
            std::string::npos);
  bad = good;
  // The last byte of the data, in front of the directory.
  size_t directory = 30 + 5 + 128 + 12;
  bad[directory - 1] ^= std::byte{1};
  auto npz = NpzFile::parse(bad, "x");
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_NE(
      messageOf(npz->read("a")).find("x: array 'a': damaged: expected CRC"),
      std::string::npos);
  bad = good;
  bad[directory + 10] = std::byte{12}; // bzip2
  npz = NpzFile::parse(bad, "x");
  ASSERT_TRUE(npz);
  EXPECT_EQ(messageOf(npz->read("a")),
            "x: array 'a': expected a stored or deflated member, found "
            "compression method 12");
  bad = good;
  bad[directory + 8] |= std::byte{1};
  npz = NpzFile::parse(bad, "x");
  ASSERT_TRUE(npz);
  EXPECT_EQ(messageOf(npz->read("a")), "x: array 'a': is encrypted");
  bad = good;
  bad[directory] = std::byte{0};
  EXPECT_EQ(messageOf(NpzFile::parse(bad, "x")),
            "x: damaged: bad signature in zip directory entry 0");
  bad = good;
  bad[directory + 28] = std::byte{0xff};
  bad[directory + 29] = std::byte{0xff};
  EXPECT_EQ(messageOf(NpzFile::parse(bad, "x")),
            "x: damaged: bad length in zip directory entry 0");
  bad = good;
  bad[directory + 42] = std::byte{1}; // offset of the member
  npz = NpzFile::parse(bad, "x");
  ASSERT_TRUE(npz);
  EXPECT_NE(messageOf(npz->read("a")).find("its zip header is not where"),
            std::string::npos);
}

TEST(Npz, SurvivesEveryTruncationAndBitFlip) {
  auto good = *readFile(input("numpy-deflated.npz"));
  for (size_t size = 0; size < good.size(); size += 3) {
    auto bad = good;
    bad.resize(size);
    EXPECT_FALSE(NpzFile::parse(bad, "x"));
  }
  auto whole = NpzFile::parse(good, "x");
  ASSERT_TRUE(whole);
  for (size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= std::byte{0x10};
    auto npz = NpzFile::parse(bad, "x");
    if (!npz)
      continue;
    // Whatever still reads must be what was written: the CRC covers the data.
    for (const std::string &name : npz->names()) {
      auto array = npz->read(name);
      if (array && whole->contains(name))
        EXPECT_EQ(array->bytes, whole->read(name)->bytes) << at;
    }
  }
}

TEST(Npz, ReadsTheGoldenNumbers) {
  std::string path = PCX_SHARED_DIR "/golden/run_pc_se_5_batches.npz";
  if (!std::filesystem::exists(path))
    GTEST_SKIP() << "needs " << path;
  auto npz = NpzFile::open(path);
  ASSERT_TRUE(npz) << messageOf(npz);
  EXPECT_EQ(npz->read("x")->describe(), "160x784 f32");
  auto meta = npz->read("meta");
  ASSERT_TRUE(meta) << messageOf(meta);
  EXPECT_EQ(std::to_integer<char>(meta->bytes.front()), '{');
  EXPECT_EQ(std::to_integer<char>(meta->bytes.back()), '}');
}
