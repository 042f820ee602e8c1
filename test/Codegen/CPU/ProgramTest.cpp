//===- ProgramTest.cpp - Compiled programs against the interpreter --------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every program is compiled for f64 and f32 and for each CPU level, and run on
// several numbers of samples, blocks and workers. In f64 it must agree with the
// interpreter of the functional form; in any type its bits must not depend on
// workers, their order, the block or the samples that stand beside.
//
//===----------------------------------------------------------------------===//

#include "CompiledProgram.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace pc;
using namespace pc::test;

namespace {

/// Numbers in [-1, 1), the same on every machine.
Tensor randomTensor(llvm::ArrayRef<int64_t> shape, uint32_t seed) {
  std::mt19937 random(seed);
  Tensor tensor = Tensor::splat(shape, 0.0);
  // Exact in f32, so that both sides read the same numbers.
  for (double &value : tensor.data)
    value = (static_cast<double>(random() >> 8) / (1 << 23)) - 1.0;
  return tensor;
}

/// Largest difference, relative to the largest element or 1.
double difference(const Tensor &found, const Tensor &expected) {
  EXPECT_EQ(found.shape, expected.shape);
  if (found.shape != expected.shape)
    return INFINITY;
  double scale = 1, error = 0;
  for (double value : expected.data)
    scale = std::max(scale, std::abs(value));
  for (int64_t i = 0; i < found.size(); ++i) {
    double distance = std::abs(found.data[i] - expected.data[i]);
    // NaN is a difference.
    error = distance <= error ? error : distance;
    if (std::isnan(distance))
      return INFINITY;
  }
  return error / scale;
}

/// Inputs of all programs of a model, n rows.
Arrays makeInputs(const CompiledModule &module, llvm::StringRef program,
                  int64_t n, uint32_t seed) {
  Arrays inputs;
  for (const EntryInfo &entry : module.getInfo().entries)
    if (entry.program.getValue() == program)
      for (const PortInfo &port : entry.inputs) {
        auto type = mlir::cast<mlir::RankedTensorType>(port.type);
        std::vector<int64_t> shape = type.getShape().vec();
        if (mlir::ShapedType::isDynamic(shape[0]))
          shape[0] = n;
        inputs[port.port.getName().str()] = randomTensor(shape, seed++);
      }
  return inputs;
}

/// The first `rows` rows.
Arrays takeRows(Arrays arrays, int64_t rows) {
  for (auto &[name, tensor] : arrays) {
    int64_t row = tensor.size() / tensor.shape[0];
    tensor.shape[0] = rows;
    tensor.data.resize(rows * row);
  }
  return arrays;
}

/// True if an output has a row for each sample.
bool isPerSample(const CompiledModule &module, llvm::StringRef program,
                 llvm::StringRef output) {
  for (const EntryInfo &entry : module.getInfo().entries)
    for (const PortInfo &port : entry.outputs)
      if (entry.program.getValue() == program &&
          port.port.getName().getValue() == output)
        return !mlir::cast<mlir::RankedTensorType>(port.type).hasStaticShape();
  return false;
}

struct Case {
  const char *name;
  const char *source;
  const char *algorithm = "";
  bool trace = false;
};

const Case cases[] = {
    {"mlp", R"(
pc.model @m {
  %x = pc.input @x : tensor<19xf32>
  %a = pc.linear @fc1 %x : tensor<19xf32> -> tensor<33xf32>
  %u = pc.tanh %a : tensor<33xf32>
  %h = pc.vode @h1 %u energy(se) : tensor<33xf32>
  %b = pc.linear @fc2 %h : tensor<33xf32> -> tensor<21xf32>
  %v = pc.gelu %b : tensor<21xf32>
  %g = pc.vode @h2 %v energy(se) : tensor<21xf32>
  %c = pc.linear @fc3 %g : tensor<21xf32> -> tensor<5xf32>
  %o = pc.vode @y %c energy(se) : tensor<5xf32>
})",
     "pc"},
    {"mlpIncremental", R"(
pc.model @m {
  %x = pc.input @x : tensor<19xf32>
  %a = pc.linear @fc1 %x : tensor<19xf32> -> tensor<33xf32>
  %u = pc.leaky_relu %a : tensor<33xf32>
  %h = pc.vode @h1 %u energy(se) : tensor<33xf32>
  %b = pc.linear @fc2 %h : tensor<33xf32> -> tensor<21xf32>
  %v = pc.silu %b : tensor<21xf32>
  %g = pc.vode @h2 %v energy(se) : tensor<21xf32>
  %c = pc.linear @fc3 %g : tensor<21xf32> -> tensor<5xf32>
  %o = pc.vode @y %c energy(ce) : tensor<5xf32>
})",
     "ipc"},
    {"mlpBackprop", R"(
pc.model @m {
  %x = pc.input @x : tensor<40xf32>
  %a = pc.linear @fc1 %x : tensor<40xf32> -> tensor<64xf32>
  %u = pc.relu %a : tensor<64xf32>
  %h = pc.vode @h1 %u energy(se) : tensor<64xf32>
  %c = pc.linear @fc3 %h : tensor<64xf32> -> tensor<3xf32>
  %o = pc.vode @y %c energy(se) : tensor<3xf32>
})",
     "bp"},
    // Every operation that moves elements, rows with several dimensions, fan-in
    // and fan-out, a learned precision, an energy of the user's.
    {"shapes", R"(
pc.energy @quartic(%h: tensor<6xf32>, %u: tensor<6xf32>) {
  %d = pc.sub %h, %u : tensor<6xf32>
  %q = pc.elementwise %d : (tensor<6xf32>) -> tensor<6xf32> {
  ^bb0(%a: f32):
    %b = arith.mulf %a, %a : f32
    %c = arith.mulf %b, %b : f32
    pc.yield %c : f32
  }
  %e = pc.sum %q : tensor<6xf32> -> tensor<f32>
  pc.yield %e : tensor<f32>
}
pc.model @m {
  %x = pc.input @x : tensor<3x4xf32>
  %f = pc.reshape %x : tensor<3x4xf32> -> tensor<12xf32>
  %a = pc.linear @fc1 %f : tensor<12xf32> -> tensor<18xf32>
  %s = pc.softplus %a : tensor<18xf32>
  %h = pc.vode @h1 %s energy(se) precision(0.5) : tensor<18xf32>
  %p = pc.slice %h axis(-1) offset(2) : tensor<18xf32> -> tensor<7xf32>
  %q = pc.slice %h axis(-1) offset(9) : tensor<18xf32> -> tensor<9xf32>
  %c = pc.concat %q, %p axis(-1) : tensor<9xf32>, tensor<7xf32> -> tensor<16xf32>
  %r = pc.reshape %c : tensor<16xf32> -> tensor<2x8xf32>
  %t = pc.softmax %r : tensor<2x8xf32>
  %v = pc.reshape %t : tensor<2x8xf32> -> tensor<16xf32>
  %w = pc.sigmoid %h : tensor<18xf32>
  %b = pc.linear @fc2 %v : tensor<16xf32> -> tensor<6xf32>
  %g = pc.vode @h2 %b energy(@quartic) : tensor<6xf32>
  %k = pc.linear @fc3 %w : tensor<18xf32> -> tensor<6xf32>
  %m = pc.mul %k, %g : tensor<6xf32>
  %n = pc.hard_tanh %m : tensor<6xf32>
  %o = pc.vode @y %n energy(ce) : tensor<6xf32>
}
pc.program @train on @m (%x: tensor<3x4xf32>, %y: tensor<6xf32>) {
  pc.clamp @x = %x : tensor<3x4xf32>
  pc.init forward
  %beta = arith.constant 0.25 : f64
  pc.nudge @y = %y beta(%beta) : tensor<6xf32>
  pc.repeat 5 { pc.infer sgd(lr = 0.05, momentum = 0.5) }
  pc.report "energy" = energy
  pc.report "energy.h2" = energy(@h2)
  pc.learn sgd(lr = 0.1, momentum = 0.9)
}
pc.program @sample on @m (%x: tensor<3x4xf32>) {
  pc.clamp @x = %x : tensor<3x4xf32>
  pc.init normal(0.3)
  pc.repeat 3 { pc.infer sgd(lr = 0.05) }
  %h = pc.read @h1 : tensor<18xf32>
  pc.output "h" = %h : tensor<18xf32>
  pc.output "x" = %x : tensor<3x4xf32>
  %u = pc.predict @y : tensor<6xf32>
  pc.output "u" = %u : tensor<6xf32>
  pc.output "again" = %u : tensor<6xf32>
})"},
    // Layers wide enough to be cut by columns where samples are few, not in
    // whole panels; a number that the loop computes.
    {"wide", R"(
pc.model @m {
  %x = pc.input @x : tensor<9xf32>
  %a = pc.linear @fc1 %x : tensor<9xf32> -> tensor<370xf32>
  %u = pc.leaky_relu %a : tensor<370xf32>
  %h = pc.vode @h1 %u energy(se) : tensor<370xf32>
  %b = pc.linear @fc2 %h : tensor<370xf32> -> tensor<360xf32>
  %v = pc.tanh %b : tensor<360xf32>
  %g = pc.vode @h2 %v energy(se) : tensor<360xf32>
  %c = pc.linear @fc3 %g : tensor<360xf32> -> tensor<5xf32>
  %o = pc.vode @y %c energy(se) : tensor<5xf32>
}
pc.program @train on @m (%x: tensor<9xf32>, %y: tensor<5xf32>) {
  %lr = pc.hyper "lr" default 0.05
  pc.clamp @x = %x : tensor<9xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<5xf32>
  pc.repeat 5 { pc.infer sgd(lr = %lr, momentum = 0.5) }
  pc.report "energy" = energy
  pc.learn sgd(lr = 0.01)
}
pc.program @evaluate on @m (%x: tensor<9xf32>) {
  pc.clamp @x = %x : tensor<9xf32>
  pc.init forward
  %p = pc.predict @y : tensor<5xf32>
  pc.output "p" = %p : tensor<5xf32>
})"},
    {"trace", R"(
pc.model @m {
  %x = pc.input @x : tensor<9xf32>
  %a = pc.linear @fc1 %x : tensor<9xf32> -> tensor<12xf32>
  %u = pc.gelu %a exact : tensor<12xf32>
  %h = pc.vode @h1 %u energy(se) : tensor<12xf32>
  %b = pc.linear @fc2 %h : tensor<12xf32> -> tensor<5xf32>
  %o = pc.vode @y %b energy(se) : tensor<5xf32>
})",
     "pc", true},
};

