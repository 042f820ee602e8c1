//===- FiniteDifferenceTest.cpp - Every VJP against finite differences ----===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For every operation with a DifferentiableOpInterface: the energy <w, f(x)>
// with random w and x is differentiated by pc::differentiate, evaluated by the
// reference interpreter in double, and compared with differences of the energy
// that the same interpreter computes. An operation without a case fails the
// test.
//
//===----------------------------------------------------------------------===//

#include "Support.h"
#include "mlir/IR/Verifier.h"
#include "pc/Autodiff/ReverseMode.h"

#include <cmath>
#include <functional>
#include <random>
#include <set>

using namespace pc;
using namespace pc::test;

namespace {

//===----------------------------------------------------------------------===//
// Cases
//===----------------------------------------------------------------------===//

/// Samples of a batch.
constexpr int64_t kSamples = 3;

/// An argument: "B2x3" is a per-sample 2x3 array, "2x3" a shared one, "B" one
/// number a sample. Its elements are drawn from [low, high].
struct Argument {
  std::string shape;
  double low = -2, high = 2;
};

/// A function of tensors %a, %b, ... with result %r. In the text, {B2} stands
/// for the tensor type of shape B2.
struct Case {
  std::string op;
  std::string body;
  std::string result;
  std::vector<Argument> arguments;
  /// False where a kink is too near: sees the elements at one position.
  std::function<bool(const std::vector<double> &)> accept = nullptr;
  /// Also in the form of a model, without a batch.
  bool perSample = true;
};

/// |x| is at least 0.05 away from every kink.
std::function<bool(const std::vector<double> &)>
awayFrom(std::vector<double> kinks) {
  return [kinks](const std::vector<double> &x) {
    for (double kink : kinks)
      if (std::abs(x[0] - kink) < 0.05)
        return false;
    return true;
  };
}

bool apart(const std::vector<double> &x) {
  return std::abs(x[0] - x[1]) >= 0.05;
}

/// An operation on one tensor of any shape.
Case unary(std::string op, std::string text,
           std::function<bool(const std::vector<double> &)> accept = nullptr) {
  return {op, "%r = " + text + " : {B2x3}", "B2x3", {{"B2x3", -3, 3}}, accept};
}

/// A scalar operation inside of pc.elementwise, with operands %x, %y, %z.
Case scalar(std::string op, std::string text, std::vector<Argument> ranges,
            std::function<bool(const std::vector<double> &)> accept = nullptr) {
  std::string operands, types, arguments;
  for (size_t i = 0; i < ranges.size(); ++i) {
    ranges[i].shape = "B4";
    std::string comma = i ? ", " : "";
    operands += comma + "%" + char('a' + i);
    types += comma + "{B4}";
    arguments += comma + "%" + char('x' + i) + ": f64";
  }
  return {op,
          "%r = pc.elementwise " + operands + " : (" + types +
              ") -> {B4} {\n^bb0(" + arguments + "):\n%v = " + text +
              "\npc.yield %v : f64\n}",
          "B4", ranges, accept};
}
Case scalar1(
    std::string op, double low, double high,
    std::function<bool(const std::vector<double> &)> accept = nullptr) {
  return scalar(op, op + " %x : f64", {{"", low, high}}, accept);
}
Case scalar2(std::string op,
             std::function<bool(const std::vector<double> &)> accept = nullptr,
             double low = -2, double high = 2) {
  return scalar(op, op + " %x, %y : f64", {{"", low, high}, {"", low, high}},
                accept);
}

std::vector<Case> makeCases() {
  std::vector<Case> cases = {
      // Element-wise operations on tensors.
      unary("pc.identity", "pc.identity %a"),
      unary("pc.relu", "pc.relu %a", awayFrom({0})),
      unary("pc.leaky_relu", "pc.leaky_relu %a", awayFrom({0})),
      unary("pc.leaky_relu", "pc.leaky_relu %a slope(-0.3)", awayFrom({0})),
      unary("pc.gelu", "pc.gelu %a"),
      unary("pc.gelu", "pc.gelu %a exact"),
      unary("pc.silu", "pc.silu %a"),
      unary("pc.tanh", "pc.tanh %a"),
      unary("pc.hard_tanh", "pc.hard_tanh %a", awayFrom({-1, 1})),
      unary("pc.sigmoid", "pc.sigmoid %a"),
      unary("pc.softplus", "pc.softplus %a"),
      unary("pc.act_grad", "pc.act_grad leaky_relu %a slope(0.1)",
            awayFrom({0})),
      unary("pc.act_grad", "pc.act_grad gelu %a"),
      unary("pc.act_grad", "pc.act_grad gelu_exact %a"),
      unary("pc.act_grad", "pc.act_grad silu %a"),
      unary("pc.act_grad", "pc.act_grad tanh %a"),
      unary("pc.act_grad", "pc.act_grad sigmoid %a"),
      unary("pc.act_grad", "pc.act_grad softplus %a"),
      unary("pc.neg", "pc.neg %a"),
      unary("pc.scale", "pc.scale %a, %half"),
      {"pc.add", "%r = pc.add %a, %b : {B3}", "B3", {{"B3"}, {"B3"}}},
      {"pc.add", "%r = pc.add %a, %a : {B3}", "B3", {{"B3"}}},
      {"pc.sub", "%r = pc.sub %a, %b : {B3}", "B3", {{"B3"}, {"B3"}}},
      {"pc.mul", "%r = pc.mul %a, %b : {B3}", "B3", {{"B3"}, {"B3"}}},
      {"pc.mul", "%r = pc.mul %a, %a : {B3}", "B3", {{"B3"}}},
      {"pc.elementwise",
       R"(%r = pc.elementwise %a, %b : ({B3}, {B3}) -> {B3} {
          ^bb0(%x: f64, %y: f64):
            %one = arith.constant 1.0 : f64
            %s = math.sin %x : f64
            %p = arith.mulf %s, %y : f64
            %q = arith.addf %p, %x : f64
            %e = math.exp %q : f64
            %d = arith.addf %e, %one : f64
            %v = arith.divf %p, %d : f64
            pc.yield %v : f64
          })",
       "B3",
       {{"B3"}, {"B3"}}},
      {"pc.elementwise",
       R"(%r = pc.elementwise %a, %b : ({B3}, {B3}) -> {B3} {
          ^bb0(%x: f64, %y: f64):
            pc.yield %y : f64
          })",
       "B3",
       {{"B3"}, {"B3"}}},
      // Products.
      {"pc.dense",
       "%r = pc.dense %a, %b : {B3}, {2x3} -> {B2}",
       "B2",
       {{"B3"}, {"2x3"}}},
      {"pc.dense",
       "%r = pc.dense %a, %b transposed : {B2}, {2x3} -> {B3}",
       "B3",
       {{"B2"}, {"2x3"}}},
      {"pc.batch_outer",
       "%r = pc.batch_outer %a, %b : {B2}, {B3} -> {2x3}",
       "2x3",
       {{"B2"}, {"B3"}},
       nullptr,
       false},
      // Sums and shapes.
      {"pc.batch_sum",
       "%r = pc.batch_sum %a : {B2x3} -> {2x3}",
       "2x3",
       {{"B2x3"}},
       nullptr,
       false},
      {"pc.batch_broadcast",
       "%r = pc.batch_broadcast %a : {2x3} -> {B2x3}",
       "B2x3",
       {{"2x3"}},
       nullptr,
       false},
      {"pc.sum", "%r = pc.sum %a : {B2x3} -> {B}", "B", {{"B2x3"}}},
      {"pc.sum", "%r = pc.sum %a : {B2x3} -> {B2}", "B2", {{"B2x3"}}},
      {"pc.broadcast", "%r = pc.broadcast %a : {B} -> {B2x3}", "B2x3", {{"B"}}},
      {"pc.broadcast",
       "%r = pc.broadcast %a : {B2} -> {B2x3}",
       "B2x3",
       {{"B2"}}},
      {"pc.reshape", "%r = pc.reshape %a : {B2x3} -> {B6}", "B6", {{"B2x3"}}},
      {"pc.concat",
       "%r = pc.concat %a, %b, %a axis(-2) : {B1x3}, {B2x3}, {B1x3} -> {B4x3}",
       "B4x3",
       {{"B1x3"}, {"B2x3"}}},
      {"pc.concat",
       "%r = pc.concat %a, %b axis(-1) : {B3}, {B1} -> {B4}",
       "B4",
       {{"B3"}, {"B1"}}},
      {"pc.slice",
       "%r = pc.slice %a axis(-1) offset(1) : {B2x4} -> {B2x2}",
       "B2x2",
       {{"B2x4"}}},
      {"pc.slice",
       "%r = pc.slice %a axis(-2) offset(2) : {B4x2} -> {B2x2}",
       "B2x2",
       {{"B4x2"}}},
      {"pc.pad",
       "%r = pc.pad %a axis(-1) offset(1) : {B2x2} -> {B2x4}",
       "B2x4",
       {{"B2x2"}}},
      {"pc.transpose",
       "%r = pc.transpose %a : {2x3} -> {3x2}",
       "3x2",
       {{"2x3"}},
       nullptr,
       false},
      // Rows.
      {"pc.softmax", "%r = pc.softmax %a : {B2x3}", "B2x3", {{"B2x3"}}},
      {"pc.log_softmax", "%r = pc.log_softmax %a : {B2x3}", "B2x3", {{"B2x3"}}},
      // Energies. A target of cross entropy need not sum to one.
      {"pc.se_energy",
       "%r = pc.se_energy %a, %b : {B4} -> {B}",
       "B",
       {{"B4"}, {"B4"}}},
      {"pc.se_energy",
       "%r = pc.se_energy %a, %b : {B2x3} -> {B}",
       "B",
       {{"B2x3"}, {"B2x3"}}},
      {"pc.ce_energy",
       "%r = pc.ce_energy %a, %b : {B4} -> {B}",
       "B",
       {{"B4"}, {"B4"}}},
      {"pc.ce_energy",
       "%r = pc.ce_energy %a, %b : {B2x3} -> {B}",
       "B",
       {{"B2x3"}, {"B2x3"}}},
      // arith.
      scalar2("arith.addf"),
      scalar2("arith.subf"),
      scalar2("arith.mulf"),
      scalar2("arith.divf", nullptr, 0.5, 2),
      scalar2("arith.divf", nullptr, -2, -0.5),
      scalar1("arith.negf", -2, 2),
      scalar2("arith.maximumf", apart),
      scalar2("arith.minimumf", apart),
      scalar2("arith.maxnumf", apart),
      scalar2("arith.minnumf", apart),
      scalar("arith.select", "arith.select %c, %x, %y : f64", {{}, {}}, apart),
      scalar("arith.extf", "arith.extf %f : f32 to f64", {{}}),
      scalar("arith.truncf", "arith.extf %f : f32 to f64", {{}}),
      // math.
      scalar1("math.absf", -2, 2, awayFrom({0})),
      scalar1("math.acos", -0.8, 0.8),
      scalar1("math.acosh", 1.2, 3),
      scalar1("math.asin", -0.8, 0.8),
      scalar1("math.asinh", -2, 2),
      scalar1("math.atan", -2, 2),
      scalar1("math.atanh", -0.8, 0.8),
      scalar2("math.atan2", nullptr, 0.3, 2),
      scalar2("math.atan2", nullptr, -2, -0.3),
      scalar1("math.cbrt", 0.3, 3),
      scalar1("math.cbrt", -3, -0.3),
      scalar1("math.ceil", -2, 2, awayFrom({-2, -1, 0, 1, 2})),
      scalar("math.clampf", "math.clampf %x to [%y, %z] : f64",
             {{"", -2, 2}, {"", -1, -0.2}, {"", 0.2, 1}},
             [](const std::vector<double> &x) {
               return std::abs(x[0] - x[1]) >= 0.05 &&
                      std::abs(x[0] - x[2]) >= 0.05;
             }),
      scalar2("math.copysign",
              [](const std::vector<double> &x) {
                return std::abs(x[0]) >= 0.05 && std::abs(x[1]) >= 0.05;
              }),
      scalar1("math.cos", -3, 3),
      scalar1("math.cosh", -2, 2),
      scalar1("math.erf", -2, 2),
      scalar1("math.erfc", -2, 2),
      scalar1("math.exp", -2, 2),
      scalar1("math.exp2", -2, 2),
      scalar1("math.expm1", -2, 2),
      scalar1("math.floor", -2, 2, awayFrom({-2, -1, 0, 1, 2})),
      scalar("math.fma", "math.fma %x, %y, %z : f64", {{}, {}, {}}),
      scalar("math.fpowi", "math.fpowi %x, %three : f64, i32",
             {{"", -2, -0.3}}),
      scalar("math.fpowi", "math.fpowi %x, %zero : f64, i32", {{"", 0.3, 2}}),
      scalar1("math.log", 0.3, 3),
      scalar1("math.log10", 0.3, 3),
      scalar1("math.log1p", -0.6, 2),
      scalar1("math.log2", 0.3, 3),
      scalar2("math.powf", nullptr, 0.3, 2),
      scalar1("math.round", -2, 2, awayFrom({-1.5, -0.5, 0.5, 1.5})),
      scalar1("math.roundeven", -2, 2, awayFrom({-1.5, -0.5, 0.5, 1.5})),
      scalar1("math.rsqrt", 0.3, 3),
      scalar1("math.sin", -3, 3),
      scalar1("math.sinh", -2, 2),
      scalar1("math.sqrt", 0.3, 3),
      scalar1("math.tan", -1, 1),
      scalar1("math.tanh", -2, 2),
      scalar1("math.trunc", -2, 2, awayFrom({-2, -1, 0, 1, 2})),
  };
  // A power of two operands, of which one is negative.
  cases.push_back(
      scalar("math.powf", "math.powf %x, %two : f64", {{"", -2, -0.3}}));
  return cases;
}

