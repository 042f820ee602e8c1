//===- ExpandMathTest.cpp - Accuracy of the expanded functions ------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles each function after `pc-expand-math` and compares it with the C
// library in a wider type: double for f32, x87 extended for f64. Arguments are
// spread over all bit patterns and, densely, over the interval where the
// function is neither constant nor overflown.
//
// With PCX_TEST_EXHAUSTIVE set in the environment, f32 functions of one
// argument are tried on all 2^32 arguments (minutes).
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/CPU/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"

#include "gtest/gtest.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

using namespace mlir;

namespace {
constexpr int lanes = 16;

/// One function, compiled for scalars and for vectors of `lanes`.
template <typename T>
class Compiled {
public:
  using Fn = void (*)(void **);

  Compiled(StringRef op, int arity) {
    static bool initialised = [] {
      llvm::InitializeNativeTarget();
      llvm::InitializeNativeTargetAsmPrinter();
      return true;
    }();
    (void)initialised;
    DialectRegistry registry;
    registry.insert<arith::ArithDialect, func::FuncDialect, math::MathDialect,
                    LLVM::LLVMDialect>();
    registerLLVMDialectTranslation(registry);
    registerBuiltinDialectTranslation(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();

    std::string element = sizeof(T) == 4 ? "f32" : "f64";
    std::string text =
        getFunction("scalar", op, element, arity) +
        getFunction("vector", op,
                    llvm::formatv("vector<{0}x{1}>", lanes, element), arity);
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return;
    PassManager pm(&context);
    pm.addPass(pc::createExpandMathPass());
    pm.addPass(createConvertMathToLLVMPass());
    pm.addPass(createArithToLLVMConversionPass());
    pm.addPass(createConvertFuncToLLVMPass());
    pm.addPass(createReconcileUnrealizedCastsPass());
    if (failed(pm.run(*module)))
      return;
    // No symbol but its own may be needed: nothing is registered with the
    // engine, but the process's own libm would be found, so look.
    auto transformer = makeOptimizingTransformer(3, 0, nullptr);
    ExecutionEngineOptions options;
    options.transformer = transformer;
    options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Aggressive;
    auto created = ExecutionEngine::create(*module, options);
    if (!created) {
      llvm::consumeError(created.takeError());
      return;
    }
    engine = std::move(*created);
    scalar = lookUp("scalar");
    vector = lookUp("vector");
  }

  explicit operator bool() const { return scalar && vector; }

  /// f(x) and, for functions of two arguments, f(x, y) by elements.
  void runVector(const T *x, const T *y, T *result) const {
    run(vector, x, y, result);
  }
  T runScalar(T x, T y = 0) const {
    T result;
    run(scalar, &x, &y, &result);
    return result;
  }

private:
  static std::string getFunction(StringRef name, StringRef op,
                                 const std::string &type, int arity) {
    return llvm::formatv(
        R"(func.func @{0}(%p: !llvm.ptr, %q: !llvm.ptr, %r: !llvm.ptr) {{
          %x = llvm.load %p {{alignment = 4 : i64} : !llvm.ptr -> {2}
          %y = llvm.load %q {{alignment = 4 : i64} : !llvm.ptr -> {2}
          %z = {1} %x{3} : {2}
          llvm.store %z, %r {{alignment = 4 : i64} : {2}, !llvm.ptr
          return
        })",
        name, op, type, arity == 2 ? ", %y" : "");
  }

  Fn lookUp(StringRef name) {
    auto found = engine->lookupPacked(name);
    if (found)
      return *found;
    llvm::consumeError(found.takeError());
    return nullptr;
  }

  static void run(Fn fn, const T *x, const T *y, T *result) {
    void *arguments[] = {&x, &y, &result};
    fn(arguments);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<ExecutionEngine> engine;
  Fn scalar = nullptr, vector = nullptr;
};

template <typename T>
using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
template <typename T>
using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <typename T>
T fromBits(Bits<T> bits) {
  return std::bit_cast<T>(bits);
}

/// |got - expected| in units of the last place of `expected`, as a T.
template <typename T>
double getUlps(T got, Wide<T> expected) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(expected))
    return std::isnan(got) ? 0 : HUGE_VAL;
  T rounded = static_cast<T>(expected);
  if (std::isinf(rounded) || std::isinf(got)) {
    if (rounded == got)
      return 0;
    // Infinity stands for the number one past the largest.
    Wide<T> limit = std::ldexp(Wide<T>(1), Limits::max_exponent);
    Wide<T> g = std::isinf(got) ? std::copysign(limit, Wide<T>(got)) : got;
    Wide<T> x =
        std::isinf(expected) ? std::copysign(limit, expected) : expected;
    return static_cast<double>(
        std::abs(g - x) /
        std::ldexp(Wide<T>(1), Limits::max_exponent - Limits::digits));
  }
  if (rounded == 0 && got == 0)
    return std::signbit(rounded) == std::signbit(got) ? 0 : HUGE_VAL;
  int exponent = rounded == 0 ? Limits::min_exponent : std::ilogb(rounded) + 1;
  exponent = std::max(exponent, Limits::min_exponent);
  Wide<T> unit = std::ldexp(Wide<T>(1), exponent - Limits::digits);
  return static_cast<double>(std::abs(Wide<T>(got) - expected) / unit);
}

/// What is compared, and how well it must do.
template <typename T>
struct Function {
  const char *op;
  Wide<T> (*reference)(Wide<T>);
  /// Where the function is interesting.
  double low, high;
  /// Units in the last place.
  double bound;
  /// Results below this may be zero instead.
  double flush = 0;
  /// Arguments beyond this give NaN.
  double limit = HUGE_VAL;
};

template <typename T>
void check(const Function<T> &function) {
  Compiled<T> compiled(function.op, 1);
  ASSERT_TRUE(compiled) << "cannot compile " << function.op;
  double worst = 0;
  T worstAt = 0;
  T x[lanes], y[lanes] = {}, result[lanes];
  int filled = 0;
  auto flush = [&] {
    compiled.runVector(x, y, result);
    for (int i = 0; i < filled; ++i) {
      Wide<T> expected = function.reference(x[i]);
      if (!(std::abs(x[i]) <= function.limit))
        expected = std::numeric_limits<T>::quiet_NaN();
      if (std::abs(expected) < function.flush && result[i] == 0)
        continue;
      double ulps = getUlps<T>(result[i], expected);
      if (ulps > worst) {
        worst = ulps;
        worstAt = x[i];
      }
    }
    filled = 0;
  };
  auto add = [&](T value) {
    x[filled++] = value;
    if (filled == lanes)
      flush();
  };

  if (sizeof(T) == 4 && std::getenv("PCX_TEST_EXHAUSTIVE")) {
    for (uint64_t bits = 0; bits < (uint64_t(1) << 32); ++bits)
      add(fromBits<T>(static_cast<Bits<T>>(bits)));
  } else {
    std::mt19937_64 random(7);
    for (int i = 0; i < 400000; ++i)
      add(fromBits<T>(static_cast<Bits<T>>(random())));
    std::uniform_real_distribution<double> uniform(function.low, function.high);
    for (int i = 0; i < 800000; ++i)
      add(static_cast<T>(uniform(random)));
    // And around zero, one and the ends of the interval.
    for (double center : {0.0, 1.0, -1.0, function.low, function.high}) {
      T up = static_cast<T>(center), down = up;
      for (int i = 0; i < 2000; ++i) {
        add(up);
        add(down);
        up = std::nextafter(up, std::numeric_limits<T>::infinity());
        down = std::nextafter(down, -std::numeric_limits<T>::infinity());
      }
    }
  }
  flush();
  EXPECT_LE(worst, function.bound)
      << function.op << " at " << llvm::formatv("{0:e17}", worstAt).str();
  ::testing::Test::RecordProperty("ulps", std::to_string(worst));

  // Scalars are the same function.
  for (T value : {T(0.3), T(-2.7), T(5.5), std::numeric_limits<T>::infinity(),
                  std::numeric_limits<T>::denorm_min()}) {
    x[0] = value;
    compiled.runVector(x, y, result);
    T scalar = compiled.runScalar(value);
    EXPECT_EQ(std::bit_cast<Bits<T>>(scalar), std::bit_cast<Bits<T>>(result[0]))
        << function.op << " of the scalar " << value;
  }
}

template <typename T>
Wide<T> referenceRsqrt(Wide<T> x) {
  return 1 / std::sqrt(x);
}

#define WIDE(fn) [](auto x) { return std::fn(x); }
constexpr double flush32 = 0x1p-125, flush64 = 0x1p-1021;
} // namespace

TEST(ExpandMathTest, Single) {
  check<float>({"math.exp", WIDE(exp), -90, 90, 1.1, flush32});
  check<float>({"math.exp2", WIDE(exp2), -130, 130, 1.1, flush32});
  check<float>({"math.expm1", WIDE(expm1), -20, 90, 1.7});
  check<float>({"math.log", WIDE(log), 0, 4, 1.6});
  check<float>({"math.log1p", WIDE(log1p), -1, 4, 1.6});
  check<float>({"math.tanh", WIDE(tanh), -10, 10, 3.0});
  check<float>({"math.erf", WIDE(erf), -4.5, 4.5, 3.3});
  check<float>({"math.sin", WIDE(sin), -20, 20, 0.6, 0, 0x1p30});
  check<float>({"math.cos", WIDE(cos), -20, 20, 0.6, 0, 0x1p30});
  check<float>({"math.rsqrt", referenceRsqrt<float>, 0, 10, 1.6});
}

TEST(ExpandMathTest, Double) {
  check<double>({"math.exp", WIDE(exp), -750, 750, 1.3, flush64});
  check<double>({"math.exp2", WIDE(exp2), -1080, 1080, 1.3, flush64});
  check<double>({"math.expm1", WIDE(expm1), -40, 720, 1.8});
  check<double>({"math.log", WIDE(log), 0, 4, 1.1});
  check<double>({"math.log1p", WIDE(log1p), -1, 4, 1.6});
  check<double>({"math.tanh", WIDE(tanh), -20, 20, 3.0});
  check<double>({"math.erf", WIDE(erf), -6.5, 6.5, 3.0});
  check<double>({"math.sin", WIDE(sin), -20, 20, 2.0, 0, 0x1p20});
  check<double>({"math.cos", WIDE(cos), -20, 20, 2.0, 0, 0x1p20});
  check<double>({"math.rsqrt", referenceRsqrt<double>, 0, 10, 1.6});
}

/// sin and cos over the whole range of their reduction, and at the numbers
/// next to multiples of pi/2, where the result is nothing but the error of the
/// reduction.
template <typename T>
static void checkReduction(double limit, double bound) {
  Compiled<T> sine("math.sin", 1), cosine("math.cos", 1);
  ASSERT_TRUE(sine && cosine);
  const long double halfPi = 1.57079632679489661923132169163975144L;
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-limit, limit);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    long double n = std::floor(uniform(random) / double(halfPi));
    T x = i % 2 ? static_cast<T>(uniform(random)) : static_cast<T>(n * halfPi);
    if (!(std::abs(x) <= limit))
      continue;
    // The C library's double functions are good to an ulp, its long double
    // ones reduce exactly.
    worst =
        std::max(worst, getUlps<T>(sine.runScalar(x), std::sin(Wide<T>(x))));
    worst =
        std::max(worst, getUlps<T>(cosine.runScalar(x), std::cos(Wide<T>(x))));
  }
  EXPECT_LE(worst, bound);
}

