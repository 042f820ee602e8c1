//===- BindingTest.cpp - Columns and a program's inputs -------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Binding.h"
#include "RunSupport.h"
#include "pcx/Experiment/Metrics.h"

using namespace pcx;
using namespace pcx::experiment;
using namespace pcx::test;
using data::Array;
using data::Column;
using data::ColumnKind;
using data::DType;

namespace {
class Bind : public testing::Test {
protected:
  void SetUp() override {
    auto loaded = loadModule(softmax());
    ASSERT_TRUE(loaded) << messageOf(loaded);
    module = std::move(*loaded);
    auto created = createSession(module, 1, "cpu");
    ASSERT_TRUE(created) << messageOf(created);
    session = std::move(*created);
  }
  Result<Binding> bind(const char *program, const data::Split &split) {
    auto index = findProgram(module, program, PCX_ROLE_OTHER, "--program");
    EXPECT_TRUE(index);
    return bindData(session.get(), module, *index, split, "set", {});
  }
  static Column named(const char *name, Array array) {
    return {name, name, ColumnKind::Named, std::move(array), 1.0};
  }
  Module module;
  Session session;
};
} // namespace

TEST_F(Bind, LabelsOfAProgramThatDoesNotReadThem) {
  data::Split split;
  split.samples = 2;
  Array labels = Array::zeros(DType::I32, {2});
  labels.as<int32_t>()[1] = 7;
  split.columns = {{"images", "f", ColumnKind::Features,
                    Array::zeros(DType::U8, {2, 8, 8}), 1.0},
                   {"labels", "f", ColumnKind::Labels, labels, 1.0}};
  auto bound = bind("classify", split);
  ASSERT_TRUE(bound) << messageOf(bound);
  EXPECT_EQ(bound->labels, (std::vector<int32_t>{0, 7}));
  split.columns = {named("image", Array::zeros(DType::I16, {2, 64})),
                   named("label", labels)};
  bound = bind("classify", split);
  ASSERT_TRUE(bound) << messageOf(bound);
  EXPECT_EQ(bound->labels, (std::vector<int32_t>{0, 7}));
}

TEST_F(Bind, SharedInputsAreNoRows) {
  data::Split split;
  split.columns = {named("offset", Array::zeros(DType::F64, {3})),
                   named("image", Array::zeros(DType::F32, {5, 64}))};
  auto bound = bind("totals", split);
  ASSERT_TRUE(bound) << messageOf(bound);
  EXPECT_EQ(bound->samples, 5);
  split.columns[0] = named("offset", Array::zeros(DType::F64, {5, 3}));
  EXPECT_EQ(messageOf(bind("totals", split)),
            "offset: wrong shape: input 'offset' expects 3 (3 values) in all, "
            "found 5x3 f64");
}

TEST_F(Bind, RefusesTextAndNothing) {
  data::Split split;
  Array text;
  text.dtype = DType::Text;
  text.dims = {0};
  split.columns = {named("image", text)};
  EXPECT_EQ(messageOf(bind("classify", split)),
            "image: expected numbers, found text");
  split.columns = {named("image", Array::zeros(DType::F32, {0, 64}))};
  EXPECT_EQ(messageOf(bind("classify", split)),
            "data set 'set': expected samples for the inputs of program "
            "'classify', found none");
}

TEST_F(Bind, FindsProgramsByRole) {
  EXPECT_EQ(*findProgram(module, std::nullopt, PCX_ROLE_EVALUATE, "--program"),
            1u);
  EXPECT_EQ(
      messageOf(
          findProgram(module, std::nullopt, PCX_ROLE_SAMPLE, "--program")),
      "model 'softmax' has no program with the role sample; choose one with "
      "--program: 'train', 'evaluate', 'classify', 'totals'");
  EXPECT_EQ(
      messageOf(findProgram(module, std::nullopt, PCX_ROLE_OTHER, "--program")),
      "model 'softmax' has several programs with the role other; choose one "
      "with --program: 'classify', 'totals'");
}

TEST_F(Bind, FindsThePrediction) {
  auto find = [&](uint32_t program, const char *name, int32_t largest) {
    return findPrediction(
        module, program, name ? std::optional<std::string>(name) : std::nullopt,
        largest);
  };
  EXPECT_EQ(*find(1, nullptr, 9), 0u);
  EXPECT_EQ(*find(2, nullptr, 99), 0u); // a whole number may be any class
  EXPECT_EQ(*find(3, nullptr, 9), std::nullopt);
  EXPECT_EQ(messageOf(find(1, nullptr, 26)),
            "label out of range: expected 0 to 9, as many classes as output "
            "'prediction' of program 'evaluate' has elements, found 26; pass "
            "--label-offset for labels that count from another number");
  EXPECT_EQ(messageOf(find(1, "prediction", 26)),
            "--prediction prediction: expected more than 26 elements for as "
            "many classes, found 10");
  // A trace is a prediction only for who names it.
  EXPECT_EQ(*find(0, nullptr, 9), std::nullopt);
  EXPECT_EQ(*find(0, "label.h.0", 9), 2u);
}

TEST(Binding, FittingDataSets) {
  EXPECT_EQ(fittingDataSets(64, 10), std::vector<std::string>{"digits"});
  EXPECT_EQ(fittingDataSets(784, 10),
            std::vector<std::string>{"fashion-mnist"});
  EXPECT_TRUE(fittingDataSets(64, 9).empty());
}