/// CPUs and precisions to compile for.
struct Level {
  llvm::StringRef cpu, precision;
};
constexpr Level levels[] = {{"x86-64-v3", "f32"},
                            {"x86-64-v4", "f32"},
                            {"cooperlake", "bf16"},
                            {"sapphirerapids", "bf16"}};

class ProgramTest : public testing::TestWithParam<Case> {
protected:
  std::unique_ptr<CompiledModule> compile(CompileOptions options) {
    options.algorithm = GetParam().algorithm;
    options.trace = GetParam().trace;
    std::string message;
    auto module = CompiledModule::create(GetParam().source, options, message);
    EXPECT_TRUE(module) << message;
    return module;
  }
  std::vector<std::string> getPrograms(const CompiledModule &module) {
    std::vector<std::string> names;
    for (const EntryInfo &entry : module.getInfo().entries)
      names.push_back(entry.program.str());
    return names;
  }
  /// Starts from the interpreter's initial values.
  void initialise(CompiledModule &module) {
    auto interpreter = Interpreter::create(module.getFunctional());
    ASSERT_TRUE(mlir::succeeded(interpreter));
    interpreter->initialise(7);
    for (auto &[name, value] : interpreter->getStorage())
      module.getStorage()[name] = value;
  }
};

TEST_P(ProgramTest, AgreesWithTheInterpreter) {
  for (const Level &level : levels) {
    if (!canRun(level.cpu))
      continue;
    for (bool wide : {true, false}) {
      bool narrow = level.precision == "bf16";
      if (wide && narrow)
        continue;
      std::string cpu = level.cpu.str();
      CompileOptions options;
      options.cpu = cpu;
      options.precision = level.precision.str();
      options.floatType = wide ? "f64" : "f32";
      options.batch = 37;
      auto module = compile(options);
      ASSERT_TRUE(module);
      auto interpreter = Interpreter::create(module->getFunctional());
      ASSERT_TRUE(mlir::succeeded(interpreter));
      interpreter->initialise(7);
      for (auto &[name, value] : interpreter->getStorage())
        module->getStorage()[name] = value;
      module->workers = 3;
      // Two rounds: moments and counts carry over.
      for (int round = 0; round < 2; ++round)
        for (const std::string &program : getPrograms(*module))
          for (int64_t n : {1, 8, 20, 37}) {
            SCOPED_TRACE(cpu + " " + options.floatType + " " + program + " n " +
                         std::to_string(n));
            Arrays inputs = makeInputs(*module, program, n, 10 * round + n);
            module->counters = interpreter->getCounters();
            auto expected = interpreter->run(program, n, inputs);
            ASSERT_TRUE(mlir::succeeded(expected));
            int32_t status = -1;
            Arrays found = module->run(program, n, inputs, &status);
            EXPECT_EQ(status, PCX_RUN_OK);
            // An operand of bf16 that is near the middle of two may be rounded
            // to the other one, 2^-8 away.
            double tolerance = wide ? 1e-9 : narrow ? 1e-2 : 2e-3;
            for (auto &[name, value] : *expected)
              EXPECT_LE(difference(found.at(name), value), tolerance) << name;
            for (auto &[name, value] : interpreter->getStorage()) {
              EXPECT_LE(difference(module->getStorage().at(name), value),
                        tolerance)
                  << name;
              // Stay together: f32 errors must not add up over calls.
              if (!wide)
                module->getStorage()[name] = value;
            }
          }
    }
  }
}

