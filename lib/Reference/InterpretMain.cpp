//===- InterpretMain.cpp - What pc-interpret does -------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Reference/InterpretMain.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Pipelines/Pipelines.h"
#include "pc/Reference/Interpreter.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/WithColor.h"

using namespace mlir;
using namespace pc;
using namespace pc::reference;
namespace cl = llvm::cl;
namespace data = pcx::data;

//===----------------------------------------------------------------------===//
// Command line
//===----------------------------------------------------------------------===//

namespace {
struct Flags {
  cl::OptionCategory category{"pc-interpret options"};
  cl::opt<std::string> file{cl::Positional, cl::desc("<file.pcir or .mlir>"),
                            cl::init("-"), cl::cat(category)};
  cl::opt<std::string> program{
      "program", cl::desc("The program to run (train)"), cl::value_desc("name"),
      cl::init("train"), cl::cat(category)};
  cl::opt<int64_t> samples{
      "n", cl::desc("Samples of a call; the rows of the inputs if absent"),
      cl::init(0), cl::cat(category)};
  cl::opt<unsigned> calls{
      "calls",
      cl::desc("Calls of the program (1). Inputs with enough rows give each "
               "call its own"),
      cl::init(1), cl::cat(category)};
  cl::list<std::string> inputs{
      "input", cl::desc("An input: a .npy file, or an array of a .npz file"),
      cl::value_desc("name=file[:array]"), cl::cat(category)};
  cl::list<std::string> params{
      "params", cl::desc("Persistent arrays by name, from a .npz file"),
      cl::value_desc("file.npz"), cl::cat(category)};
  cl::list<std::string> set{"set", cl::desc("Set a hyper-parameter"),
                            cl::value_desc("name=value"), cl::cat(category)};
  cl::opt<uint64_t> seed{"seed", cl::desc("Key of the random numbers (0)"),
                         cl::init(0), cl::cat(category)};
  cl::opt<double> totalSteps{"total-steps",
                             cl::desc("Weight steps of the whole run (0)"),
                             cl::init(0), cl::cat(category)};
  cl::opt<double> epoch{"epoch", cl::desc("Position in the run (0)"),
                        cl::init(0), cl::cat(category)};
  cl::opt<std::string> output{
      "o", cl::desc("Write the outputs of the last call to a .npz file"),
      cl::value_desc("file.npz"), cl::cat(category)};
  cl::opt<std::string> saveParams{
      "save-params",
      cl::desc("Write the persistent arrays after the last call"),
      cl::value_desc("file.npz"), cl::cat(category)};
  cl::opt<bool> round{"round",
                      cl::desc("Round every f32 result to single precision"),
                      cl::cat(category)};
  cl::opt<std::string> phase{
      "phase",
      cl::desc("Phase of a .pcir file to interpret: functional (default), "
               "simplified or scheduled"),
      cl::init("functional"), cl::cat(category)};
  cl::list<std::string> define{"D", cl::Prefix,
                               cl::desc("Set a parameter of the model"),
                               cl::value_desc("name=value"), cl::cat(category)};
  cl::opt<std::string> floatType{
      "float", cl::desc("Element type: f32 or f64; as written if absent"),
      cl::cat(category)};
  cl::opt<std::string> algorithm{
      "algorithm",
      cl::desc("Standard programs for a model without any: pc, ipc or bp"),
      cl::cat(category)};
  cl::opt<int64_t> steps{"steps",
                         cl::desc("Inference steps of the standard programs"),
                         cl::init(0), cl::cat(category)};
  cl::opt<int64_t> sampleBlock{
      "sample-block", cl::desc("Samples of a block of the scheduled phase"),
      cl::init(0), cl::cat(category)};
  cl::opt<bool> trace{
      "trace",
      cl::desc("Keep every step's states, gradients and energies as outputs"),
      cl::cat(category)};
};
} // namespace