TEST(ExpandMathTest, ReductionSingle) { checkReduction<float>(0x1p30, 0.7); }
TEST(ExpandMathTest, ReductionDouble) { checkReduction<double>(0x1p20, 2.0); }

/// tanh is odd, is x for tiny x, and never leaves [-1, 1].
template <typename T>
static void checkTanh() {
  Compiled<T> tanh("math.tanh", 1);
  ASSERT_TRUE(tanh);
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> exponent(-40, 6);
  for (int i = 0; i < 200000; ++i) {
    T x = static_cast<T>(std::exp2(exponent(random)));
    T y = tanh.runScalar(x);
    ASSERT_EQ(tanh.runScalar(-x), -y) << x;
    ASSERT_LE(y, T(1)) << x;
  }
  for (T x : {std::numeric_limits<T>::denorm_min(),
              std::numeric_limits<T>::min(), T(1e-20), T(1e-10)})
    EXPECT_EQ(tanh.runScalar(x), x);
  EXPECT_EQ(tanh.runScalar(std::numeric_limits<T>::infinity()), T(1));
  EXPECT_TRUE(std::signbit(tanh.runScalar(T(-0.0))));
}

TEST(ExpandMathTest, TanhSingle) { checkTanh<float>(); }
TEST(ExpandMathTest, TanhDouble) { checkTanh<double>(); }