TEST_P(ProgramTest, BitsDependOnNothingButTheSample) {
  for (const Level &level : levels) {
    if (!canRun(level.cpu))
      continue;
    CompileOptions options;
    options.cpu = level.cpu.str();
    options.precision = level.precision.str();
    options.batch = 37;
    auto module = compile(options);
    ASSERT_TRUE(module);
    options.sampleBlock = 8;
    auto small = compile(options);
    ASSERT_TRUE(small);
    initialise(*module);
    Arrays start = module->getStorage();
    for (const std::string &program : getPrograms(*module)) {
      Arrays inputs = makeInputs(*module, program, 37, 3);
      module->getStorage() = start;
      module->workers = 1;
      module->order = 0;
      Arrays expected = module->run(program, 37, inputs);
      Arrays expectedStorage = module->getStorage();
      for (uint32_t workers : {2, 3, 16}) {
        module->getStorage() = small->getStorage() = start;
        module->workers = small->workers = workers;
        module->order = small->order = workers;
        for (CompiledModule *other : {module.get(), small.get()}) {
          Arrays found = other->run(program, 37, inputs);
          for (auto &[name, value] : expected)
            EXPECT_EQ(found.at(name).data, value.data)
                << program << " " << name;
          for (auto &[name, value] : expectedStorage)
            EXPECT_EQ(other->getStorage().at(name).data, value.data)
                << program << " " << name;
        }
      }
      // A sample's own outputs do not depend on the samples behind it.
      module->getStorage() = start;
      Arrays few = module->run(program, 5, takeRows(inputs, 5));
      for (auto &[name, value] : few) {
        if (!isPerSample(*module, program, name))
          continue;
        Arrays first = takeRows({{name, expected.at(name)}}, 5);
        EXPECT_EQ(value.data, first.at(name).data) << program << " " << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, ProgramTest, testing::ValuesIn(cases),
                         [](const testing::TestParamInfo<Case> &info) {
                           return std::string(info.param.name);
                         });

// A sample that is no number never stops, and keeps the loop going for all; the
// others alone leave it once they have stopped, with the same bits. A loop that
// went on to its bound would not end in anyone's time.
TEST(ProgramTest, LeavesALoopThatNoSampleIsIn) {
  const char *source = R"(
pc.model @m {
  %x = pc.input @x : tensor<6xf32>
  %a = pc.linear @fc1 %x : tensor<6xf32> -> tensor<5xf32>
  %u = pc.tanh %a : tensor<5xf32>
  %h = pc.vode @h %u energy(se) : tensor<5xf32>
  %c = pc.linear @fc2 %h : tensor<5xf32> -> tensor<3xf32>
  %o = pc.vode @y %c energy(se) : tensor<3xf32>
}
pc.program @converge on @m (%x: tensor<6xf32>, %y: tensor<3xf32>) {
  %bound = pc.hyper "bound" default 20000.0
  %tolerance = arith.constant 1.0e-3 : f64
  pc.clamp @x = %x : tensor<6xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<3xf32>
  pc.repeat %bound max 1000000000000 {
    %p = pc.point
    %g = pc.gradient states at %p
    %norm = pc.norm %g : tensor<f32>
    pc.stop %norm below(%tolerance) : tensor<f32>
    pc.update %g sgd(lr = 0.1, momentum = 0.5)
  }
  %r = pc.read @h : tensor<5xf32>
  pc.output "h" = %r : tensor<5xf32>
})";
  if (!canRun("x86-64-v3"))
    GTEST_SKIP() << "this CPU cannot run x86-64-v3";
  CompileOptions options;
  options.batch = 16;
  std::string message;
  auto module = CompiledModule::create(source, options, message);
  ASSERT_TRUE(module) << message;
  uint32_t seed = 1;
  for (auto &[name, array] : module->getStorage())
    array = randomTensor(array.shape, seed++);
  constexpr int64_t n = 11, broken = 4;
  Arrays inputs = makeInputs(*module, "converge", n, 7);
  inputs.at("x").data[broken * 6] = NAN;
  module->getHypers()["bound"] = 20000;
  Tensor together = module->run("converge", n, inputs).at("h");
  module->getHypers()["bound"] = 1e12;
  for (int64_t sample = 0; sample < n; ++sample) {
    if (sample == broken)
      continue;
    SCOPED_TRACE(sample);
    Arrays own;
    for (auto &[name, tensor] : inputs) {
      int64_t row = tensor.size() / n;
      auto begin = tensor.data.begin() + sample * row;
      own[name] = Tensor({1, row}, std::vector<double>(begin, begin + row));
    }
    Tensor alone = module->run("converge", 1, own).at("h");
    for (int64_t k = 0; k < 5; ++k)
      EXPECT_EQ(alone.data[k], together.data[sample * 5 + k]);
  }
}

TEST(ProgramTest, RefusesBatchesOutOfRange) {
  CompileOptions options;
  options.algorithm = "pc";
  options.batch = 4;
  std::string message;
  auto module = CompiledModule::create(cases[0].source, options, message);
  ASSERT_TRUE(module) << message;
  for (int64_t n : {0, 5}) {
    int32_t status = -1;
    module->run("evaluate", n, makeInputs(*module, "evaluate", n, 1), &status);
    EXPECT_EQ(status, PCX_RUN_BAD_BATCH);
  }
}

// Layers whose operands leave the second-level cache: long sums come in parts,
// the operands of weight gradients are copied, and the numbers of rows, columns
// and terms are no multiples of anything.
TEST(LargeLayerTest, AgreesWithTheInterpreter) {
  const char *source = R"(
pc.model @m {
  %x = pc.input @x : tensor<1030xf32>
  %a = pc.linear @fc1 %x : tensor<1030xf32> -> tensor<268xf32>
  %h = pc.vode @h1 %a energy(se) : tensor<268xf32>
  %b = pc.linear @fc2 %h : tensor<268xf32> -> tensor<5xf32>
  %o = pc.vode @y %b energy(se) : tensor<5xf32>
}
pc.program @train on @m (%x: tensor<1030xf32>, %y: tensor<5xf32>) {
  pc.clamp @x = %x : tensor<1030xf32>
  pc.init normal(0.1)
  pc.clamp @y = %y : tensor<5xf32>
  pc.repeat 2 { pc.infer sgd(lr = 0.05) }
  pc.learn adam(lr = 0.01)
})";
  for (const char *cpu : {"x86-64-v3", "x86-64-v4"}) {
    if (!canRun(cpu))
      continue;
    for (const char *type : {"f64", "f32"}) {
      SCOPED_TRACE(std::string(cpu) + " " + type);
      CompileOptions options;
      options.cpu = cpu;
      options.floatType = type;
      options.batch = 37;
      options.sampleBlock = 64;
      std::string message;
      auto module = CompiledModule::create(source, options, message);
      ASSERT_TRUE(module) << message;
      options.sampleBlock = 8;
      auto small = CompiledModule::create(source, options, message);
      ASSERT_TRUE(small) << message;
      auto interpreter = Interpreter::create(module->getFunctional());
      ASSERT_TRUE(mlir::succeeded(interpreter));
      interpreter->initialise(7);
      module->getStorage() = small->getStorage() = interpreter->getStorage();
      small->workers = 3;
      module->counters = small->counters = interpreter->getCounters();
      Arrays inputs = makeInputs(*module, "train", 37, 3);
      ASSERT_TRUE(mlir::succeeded(interpreter->run("train", 37, inputs)));
      module->run("train", 37, inputs);
      small->run("train", 37, inputs);
      for (auto &[name, value] : interpreter->getStorage()) {
        const Tensor &found = module->getStorage().at(name);
        EXPECT_LE(difference(found, value),
                  std::string(type) == "f64" ? 1e-9 : 2e-3)
            << name;
        EXPECT_EQ(small->getStorage().at(name).data, found.data) << name;
      }
    }
  }
}

} // namespace