/// Reports a user's mistake.
static LogicalResult fail(const Twine &message) {
  llvm::WithColor::error(llvm::errs(), "pc-interpret") << message << "\n";
  return failure();
}

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

static FailureOr<Tensor> toTensor(const data::Result<data::Array> &array) {
  if (!array)
    return fail(array.error().message);
  if (array->dtype == data::DType::Text)
    return fail("expected an array of numbers, found text");
  Tensor tensor(array->dims, {});
  for (int64_t i = 0, e = array->elements(); i < e; ++i)
    tensor.data.push_back(array->at(i));
  return tensor;
}

/// Reads "file.npy" or "file.npz:array".
static FailureOr<Tensor> readArray(StringRef where) {
  size_t end = where.rfind(".npz:");
  if (end == StringRef::npos)
    return toTensor(data::readNpy(where.str()));
  auto npz = data::NpzFile::open(where.take_front(end + 4).str());
  if (!npz)
    return fail(npz.error().message);
  return toTensor(npz->read(where.drop_front(end + 5).str()));
}

static LogicalResult writeArrays(const std::string &path,
                                 const Interpreter::Arrays &arrays) {
  std::vector<std::pair<std::string, data::Array>> converted;
  for (const auto &[name, tensor] : arrays)
    converted.emplace_back(
        name, data::Array::of(tensor.shape, std::span(tensor.data)));
  std::vector<std::pair<std::string, const data::Array *>> entries;
  for (const auto &[name, array] : converted)
    entries.emplace_back(name, &array);
  if (auto written = data::writeNpz(path, entries); !written)
    return fail(written.error().message);
  return success();
}