/// Values that are exact in every libm.
template <typename T>
static void checkExact() {
  Compiled<T> exp("math.exp", 1), exp2("math.exp2", 1), log("math.log", 1),
      cos("math.cos", 1);
  ASSERT_TRUE(exp && exp2 && log && cos);
  const T infinity = std::numeric_limits<T>::infinity();
  EXPECT_EQ(exp.runScalar(0), T(1));
  EXPECT_EQ(exp.runScalar(T(-0.0)), T(1));
  EXPECT_EQ(exp.runScalar(infinity), infinity);
  EXPECT_EQ(exp.runScalar(-infinity), T(0));
  for (int n = std::numeric_limits<T>::min_exponent;
       n < std::numeric_limits<T>::max_exponent; ++n)
    EXPECT_EQ(exp2.runScalar(T(n)), std::ldexp(T(1), n));
  EXPECT_EQ(log.runScalar(1), T(0));
  EXPECT_FALSE(std::signbit(log.runScalar(1)));
  EXPECT_EQ(log.runScalar(0), -infinity);
  EXPECT_EQ(log.runScalar(infinity), infinity);
  EXPECT_TRUE(std::isnan(log.runScalar(-1)));
  EXPECT_EQ(cos.runScalar(0), T(1));
}

/// The remainder is exact: C's fmod, as far as the quotient has a fraction.
template <typename T>
static void checkRem() {
  Compiled<T> rem("arith.remf", 2);
  ASSERT_TRUE(rem);
  constexpr T infinity = std::numeric_limits<T>::infinity();
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  const T limit = sizeof(T) == 4 ? T(0x1p23) : T(0x1p52);
  auto check = [&](T x, T y) {
    T found = rem.runScalar(x, y);
    T expected = std::abs(x / y) < limit ? std::fmod(x, y) : nan;
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(found)) << x << " % " << y << " is " << found;
      return;
    }
    EXPECT_EQ(found, expected) << x << " % " << y;
    EXPECT_EQ(std::signbit(found), std::signbit(expected)) << x << " % " << y;
  };
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    auto number = [&] {
      T mantissa = T(1) + T(random() >> 11) * T(0x1p-53);
      return std::ldexp(random() & 1 ? mantissa : -mantissa,
                        static_cast<int>(random() % 70) - 35);
    };
    T x = number(), y = number();
    check(x, y);
    // About an integer quotient, where it is rounded either way.
    T multiple = y * T(random() % 1000);
    check(multiple, y);
    check(std::nextafter(multiple, infinity), y);
    check(std::nextafter(multiple, -infinity), y);
  }
  constexpr T tiny = std::numeric_limits<T>::denorm_min();
  for (T x : {T(0), T(-0.0), T(1), T(-5.5), tiny, infinity, -infinity, nan})
    for (T y : {T(0), T(2), T(-2), 3 * tiny, infinity, -infinity, nan})
      check(x, y);
}

