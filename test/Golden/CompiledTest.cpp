//===- CompiledTest.cpp - Compiled code against PCX -----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compiled.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace pcx::test;

namespace {

struct Parameter {
  std::string golden; ///< empty: there are no golden files
  Build build;
};

void PrintTo(const Parameter &parameter, std::ostream *stream) {
  *stream << parameter.golden << " " << parameter.build.name();
}

class CompiledTest : public testing::TestWithParam<Parameter> {};

TEST_P(CompiledTest, AgreesWithPCX) {
  Parameter parameter = GetParam();
  if (parameter.golden.empty())
    GTEST_SKIP() << "no golden files: set PCX_SHARED_DIR";
  std::string error;
  auto file = readGolden(parameter.golden, error);
  ASSERT_TRUE(file) << error;
  auto compiled = Compiled::create(sourceText(*file), parameter.build, error);
  if (!compiled && error.empty())
    GTEST_SKIP() << "this CPU cannot run " << parameter.build.cpu;
  ASSERT_TRUE(compiled) << error;
  Policy policy;
  policy.single = parameter.build.type == "f32";
  compareWithGolden(*file, *compiled, policy);
}

std::vector<Parameter> parameters() {
  std::vector<std::string> names = goldenNames();
  if (names.empty())
    return {{"", {"f64", "-O3", "x86-64-v3"}}};
  std::vector<Parameter> result;
  for (const std::string &name : names)
    for (const char *type : {"f64", "f32"})
      for (const char *level : {"-O0", "-O3"})
        for (const char *cpu : {"x86-64-v3", "x86-64-v4"})
          result.push_back({name, {type, level, cpu}});
  return result;
}

INSTANTIATE_TEST_SUITE_P(Golden, CompiledTest, testing::ValuesIn(parameters()),
                         [](const auto &info) {
                           return (info.param.golden.empty()
                                       ? "none"
                                       : info.param.golden) +
                                  "_" + info.param.build.name();
                         });

} // namespace
