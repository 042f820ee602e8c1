//===- IdxTest.cpp - The IDX reader ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Idx.h"
#include "TestSupport.h"
#include "pcx/Data/File.h"

#include <bit>

using namespace pcx::data;
using namespace pcx::test;
using namespace std::string_view_literals;

TEST(Idx, ReadsEveryType) {
  auto u8 = parseIdx(bytesOf("\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
                             "abcdef"sv),
                     "x");
  ASSERT_TRUE(u8);
  EXPECT_EQ(u8->describe(), "2x3 u8");
  EXPECT_EQ(u8->at(5), 'f');
  auto i8 = parseIdx(bytesOf("\0\0\x09\x01\0\0\0\x01\xff"sv), "x");
  ASSERT_TRUE(i8);
  EXPECT_EQ(i8->at(0), -1);
  auto i16 = parseIdx(bytesOf("\0\0\x0b\x01\0\0\0\x01\x01\x02"sv), "x");
  ASSERT_TRUE(i16);
  EXPECT_EQ(i16->at(0), 0x0102);
  auto i32 = parseIdx(bytesOf("\0\0\x0c\x01\0\0\0\x01\xff\xff\xff\xfe"sv), "x");
  ASSERT_TRUE(i32);
  EXPECT_EQ(i32->at(0), -2);
  auto f32 = parseIdx(bytesOf("\0\0\x0d\x01\0\0\0\x01\x3f\xc0\0\0"sv), "x");
  ASSERT_TRUE(f32);
  EXPECT_EQ(f32->at(0), 1.5);
  auto f64 =
      parseIdx(bytesOf("\0\0\x0e\x01\0\0\0\x01\xbf\xf0\0\0\0\0\0\0"sv), "x");
  ASSERT_TRUE(f64);
  EXPECT_EQ(f64->at(0), -1.0);
}

TEST(Idx, RoundTrips) {
  std::vector<float> values = {1.5f, -2, 3e-20f, 4};
  Array array = Array::of({2, 2}, std::span<const float>(values));
  auto plain = parseIdx(formatIdx(array), "x");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->dims, array.dims);
  EXPECT_EQ(plain->bytes, array.bytes);
  auto packed = parseIdx(gzip(formatIdx(array)), "x");
  ASSERT_TRUE(packed);
  EXPECT_EQ(packed->bytes, array.bytes);
}

TEST(Idx, RefusesWrongMagic) {
  EXPECT_EQ(messageOf(parseIdx(bytesOf("\x89PNG1234"sv), "x")),
            "x: wrong magic: expected an IDX file (0, 0, a type of 08 09 0b 0c "
            "0d 0e, the rank), found 89 50 4e 47");
  EXPECT_NE(messageOf(parseIdx(bytesOf("\0\0\x0a\x01\0\0\0\0"sv), "x"))
                .find("found 00 00 0a 01"),
            std::string::npos);
}

TEST(Idx, RefusesTruncated) {
  EXPECT_EQ(messageOf(parseIdx(bytesOf("\0\0"sv), "x")),
            "x: truncated: expected an IDX header, found 2 bytes");
  EXPECT_EQ(messageOf(parseIdx(bytesOf("\0\0\x08\x03\0\0\0\x02"sv), "x")),
            "x: truncated: expected a header of 16 bytes for rank 3, found 8");
  auto data = bytesOf("\0\0\x08\x02\0\0\0\x02\0\0\0\x03"
                      "abcde"sv);
  EXPECT_EQ(messageOf(parseIdx(data, "x")),
            "x: truncated: expected 6 bytes of data (2x3 u8), found 5");
  EXPECT_EQ(messageOf(parseIdx(gzip(data), "x")),
            "x: truncated: expected 6 bytes of data (2x3 u8), found 5");
}

TEST(Idx, RefusesTrailing) {
  auto data = bytesOf("\0\0\x08\x01\0\0\0\x02"
                      "abc"sv);
  for (auto &file : {data, gzip(data)})
    EXPECT_EQ(messageOf(parseIdx(file, "x")),
              "x: trailing bytes: expected 2 bytes of data (2 u8), found more");
}

TEST(Idx, RefusesOverflow) {
  EXPECT_EQ(messageOf(parseIdx(bytesOf("\0\0\x0e\x03\xff\xff\xff\xff\xff\xff"
                                       "\xff\xff\xff\xff\xff\xff"sv),
                               "x")),
            "x: the sizes 4294967295x4294967295x4294967295 overflow");
  // Claims 2^56 bytes and has none: refused without asking for memory.
  EXPECT_NE(
      messageOf(
          parseIdx(gzip(bytesOf("\0\0\x08\x02\x10\0\0\0\x10\0\0\0"sv)), "x"))
          .find("truncated"),
      std::string::npos);
}

TEST(Idx, NamesTheFile) {
  TempDir dir;
  ASSERT_TRUE(writeFile(dir / "t", "\0\0\x08\x01"sv));
  EXPECT_EQ(
      messageOf(readIdx(dir / "t")),
      dir / "t" +
          ": truncated: expected a header of 8 bytes for rank 1, found 4");
}