/// "energy: 0.25", "prediction: 2x2 [1, 2, 3, 4]".
static void printArrays(const Interpreter::Arrays &arrays) {
  constexpr int64_t most = 64;
  for (const auto &[name, tensor] : arrays) {
    llvm::outs() << name << ":";
    if (!tensor.shape.empty())
      llvm::outs() << " " << formatShape(tensor.shape) << " [";
    for (int64_t i = 0, e = std::min(tensor.size(), most); i < e; ++i)
      llvm::outs() << (i                      ? ", "
                       : tensor.shape.empty() ? " "
                                              : "")
                   << llvm::format("%.9g", tensor.data[i]);
    if (!tensor.shape.empty())
      llvm::outs() << (tensor.size() > most ? ", ...]" : "]");
    llvm::outs() << "\n";
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Brings a file with programs to the phase that is asked for; functional
/// programs stay as they are.
static LogicalResult lower(ModuleOp module, const Flags &flags) {
  if (module.getOps<ProgramOp>().empty() && module.getOps<ModelOp>().empty())
    return success();
  std::optional<Phase> phase = symbolizePhase(flags.phase);
  if (!phase || *phase < Phase::Functional || *phase > Phase::Scheduled)
    return fail(
        "expected --phase=functional, simplified or scheduled, found '" +
        flags.phase + "'");
  PipelineOptions options;
  for (const std::string &definition : flags.define)
    options.define.push_back(definition);
  options.floatType = flags.floatType.getValue();
  options.algorithm = flags.algorithm.getValue();
  options.steps = flags.steps.getValue();
  options.trace = flags.trace.getValue();
  options.sampleBlock = flags.sampleBlock.getValue();
  PassManager passes(module.getContext());
  for (const PhaseInfo &info : getPhases())
    if (info.phase <= *phase)
      buildPhase(passes, info.phase, options);
  return passes.run(module);
}

/// Splits "name=value".
static FailureOr<std::pair<StringRef, StringRef>> splitSetting(StringRef text,
                                                               StringRef flag) {
  auto [name, value] = text.split('=');
  if (name.empty() || value.empty())
    return fail("expected --" + flag + " name=value, found '" + text + "'");
  return std::pair(name, value);
}

/// Rows [first, first + n) of an array.
static Tensor takeRows(const Tensor &all, int64_t first, int64_t n) {
  Tensor part(all.shape, {});
  part.shape[0] = n;
  int64_t width = all.size() / all.shape[0];
  part.data.assign(all.data.begin() + first * width,
                   all.data.begin() + (first + n) * width);
  return part;
}

static LogicalResult interpret(ModuleOp module, const Flags &flags) {
  if (failed(lower(module, flags)))
    return failure();
  Options options;
  options.roundToElementType = flags.round;
  FailureOr<Interpreter> interpreter = Interpreter::create(module, options);
  if (failed(interpreter))
    return failure();
  interpreter->initialise(flags.seed);
  interpreter->getCounters().totalSteps = flags.totalSteps;
  interpreter->getCounters().epoch = flags.epoch;

  for (const std::string &path : flags.params) {
    auto npz = data::NpzFile::open(path);
    if (!npz)
      return fail(npz.error().message);
    for (const std::string &name : npz->names()) {
      FailureOr<Tensor> tensor = toTensor(npz->read(name));
      if (failed(tensor) ||
          failed(interpreter->setStorage(name, std::move(*tensor))))
        return failure();
    }
  }
  for (const std::string &setting : flags.set) {
    auto parts = splitSetting(setting, "set");
    if (failed(parts))
      return failure();
    std::optional<double> value = data::parseNumber(parts->second.str());
    if (!value)
      return fail("expected a number for '" + parts->first + "', found '" +
                  parts->second + "'");
    if (failed(interpreter->setHyper(parts->first, *value)))
      return failure();
  }

  Interpreter::Arrays inputs;
  int64_t n = flags.samples;
  for (const std::string &input : flags.inputs) {
    auto parts = splitSetting(input, "input");
    if (failed(parts))
      return failure();
    FailureOr<Tensor> tensor = readArray(parts->second);
    if (failed(tensor))
      return failure();
    if (tensor->shape.empty() || tensor->shape[0] == 0)
      return fail("input '" + parts->first + "' has no rows");
    if (n == 0)
      n = tensor->shape[0] / std::max(1u, unsigned(flags.calls));
    inputs[parts->first.str()] = std::move(*tensor);
  }
  n = std::max<int64_t>(n, 1);

  Interpreter::Arrays outputs;
  for (int64_t call = 0; call < flags.calls; ++call) {
    Interpreter::Arrays batch;
    for (const auto &[name, tensor] : inputs)
      batch[name] = tensor.shape[0] >= flags.calls * n
                        ? takeRows(tensor, call * n, n)
                        : tensor;
    FailureOr<Interpreter::Arrays> results =
        interpreter->run(flags.program, n, batch);
    if (failed(results))
      return failure();
    outputs = std::move(*results);
  }
  if (flags.output.empty())
    printArrays(outputs);
  else if (failed(writeArrays(flags.output, outputs)))
    return failure();
  if (!flags.saveParams.empty())
    return writeArrays(flags.saveParams, interpreter->getStorage());
  return success();
}

int reference::runInterpret(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Flags flags;
  cl::HideUnrelatedOptions(flags.category);
  cl::ParseCommandLineOptions(
      argc, argv, "Runs programs on the reference interpreter, in double\n");

  std::string message;
  auto buffer = openInputFile(flags.file, &message);
  if (!buffer) {
    (void)fail(message);
    return 1;
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  DialectRegistry registry;
  registry.insert<PCDialect, arith::ArithDialect, func::FuncDialect,
                  linalg::LinalgDialect, math::MathDialect, scf::SCFDialect,
                  tensor::TensorDialect>();
  registerScalarDifferentiableModels(registry);
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  SourceMgrDiagnosticHandler handler(sources, &context);
  auto module = parseSourceFile<ModuleOp>(sources, &context);
  return module && succeeded(interpret(*module, flags)) ? 0 : 1;
}