/// Values that scalar operations above use beside their operands.
std::string addDefinitions(std::string body) {
  const std::pair<const char *, const char *> definitions[] = {
      {"%c,", "%c = arith.cmpf olt, %x, %y : f64\n"},
      {"%f :", "%f = arith.truncf %x : f64 to f32\n"},
      {"%three", "%three = arith.constant 3 : i32\n"},
      {"%zero", "%zero = arith.constant 0 : i32\n"},
      {"%two", "%two = arith.constant 2.0 : f64\n"},
  };
  for (auto [use, definition] : definitions)
    if (body.find(use) != std::string::npos)
      body.insert(body.find("%v = "), definition);
  if (body.find("%half") != std::string::npos)
    body = "%half = arith.constant -0.55 : f64\n" + body;
  return body;
}

//===----------------------------------------------------------------------===//
// The energy of a case
//===----------------------------------------------------------------------===//

/// "tensor<?x2x3xf64>" for B2x3, without the batch in the form of a model.
std::string typeOf(const std::string &shape, bool batched) {
  bool perSample = !shape.empty() && shape[0] == 'B';
  std::string dims = shape.substr(perSample);
  return "tensor<" + std::string(perSample && batched ? "?x" : "") + dims +
         (dims.empty() ? "" : "x") + "f64>";
}