TEST(ExpandMathTest, RemSingle) { checkRem<float>(); }
TEST(ExpandMathTest, RemDouble) { checkRem<double>(); }

TEST(ExpandMathTest, ExactSingle) { checkExact<float>(); }
TEST(ExpandMathTest, ExactDouble) { checkExact<double>(); }

template <typename T>
static void checkPow(double bound) {
  Compiled<T> pow("math.powf", 2);
  ASSERT_TRUE(pow);
  double flush = sizeof(T) == 4 ? flush32 : flush64, worst = 0;
  T worstX = 0, worstY = 0;
  auto check = [&](T x, T y) {
    T got = pow.runScalar(x, y);
    Wide<T> expected = std::pow(Wide<T>(x), Wide<T>(y));
    if (std::abs(expected) < flush && got == 0)
      return;
    double ulps = getUlps<T>(got, expected);
    if (ulps > worst) {
      worst = ulps;
      worstX = x;
      worstY = y;
    }
  };
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> exponent(-30, 30), unit(0, 1),
      power(-20, 20);
  for (int i = 0; i < 300000; ++i) {
    check(fromBits<T>(static_cast<Bits<T>>(random())),
          fromBits<T>(static_cast<Bits<T>>(random())));
    check(static_cast<T>(std::exp2(exponent(random))),
          static_cast<T>(power(random)));
    // Bases near one and the largest exponents that do not overflow.
    T base = static_cast<T>(0.5 + unit(random));
    T largest = static_cast<T>(std::numeric_limits<T>::max_exponent *
                               (2 * unit(random) - 1) / std::log2(base));
    check(base, largest);
    check(-base, std::floor(largest));
  }
  // What Adam's bias correction asks for.
  for (int step = 1; step < 100000; step += 7) {
    check(T(0.9), T(step));
    check(T(0.999), T(step));
  }
  const T infinity = std::numeric_limits<T>::infinity();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const T special[] = {0,
                       T(-0.0),
                       1,
                       -1,
                       2,
                       -2,
                       T(0.5),
                       3,
                       -3,
                       T(-0.5),
                       T(1.5),
                       T(1e30),
                       T(-1e30),
                       infinity,
                       -infinity,
                       nan,
                       std::numeric_limits<T>::max(),
                       std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::denorm_min()};
  for (T x : special)
    for (T y : special)
      check(x, y);
  EXPECT_LE(worst, bound)
      << llvm::formatv("at {0:e17}, {1:e17}", worstX, worstY).str();
  ::testing::Test::RecordProperty("ulps", std::to_string(worst));
}

TEST(ExpandMathTest, PowSingle) { checkPow<float>(0.6); }
TEST(ExpandMathTest, PowDouble) { checkPow<double>(1.6); }
