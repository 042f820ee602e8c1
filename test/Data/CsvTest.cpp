//===- CsvTest.cpp - The CSV reader ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Csv.h"
#include "TestSupport.h"

using namespace pcx::data;
using namespace pcx::test;

TEST(Csv, ReadsWithAndWithoutHeader) {
  auto plain = parseCsv("1,2.5\n-3,4e2\n", "x");
  ASSERT_TRUE(plain) << messageOf(plain);
  EXPECT_TRUE(plain->names.empty());
  EXPECT_EQ(plain->values.describe(), "2x2 f64");
  EXPECT_EQ(plain->values.at(3), 400.0);
  auto named = parseCsv("\xef\xbb\xbfwidth,\"the \"\"label\"\", here\"\r\n"
                        "\"1\", 2 \r\n\r\n3,4",
                        "x");
  ASSERT_TRUE(named) << messageOf(named);
  EXPECT_EQ(named->names,
            (std::vector<std::string>{"width", "the \"label\", here"}));
  EXPECT_EQ(named->values.describe(), "2x2 f64");
  EXPECT_EQ(named->values.at(1), 2.0);
}

TEST(Csv, FindsColumns) {
  auto table = parseCsv("width,label\n1,2\n", "x");
  ASSERT_TRUE(table);
  EXPECT_EQ(*table->column("label", "x"), 1);
  EXPECT_EQ(*table->column("0", "x"), 0);
  EXPECT_EQ(*table->column("-1", "x"), 1);
  EXPECT_EQ(messageOf(table->column("lable", "x")),
            "x: no column 'lable', did you mean 'label'?");
  EXPECT_EQ(messageOf(table->column("2", "x")),
            "x: expected a column from 0 to 1, found 2");
  EXPECT_EQ(messageOf(parseCsv("1,2", "x")->column("label", "x")),
            "x: no column 'label'; the file has no header row");
}

TEST(Csv, ErrorsCarryLineAndColumn) {
  EXPECT_EQ(messageOf(parseCsv("a,b\n1,2\n3,oops\n", "t.csv")),
            "t.csv:3:3: expected a number, found 'oops'");
  EXPECT_EQ(messageOf(parseCsv("1,2\n3,\n", "t.csv")),
            "t.csv:2:3: expected a number, found ''");
  EXPECT_EQ(messageOf(parseCsv("1,2\n3", "t.csv")),
            "t.csv:2:1: expected 2 fields, found 1");
  EXPECT_EQ(messageOf(parseCsv("1,2\n3,4,5\n", "t.csv")),
            "t.csv:2:1: expected 2 fields, found 3");
  EXPECT_EQ(messageOf(parseCsv("1,2\n3,4,", "t.csv")),
            "t.csv:2:1: expected 2 fields, found 3");
  EXPECT_EQ(messageOf(parseCsv("1,\"2\n3,4\n", "t.csv")),
            "t.csv:1:3: unterminated quoted field");
  EXPECT_EQ(messageOf(parseCsv("1,\"2\"3\n", "t.csv")),
            "t.csv:1:6: expected ',' or the end of the line after a quoted "
            "field");
  EXPECT_EQ(messageOf(parseCsv("a,b\n", "t.csv")),
            "t.csv: expected rows of numbers, found none");
  EXPECT_EQ(messageOf(parseCsv("", "t.csv")),
            "t.csv: expected rows of numbers, found none");
}