std::vector<int64_t> shapeOf(const std::string &shape, bool batched) {
  std::vector<int64_t> result;
  size_t begin = 0;
  if (!shape.empty() && shape[0] == 'B') {
    begin = 1;
    if (batched)
      result.push_back(kSamples);
  }
  while (begin < shape.size()) {
    size_t end = std::min(shape.find('x', begin), shape.size());
    result.push_back(std::stoll(shape.substr(begin, end - begin)));
    begin = end + 1;
  }
  return result;
}

/// The energy <w, f(a, b, ...)> per sample, or over the batch when f's result
/// is shared; w is the last argument.
std::string energyText(const Case &test, bool batched) {
  std::string arguments;
  for (size_t i = 0; i < test.arguments.size(); ++i)
    arguments += std::string("%") + char('a' + i) + ": " +
                 typeOf(test.arguments[i].shape, batched) + ", ";
  std::string body = addDefinitions(test.body);
  for (size_t at; (at = body.find("{B")) != std::string::npos ||
                  (at = body.find("{2x3}")) != std::string::npos ||
                  (at = body.find("{3x2}")) != std::string::npos;) {
    size_t end = body.find('}', at);
    body.replace(at, end + 1 - at,
                 typeOf(body.substr(at + 1, end - at - 1), batched));
  }
  std::string result = typeOf(test.result, batched);
  std::string energy = typeOf(test.result[0] == 'B' ? "B" : "", batched);
  return "func.func @f(" + arguments + "%w: " + result + ") -> " + energy +
         " {\n" + body + "\n%p = pc.mul %r, %w : " + result +
         "\n%e = pc.sum %p : " + result + " -> " + energy +
         "\nfunc.return %e : " + energy + "\n}";
}

/// Differentiates the energy, the function's result, with respect to all
/// arguments but the last and returns the gradients beside it.
mlir::LogicalResult appendGradients(mlir::func::FuncOp function) {
  mlir::Operation *terminator = function.getBody().front().getTerminator();
  mlir::OpBuilder builder(terminator);
  auto variables = function.getArguments().drop_back();
  auto gradients = differentiate(builder, terminator->getOperand(0),
                                 mlir::Value(), variables);
  if (mlir::failed(gradients))
    return mlir::failure();
  llvm::SmallVector<mlir::Value> results(terminator->getOperands());
  llvm::append_range(results, *gradients);
  terminator->setOperands(results);
  function.setFunctionType(builder.getFunctionType(
      function.getArgumentTypes(), mlir::ValueRange(results).getTypes()));
  return mlir::verify(function);
}

double total(const Tensor &tensor) {
  double sum = 0;
  for (double value : tensor.data)
    sum += value;
  return sum;
}

double dot(const Tensor &a, const Tensor &b) {
  EXPECT_EQ(a.shape, b.shape);
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); ++i)
    sum += a.data[i] * b.data[i];
  return sum;
}

/// The derivative at 0 of a smooth function, by a stencil of fourth order.
double slope(llvm::function_ref<double(double)> function) {
  constexpr double h = 1e-3;
  return (8 * (function(h) - function(-h)) -
          (function(2 * h) - function(-2 * h))) /
         (12 * h);
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

struct Parameter {
  Case test;
  bool batched;
};

void PrintTo(const Parameter &parameter, std::ostream *stream) {
  *stream << parameter.test.op;
}

class FiniteDifferenceTest : public testing::TestWithParam<Parameter> {
protected:
  /// Random arguments; element i of all of them is drawn until it is accepted.
  std::vector<Tensor> sample(const Case &test, bool batched) {
    std::vector<Tensor> values;
    for (const Argument &argument : test.arguments)
      values.push_back(Tensor::splat(shapeOf(argument.shape, batched), 0));
    for (int64_t i = 0;; ++i) {
      bool any = false;
      std::vector<double> elements;
      do {
        elements.clear();
        for (size_t k = 0; k < values.size(); ++k) {
          const Argument &argument = test.arguments[k];
          elements.push_back(std::uniform_real_distribution<double>(
              argument.low, argument.high)(random));
          if (i < values[k].size()) {
            values[k].data[i] = elements.back();
            any = true;
          }
        }
      } while (any && test.accept && !test.accept(elements));
      if (!any)
        return values;
    }
  }

  Tensor normal(std::vector<int64_t> shape) {
    Tensor result = Tensor::splat(shape, 0);
    for (double &value : result.data)
      value = std::normal_distribution<double>()(random);
    return result;
  }

  Context context;
  std::mt19937_64 random{20240607};
};

TEST_P(FiniteDifferenceTest, AgreesWithTheVJP) {
  const auto &[test, batched] = GetParam();
  std::string text = energyText(test, batched);
  SCOPED_TRACE(text);
  auto module = context.parse(text);
  ASSERT_TRUE(module);
  auto function = *module->getOps<mlir::func::FuncOp>().begin();

  // The case does test the operation of its name.
  bool found = false;
  function.walk([&](mlir::Operation *op) {
    found |= op->getName().getStringRef() == test.op;
  });
  ASSERT_TRUE(found) << "no " << test.op;

  auto energyOf = [&](const std::vector<Tensor> &arguments) {
    std::vector<reference::Value> values(arguments.begin(), arguments.end());
    auto results = reference::evaluate(function, values, kSamples);
    EXPECT_TRUE(mlir::succeeded(results)) << context.messages;
    return mlir::failed(results) ? 0.0
                                 : total(std::get<Tensor>(results->front()));
  };
  std::vector<Tensor> arguments = sample(test, batched);
  arguments.push_back(normal(shapeOf(test.result, batched)));

  // Differences first: differentiation changes the function.
  std::vector<Tensor> expected(arguments.begin(), arguments.end() - 1);
  double largest = 1;
  for (size_t k = 0; k + 1 < arguments.size(); ++k)
    for (int64_t i = 0; i < arguments[k].size(); ++i) {
      std::vector<Tensor> moved = arguments;
      expected[k].data[i] = slope([&](double step) {
        moved[k].data[i] = arguments[k].data[i] + step;
        return energyOf(moved);
      });
      largest = std::max(largest, std::abs(expected[k].data[i]));
    }
  // J v along a random direction v, and <w, J v>.
  std::vector<Tensor> direction;
  for (size_t k = 0; k + 1 < arguments.size(); ++k)
    direction.push_back(normal(arguments[k].shape));
  for (Tensor &v : direction)
    for (double &value : v.data)
      value *= 0.1;
  double pushed = slope([&](double step) {
    std::vector<Tensor> moved = arguments;
    for (size_t k = 0; k < direction.size(); ++k)
      for (int64_t i = 0; i < moved[k].size(); ++i)
        moved[k].data[i] += step * direction[k].data[i];
    return energyOf(moved);
  });

  ASSERT_TRUE(mlir::succeeded(appendGradients(function))) << context.messages;
  std::vector<reference::Value> values(arguments.begin(), arguments.end());
  auto results = reference::evaluate(function, values, kSamples);
  ASSERT_TRUE(mlir::succeeded(results)) << context.messages;
  ASSERT_EQ(results->size(), arguments.size());
  double pulled = 0;
  for (size_t k = 0; k < expected.size(); ++k) {
    const Tensor &gradient = std::get<Tensor>((*results)[k + 1]);
    ASSERT_EQ(gradient.shape, expected[k].shape);
    for (int64_t i = 0; i < gradient.size(); ++i)
      EXPECT_NEAR(gradient.data[i], expected[k].data[i], 1e-8 * largest)
          << "argument " << k << ", element " << i;
    pulled += dot(gradient, direction[k]);
  }
  // <J^T w, v> = <w, J v>.
  EXPECT_NEAR(pulled, pushed, 1e-8 * largest);
}

std::vector<Parameter> makeParameters() {
  std::vector<Parameter> parameters;
  for (const Case &test : makeCases()) {
    parameters.push_back({test, true});
    if (test.perSample)
      parameters.push_back({test, false});
  }
  return parameters;
}

std::string nameOf(const testing::TestParamInfo<Parameter> &info) {
  std::string name = info.param.test.op;
  std::replace(name.begin(), name.end(), '.', '_');
  return name + (info.param.batched ? "_batched_" : "_sample_") +
         std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(All, FiniteDifferenceTest,
                         testing::ValuesIn(makeParameters()), nameOf);

TEST(FiniteDifferenceCoverageTest, EveryDifferentiableOperationHasACase) {
  Context context;
  std::set<std::string> tested = {
      // No gradient flows through it, so differences say otherwise:
      // DifferentiationTest.Detach.
      "pc.detach"};
  for (const Case &test : makeCases())
    tested.insert(test.op);
  int count = 0;
  for (mlir::RegisteredOperationName name :
       (&context)->getRegisteredOperations()) {
    if (!name.hasInterface<DifferentiableOpInterface>())
      continue;
    ++count;
    EXPECT_TRUE(tested.count(name.getStringRef().str()))
        << "no case for " << name.getStringRef().str();
  }
  EXPECT_GT(count, 60);
}

//===----------------------------------------------------------------------===//
// Conventions and structure
//===----------------------------------------------------------------------===//

class DifferentiationTest : public testing::Test {
protected:
  /// Differentiates the first function of `text` (the last argument is no
  /// variable) and evaluates it: the energy, then the gradients.
  std::vector<Tensor> run(const std::string &text,
                          const std::vector<Tensor> &arguments, int64_t n = 1) {
    auto module = context.parse(text);
    if (!module)
      return {};
    auto function = *module->getOps<mlir::func::FuncOp>().begin();
    EXPECT_TRUE(mlir::succeeded(appendGradients(function))) << context.messages;
    std::vector<reference::Value> values(arguments.begin(), arguments.end());
    auto results = reference::evaluate(function, values, n);
    EXPECT_TRUE(mlir::succeeded(results)) << context.messages;
    std::vector<Tensor> tensors;
    if (mlir::succeeded(results))
      for (reference::Value &value : *results)
        tensors.push_back(std::get<Tensor>(value));
    return tensors;
  }

  /// The derivative of one tensor operation of 5 elements.
  std::vector<double> slopes(const std::string &op,
                             std::vector<double> points) {
    auto results = run("func.func @f(%x: tensor<5xf64>, %w: tensor<5xf64>) "
                       "-> tensor<f64> {\n%y = pc." +
                           op +
                           " : tensor<5xf64>\n%p = pc.mul %y, %w : "
                           "tensor<5xf64>\n%e = pc.sum %p : tensor<5xf64> -> "
                           "tensor<f64>\nfunc.return %e : tensor<f64>\n}",
                       {Tensor({5}, points), Tensor::splat({5}, 1)});
    return results.size() == 2 ? results[1].data : std::vector<double>();
  }

  /// The derivatives of a scalar operation of %x and %y at 5 points.
  std::vector<Tensor> scalarSlopes(const std::string &op, std::vector<double> x,
                                   std::vector<double> y) {
    auto results = run(
        "func.func @f(%a: tensor<5xf64>, %b: tensor<5xf64>, %w: tensor<5xf64>) "
        "-> tensor<f64> {\n%r = pc.elementwise %a, %b : (tensor<5xf64>, "
        "tensor<5xf64>) -> tensor<5xf64> {\n^bb0(%x: f64, %y: f64):\n%v = " +
            op +
            " : f64\npc.yield %v : f64\n}\n%p = pc.mul %r, %w : "
            "tensor<5xf64>\n%e = pc.sum %p : tensor<5xf64> -> tensor<f64>\n"
            "func.return %e : tensor<f64>\n}",
        {Tensor({5}, x), Tensor({5}, y), Tensor::splat({5}, 1)});
    return results.size() == 3 ? std::vector<Tensor>{results[1], results[2]}
                               : std::vector<Tensor>(2);
  }

  Context context;
};

using Numbers = std::vector<double>;

TEST_F(DifferentiationTest, SlopesAtTheKinksOfActivations) {
  Numbers points = {-1, -0.0, 0, 1, 2};
  EXPECT_EQ(slopes("relu %x", points), (Numbers{0, 0, 0, 1, 1}));
  EXPECT_EQ(slopes("leaky_relu %x", points), (Numbers{0.01, 1, 1, 1, 1}));
  EXPECT_EQ(slopes("hard_tanh %x", points), (Numbers{1, 1, 1, 1, 0}));
}

TEST_F(DifferentiationTest, SlopesAtTheKinksOfScalars) {
  Numbers x = {-1, 0, 0, 2, 3}, y = {-1, 0, 1, 2, 1};
  auto check = [&](const std::string &op, Numbers first, Numbers second) {
    SCOPED_TRACE(op);
    auto found = scalarSlopes(op, x, y);
    EXPECT_EQ(found[0].data, first);
    EXPECT_EQ(found[1].data, second);
  };
  // Of a tie the first operand takes the cotangent.
  check("arith.maximumf %x, %y", {1, 1, 0, 1, 1}, {0, 0, 1, 0, 0});
  check("arith.minimumf %x, %y", {1, 1, 1, 1, 0}, {0, 0, 0, 0, 1});
  check("arith.maxnumf %x, %y", {1, 1, 0, 1, 1}, {0, 0, 1, 0, 0});
  check("arith.minnumf %x, %y", {1, 1, 1, 1, 0}, {0, 0, 0, 0, 1});
  check("math.absf %x", {-1, 0, 0, 1, 1}, {0, 0, 0, 0, 0});
  // x^y with x = 0: no slope in y; 0^0 has no slope at all.
  x = {0, 0, 2, 2, 0}, y = {1, 0, 0, 1, 2};
  auto power = scalarSlopes("math.powf %x, %y", x, y);
  EXPECT_EQ(power[0].data, (Numbers{1, 0, 0, 1, 0}));
  EXPECT_EQ(power[1].data,
            (Numbers{0, 0, std::log(2.0), 2 * std::log(2.0), 0}));
}

TEST_F(DifferentiationTest, Detach) {
  EXPECT_EQ(slopes("detach %x", {-1, 0, 1, 2, 3}), (Numbers{0, 0, 0, 0, 0}));
  // d/dx of x detach(x) is x.
  auto results = run(R"(
    func.func @f(%x: tensor<2xf64>, %w: tensor<2xf64>) -> tensor<f64> {
      %d = pc.detach %x : tensor<2xf64>
      %y = pc.mul %x, %d : tensor<2xf64>
      %e = pc.sum %y : tensor<2xf64> -> tensor<f64>
      func.return %e : tensor<f64>
    })",
                     {Tensor({2}, {3, 5}), Tensor({2}, {0, 0})});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1].data, (Numbers{3, 5}));
}

TEST_F(DifferentiationTest, ClampPassesAtBothEnds) {
  auto results = run(R"(
    func.func @f(%x: tensor<5xf64>, %w: tensor<5xf64>) -> tensor<f64> {
      %y = pc.elementwise %x : (tensor<5xf64>) -> tensor<5xf64> {
      ^bb0(%a: f64):
        %low = arith.constant -1.0 : f64
        %high = arith.constant 1.0 : f64
        %v = math.clampf %a to [%low, %high] : f64
        pc.yield %v : f64
      }
      %e = pc.sum %y : tensor<5xf64> -> tensor<f64>
      func.return %e : tensor<f64>
    })",
                     {Tensor({5}, {-2, -1, 0, 1, 2}), Tensor::splat({5}, 0)});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1].data, (Numbers{0, 1, 1, 1, 0}));
}

// The equations of reference: dF/dh_l = e_l - W^T (f'(a) e_{l+1}), and the
// gradient of a weight is summed over the batch.
TEST_F(DifferentiationTest, PredictiveCodingOfTwoLayers) {
  std::string text = R"(
    func.func @f(%h1: tensor<?x2xf64>, %h2: tensor<?x2xf64>,
                 %w2: tensor<2x2xf64>, %b2: tensor<2xf64>,
                 %u1: tensor<?x2xf64>) -> tensor<?xf64> {
      %y = pc.dense %h1, %w2 : tensor<?x2xf64>, tensor<2x2xf64>
        -> tensor<?x2xf64>
      %b = pc.batch_broadcast %b2 : tensor<2xf64> -> tensor<?x2xf64>
      %a = pc.add %y, %b : tensor<?x2xf64>
      %u2 = pc.tanh %a : tensor<?x2xf64>
      %e1 = pc.se_energy %h1, %u1 : tensor<?x2xf64> -> tensor<?xf64>
      %e2 = pc.se_energy %h2, %u2 : tensor<?x2xf64> -> tensor<?xf64>
      %e = pc.add %e1, %e2 : tensor<?xf64>
      func.return %e : tensor<?xf64>
    })";
  Tensor h1({2, 2}, {0.3, -0.2, 0.5, 0.9}), h2({2, 2}, {0.1, 0.4, -0.6, 0.2});
  Tensor w({2, 2}, {0.5, -1, 0.25, 2}), b({2}, {0.1, -0.1});
  Tensor u1({2, 2}, {0.2, 0.1, 0.3, 0.3});
  auto results = run(text, {h1, h2, w, b, u1}, 2);
  ASSERT_EQ(results.size(), 5u);
  Tensor g1 = Tensor::splat({2, 2}, 0), g2 = g1, gw = g1;
  Tensor gb = Tensor::splat({2}, 0);
  for (int s = 0; s < 2; ++s) {
    const double *x = &h1.data[2 * s];
    for (int i = 0; i < 2; ++i) {
      double a = w.data[2 * i] * x[0] + w.data[2 * i + 1] * x[1] + b.data[i];
      double error = h2.data[2 * s + i] - std::tanh(a);
      double delta = error * (1 - std::tanh(a) * std::tanh(a));
      g2.data[2 * s + i] = error;
      gb.data[i] -= delta;
      for (int j = 0; j < 2; ++j) {
        gw.data[2 * i + j] -= delta * x[j];
        g1.data[2 * s + j] -= delta * w.data[2 * i + j];
      }
    }
    for (int j = 0; j < 2; ++j)
      g1.data[2 * s + j] += x[j] - u1.data[2 * s + j];
  }
  expectTensor(results[1], {2, 2}, g1.data, 1e-14);
  expectTensor(results[2], {2, 2}, g2.data, 1e-14);
  expectTensor(results[3], {2, 2}, gw.data, 1e-14);
  expectTensor(results[4], {2}, gb.data, 1e-14);
}

TEST_F(DifferentiationTest, VariablesThatNothingReadsAreZero) {
  auto results = run(R"(
    func.func @f(%x: tensor<?x2xf64>, %y: tensor<?x3xf64>, %w: tensor<?x2xf64>)
        -> tensor<?xf64> {
      %e = pc.se_energy %x, %w : tensor<?x2xf64> -> tensor<?xf64>
      func.return %e : tensor<?xf64>
    })",
                     {Tensor({1, 2}, {3, 5}), Tensor({1, 3}, {1, 1, 1}),
                      Tensor({1, 2}, {1, 1})});
  ASSERT_EQ(results.size(), 3u);
  expectTensor(results[1], {1, 2}, {2, 4}, 0);
  expectTensor(results[2], {1, 3}, {0, 0, 0}, 0);
}

} // namespace
