//===- Driver.cpp - What pcc does -----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Driver/Driver.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Support/Timing.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "mlir/Transforms/Passes.h"
#include "pc/Artifact/Artifact.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Codegen/EntryInfo.h"
#include "pc/Codegen/GPU/Passes.h"
#include "pc/Codegen/GPU/Serialize.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Driver/Dot.h"
#include "pc/Driver/Work.h"
#include "pc/Pipelines/Passes.h"
#include "pc/Pipelines/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include <cmath>

using namespace mlir;
using namespace pc;
namespace cl = llvm::cl;

void pc::registerDialects(DialectRegistry &registry) {
  registry.insert<PCDialect, arith::ArithDialect, func::FuncDialect,
                  gpu::GPUDialect, linalg::LinalgDialect, LLVM::LLVMDialect,
                  math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect,
                  tensor::TensorDialect, vector::VectorDialect>();
  func::registerInlinerExtension(registry);
  registerScalarDifferentiableModels(registry);
}

void pc::registerPasses() {
  registerPCPasses();
  registerPCCPUPasses();
  registerPCGPUPasses();
  registerPCPipelinePasses();
  registerPipelines();
}

//===----------------------------------------------------------------------===//
// Command line
//===----------------------------------------------------------------------===//

namespace {
/// What pcc writes.
enum class EmitKind {
  PCIR,
  MLIR,
  Dot,
  Work,
  LLVMIR,
  Assembly,
  PTX,
  Object,
  Artifact
};

/// True for what shows the programs before they are scheduled.
static bool showsPrograms(EmitKind kind) {
  return kind == EmitKind::Dot || kind == EmitKind::Work;
}

/// What --without takes, and what of PipelineOptions it switches off.
struct Technique {
  const char *name, *what;
  decltype(PipelineOptions::hoist) PipelineOptions::*used;
};
const Technique kTechniques[] = {
    {"hoist", "what inference steps have in common, moved out",
     &PipelineOptions::hoist},
    {"peel-front", "first steps, which errors have not reached, on their own",
     &PipelineOptions::peelFront},
    {"peel-last", "a last step, of which something is not read, on its own",
     &PipelineOptions::peelLast},
    {"pack", "weights in panels", &PipelineOptions::pack},
    {"fuse", "several operations in a kernel", &PipelineOptions::fuse},
};

/// An index into kTechniques, as an option's value and the list of all.
enum class TechniqueIndex : unsigned {};
struct TechniqueValues {
  template <typename Option>
  void apply(Option &option) const {
    for (auto [index, technique] : llvm::enumerate(kTechniques))
      option.getParser().addLiteralOption(
          technique.name, static_cast<TechniqueIndex>(index), technique.what);
  }
};

/// What the command line says. A copy, because running lld in this process puts
/// every registered option back to its default.
struct Options {
  std::string input;
  std::string output;
  std::string compileTo;
  std::string dumpPhases;
  EmitKind emit = EmitKind::Artifact;
  std::string machine;
  bool bytecode = false;
  int64_t batch = 128;
  std::vector<std::string> define;
  std::string floatType;
  std::string precision = "f32";
  std::string algorithm;
  /// Of standard programs; those of --algorithm if absent.
  std::optional<int64_t> steps;
  unsigned optLevel = 3;
  std::vector<std::string> cpus;
  std::vector<std::string> targets;
  std::vector<std::string> gpuArchs;
  bool cubins = false;
  std::string strategy = "auto";
  int64_t sampleBlock = 0;
  uint64_t cacheBytes = 0;
  bool eliminate = true;
  std::vector<TechniqueIndex> without;
  bool trace = false;
  bool analysis = false;
  bool profile = false;
  bool debugInfo = false;
  bool remarks = false;
  bool printPlan = false;
  bool verifyDiagnostics = false;
  std::vector<std::string> dialectPlugins;
  std::vector<std::string> passPlugins;
  std::vector<std::string> passAfter;
};

/// The options as LLVM's command line library parses them.
struct CommandLine {
  cl::OptionCategory category{"pcc options"};

  cl::opt<std::string> input{cl::Positional, cl::desc("<file.pcir>"),
                             cl::init("-"), cl::cat(category)};
  cl::opt<std::string> output{
      "o",
      cl::desc("Output file; the input's name with another ending if "
               "absent, - for standard output"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<std::string> compileTo{
      "compile-to",
      cl::desc("Stop after a phase and print the IR: input, model, functional, "
               "simplified, scheduled, cpu (gpu for devices), llvm, ptx "
               "(for devices), artifact"),
      cl::value_desc("phase"), cl::cat(category)};
  cl::opt<std::string> dumpPhases{
      "dump-phases-to",
      cl::desc("Write the IR after each phase to files in a folder"),
      cl::value_desc("folder"), cl::cat(category)};
  cl::opt<EmitKind> emit{
      "emit", cl::desc("What to write"),
      cl::values(
          clEnumValN(EmitKind::PCIR, "pcir", "the parsed input"),
          clEnumValN(EmitKind::MLIR, "mlir",
                     "MLIR after --compile-to (the llvm phase if "
                     "absent)"),
          clEnumValN(EmitKind::Dot, "dot",
                     "a Graphviz picture of the models, and of what "
                     "elimination removed from each program"),
          clEnumValN(EmitKind::Work, "work",
                     "FLOPs and bytes by statement, step and vode, before and "
                     "after elimination, and the predicted time on --machine; "
                     "as JSON if the output's name ends in .json"),
          clEnumValN(EmitKind::LLVMIR, "llvm-ir", "optimised LLVM IR"),
          clEnumValN(EmitKind::Assembly, "asm", "assembly"),
          clEnumValN(EmitKind::PTX, "ptx",
                     "kernels for the first of --gpu-arch, as PTX"),
          clEnumValN(EmitKind::Object, "obj", "an ELF object"),
          clEnumValN(EmitKind::Artifact, "pcx", "an artifact (default)")),
      cl::init(EmitKind::Artifact), cl::cat(category)};
  cl::opt<std::string> machine{
      "machine",
      cl::desc("The machine that --emit=work predicts for: gflops of a core "
               "(100), bandwidth in GB/s (20), cores (1)"),
      cl::value_desc("gflops=G,bandwidth=B,cores=N"), cl::cat(category)};
  cl::opt<bool> bytecode{"emit-bytecode", cl::desc("Write MLIR as bytecode"),
                         cl::cat(category)};

  cl::opt<int64_t> batch{"batch",
                         cl::desc("Largest number of samples of a call; any "
                                  "smaller number runs (128)"),
                         cl::init(128), cl::cat(category)};
  cl::list<std::string> define{"D", cl::Prefix,
                               cl::desc("Set a constant of the model"),
                               cl::value_desc("name=value"), cl::cat(category)};
  cl::opt<std::string> floatType{
      "float", cl::desc("Element type: f32 or f64; as written if absent"),
      cl::cat(category)};
  cl::opt<std::string> precision{
      "precision",
      cl::desc(
          "Operands of matrix products: f32 (default), or rounded to bf16 "
          "or, on GPUs, to tf32, with sums and all arrays in f32; on a CPU "
          "bf16 needs AMX or AVX-512 BF16"),
      cl::init("f32"), cl::cat(category)};
  cl::opt<std::string> algorithm{
      "algorithm",
      cl::desc("Standard programs for a model without any: pc, ipc, bp, "
               "zil, epc, pn, nn or cn"),
      cl::cat(category)};
  cl::opt<int64_t> steps{"steps",
                         cl::desc("Inference steps of the standard programs"),
                         cl::init(0), cl::cat(category)};
  cl::opt<unsigned> optLevel{"O", cl::Prefix,
                             cl::desc("Optimisation level, 0 to 3 (3)"),
                             cl::init(3), cl::cat(category)};
  cl::list<std::string> cpus{
      "mcpu", cl::CommaSeparated,
      cl::desc("CPUs to compile for: native (default), x86-64-v3, x86-64-v4, "
               "or a name that LLVM knows; several make one artifact that "
               "picks at load"),
      cl::cat(category)};
  cl::list<std::string> targets{
      "target", cl::CommaSeparated,
      cl::desc("What the artifact runs on: cpu (default), cuda, or both"),
      cl::value_desc("target"), cl::cat(category)};
  cl::list<std::string> gpuArchs{
      "gpu-arch", cl::CommaSeparated,
      cl::desc("GPU architectures to write kernels for: sm_80, sm_90, ... "
               "(sm_80, sm_86, sm_90), and sim for the simulated device"),
      cl::value_desc("arch"), cl::cat(category)};
  cl::opt<bool> cubins{
      "gpu-cubins",
      cl::desc("Add machine code for each --gpu-arch, by ptxas: it need not be "
               "compiled when the artifact is loaded"),
      cl::cat(category)};
  cl::opt<std::string> strategy{
      "gpu-strategy",
      cl::desc(
          "How programs run on a GPU: persistent (one kernel), graph (a "
          "kernel for each group of operations) or auto (default), which a "
          "cost model chooses"),
      cl::init("auto"), cl::cat(category)};
  cl::opt<int64_t> sampleBlock{"sample-block",
                               cl::desc("Samples of a block; chosen if absent"),
                               cl::init(0), cl::cat(category)};
  cl::opt<uint64_t> cacheBytes{
      "cache-bytes",
      cl::desc("Cache of one core that a block of samples should fit into, for "
               "that choice; if absent, the CPU's second level"),
      cl::init(0), cl::cat(category)};
  cl::opt<bool> eliminate{
      "eliminate",
      cl::desc("Peel the inference steps that exact elimination shortens (on)"),
      cl::init(true), cl::cat(category)};
  cl::list<TechniqueIndex> without{
      "without",
      cl::desc("Leave out, to measure what it gains; results are the same:"),
      TechniqueValues(), cl::CommaSeparated, cl::cat(category)};
  cl::opt<bool> trace{
      "trace",
      cl::desc("Keep every inference step's states, errors, gradients and "
               "energies as "
               "outputs <vode>.h.<t>, <vode>.error.<t>, <vode>.grad.<t>, "
               "<vode>.energy.<t>"),
      cl::cat(category)};
  cl::opt<bool> analysis{
      "analysis",
      cl::desc("Add the programs that pcx-run analyse runs; pcx-run train then "
               "warns of an inference rate that is not stable"),
      cl::cat(category)};
  cl::opt<bool> profile{
      "profile",
      cl::desc("Have the code tell the time around every kernel, for pcx-run "
               "--profile and --trace"),
      cl::cat(category)};
  cl::opt<bool> debugInfo{
      "g", cl::desc("Line tables that point into the .pcir file"),
      cl::cat(category)};
  cl::opt<bool> remarks{"remarks",
                        cl::desc("Say what was removed or chosen, and why"),
                        cl::cat(category)};
  cl::opt<bool> printPlan{
      "print-plan", cl::desc("Print buffers and peak bytes of each program"),
      cl::cat(category)};
  cl::opt<bool> verifyDiagnostics{
      "verify-diagnostics",
      cl::desc("Check diagnostics against expected-* comments"),
      cl::cat(category)};
  cl::list<std::string> dialectPlugins{
      "load-dialect-plugin", cl::desc("Load a dialect from a shared object"),
      cl::value_desc("file.so"), cl::cat(category)};
  cl::list<std::string> passPlugins{
      "load-pass-plugin",
      cl::desc("Load passes from a shared object; --pass-after adds them"),
      cl::value_desc("file.so"), cl::cat(category)};
  cl::list<std::string> passAfter{
      "pass-after",
      cl::desc("Run passes at the end of a phase, e.g. --pass-after="
               "'simplified:cse,func.func(canonicalize)'"),
      cl::value_desc("phase:pipeline"), cl::cat(category)};

  /// The parsed values.
  Options get() const {
    Options values;
    values.input = input;
    values.output = output;
    values.compileTo = compileTo;
    values.dumpPhases = dumpPhases;
    values.emit = emit;
    values.machine = machine;
    values.bytecode = bytecode;
    values.batch = batch;
    values.define.assign(define.begin(), define.end());
    values.floatType = floatType;
    values.precision = precision;
    values.algorithm = algorithm;
    if (steps.getNumOccurrences() > 0)
      values.steps = steps;
    values.optLevel = optLevel;
    values.cpus.assign(cpus.begin(), cpus.end());
    values.targets.assign(targets.begin(), targets.end());
    values.gpuArchs.assign(gpuArchs.begin(), gpuArchs.end());
    values.cubins = cubins;
    values.strategy = strategy;
    values.sampleBlock = sampleBlock;
    values.cacheBytes = cacheBytes;
    values.eliminate = eliminate;
    values.without.assign(without.begin(), without.end());
    values.trace = trace;
    values.analysis = analysis;
    values.profile = profile;
    values.debugInfo = debugInfo;
    values.remarks = remarks;
    values.printPlan = printPlan;
    values.verifyDiagnostics = verifyDiagnostics;
    values.dialectPlugins.assign(dialectPlugins.begin(), dialectPlugins.end());
    values.passPlugins.assign(passPlugins.begin(), passPlugins.end());
    values.passAfter.assign(passAfter.begin(), passAfter.end());
    return values;
  }
};
} // namespace

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

namespace {
/// What runs on devices of which a block can have so much shared memory: the
/// launches of all programs, and kernels for each architecture.
struct DevicePlan {
  explicit DevicePlan(int64_t sharedBytes) : sharedBytes(sharedBytes) {}

  int64_t sharedBytes;
  /// None for the simulated device alone.
  SmallVector<GPUTarget> gpus;
  std::string strategy;

  /// The oldest architecture.
  std::string getName() const {
    return gpus.empty() ? "sim" : gpus.front().getName();
  }
  std::string getArchs() const {
    return gpus.empty() ? "sim"
                        : llvm::join(llvm::map_range(gpus,
                                                     [](const auto &gpu) {
                                                       return gpu.getName();
                                                     }),
                                     ", ");
  }
};

/// One run of the compiler.
class Driver {
public:
  explicit Driver(Options options) : options(std::move(options)) {}
  LogicalResult run();

private:
  LogicalResult checkOptions();
  LogicalResult loadPlugins(DialectRegistry &registry);
  LogicalResult parsePassAfter();
  LogicalResult compile(MLIRContext &context, llvm::SourceMgr &sources);
  LogicalResult checkTargets();
  void makePlans(SmallVector<GPUTarget> gpus);
  LogicalResult runPhase(ModuleOp module, Phase phase, TimingScope &timing,
                         const DevicePlan *plan = nullptr);
  LogicalResult chooseStrategies(ModuleOp module, TimingScope &timing);
  FailureOr<DevicePlanWork> chooseStrategy(ModuleOp module, DevicePlan &plan);
  LogicalResult runTarget(ModuleOp module, StringRef target,
                          TimingScope &timing,
                          const DevicePlan *plan = nullptr);
  LogicalResult compileForDevices(OwningOpRef<ModuleOp> simplified,
                                  OwningOpRef<ModuleOp> &module,
                                  TimingScope &timing);
  LogicalResult serialize(ArrayRef<OwningOpRef<ModuleOp>> modules,
                          TimingScope &timing);
  LogicalResult writeModule(ModuleOp module, StringRef path);
  LogicalResult emitObject(ModuleOp module, StringRef source,
                           TimingScope &timing);
  std::string getDumpPath(Phase phase, StringRef extension) const;
  std::string getDumpPath(Phase phase, const DevicePlan *plan) const;
  void printPlan(ModuleOp module);
  std::string getOutput(StringRef extension);
  bool error(const Twine &message) {
    llvm::errs() << "pcc: error: " << message << "\n";
    return false;
  }

  Options options;
  /// --pass-after: pipelines on the module, in the order of the command line.
  SmallVector<std::pair<Phase, OpPassManager>> passAfter;
  PipelineOptions pipeline;
  DotWriter dot;
  /// With --emit=work.
  std::optional<WorkReport> work;
  Phase last = Phase::Artifact;
  /// What the artifact runs on.
  bool forCPU = true, forDevice = false;
  SmallVector<DevicePlan> plans;
  bool forSimulator = false;
  /// ptxas, with --gpu-cubins.
  std::string assembler;
  /// Kernels of programs for devices.
  std::vector<artifact::Image> images;
};
} // namespace

LogicalResult Driver::checkTargets() {
  if (!options.targets.empty())
    forCPU = false;
  for (const std::string &target : options.targets) {
    if ((forCPU && target == "cpu") || (forDevice && target == "cuda"))
      return success(error("--target names '" + target + "' twice"));
    forCPU |= target == "cpu";
    forDevice |= target == "cuda";
    if (target != "cpu" && target != "cuda")
      return success(error("--target takes cpu, cuda or cpu,cuda, found '" +
                           target + "'"));
  }
  if (!forDevice) {
    if (!options.gpuArchs.empty())
      return success(error("--gpu-arch is for --target=cuda"));
    if (options.cubins)
      return success(error("--gpu-cubins is for --target=cuda"));
    if (options.strategy != "auto")
      return success(error("--gpu-strategy is for --target=cuda"));
  }
  SmallVector<GPUTarget> gpus;
  for (auto [index, arch] : llvm::enumerate(options.gpuArchs)) {
    if (llvm::is_contained(ArrayRef(options.gpuArchs).take_front(index), arch))
      return success(error("--gpu-arch names '" + arch + "' twice"));
    if (arch == "sim") {
      forSimulator = true;
      continue;
    }
    std::optional<GPUTarget> gpu = GPUTarget::parse(arch);
    if (!gpu) {
      SmallVector<std::string> names = GPUTarget::getNames();
      return success(error("--gpu-arch: unknown GPU architecture '" + arch +
                           "', expected one of " + llvm::join(names, ", ") +
                           suggest(arch, names)));
    }
    gpus.push_back(*gpu);
  }
  // One of each amount of shared memory: others run the code for them.
  if (options.gpuArchs.empty())
    for (StringRef arch : {"sm_80", "sm_86", "sm_90"})
      gpus.push_back(*GPUTarget::parse(arch));
  if (options.cubins && gpus.empty())
    return success(error("--gpu-cubins is for GPUs, and --gpu-arch names only "
                         "the simulated device, which has no machine code; "
                         "leave it out, or name a GPU's architecture, such as "
                         "sm_90"));
  if (options.cubins) {
    assembler = findAssembler();
    if (assembler.empty())
      return success(error("--gpu-cubins needs ptxas, which is neither in "
                           "CUDA_HOME, CUDA_PATH or PATH nor in "
                           "/usr/local/cuda; "
                           "install the CUDA toolkit, or leave it out: PTX is "
                           "compiled when the artifact is loaded"));
  }
  if (last == Phase::PTX && gpus.empty())
    return success(error("--gpu-arch names no architecture to write PTX for"));
  if (options.strategy != "auto" && options.strategy != "persistent" &&
      options.strategy != "graph")
    return success(error("--gpu-strategy takes auto, persistent or graph, "
                         "found '" +
                         options.strategy + "'"));
  // A kernel for each group has all samples.
  if (options.strategy == "graph" && options.sampleBlock)
    return success(error("--sample-block is for --gpu-strategy=persistent; "
                         "leave it out, or name that"));
  if (options.strategy == "auto" && options.sampleBlock && forDevice)
    options.strategy = "persistent";
  if (forDevice)
    makePlans(std::move(gpus));
  if (!forDevice && options.precision == "tf32")
    return success(error("--precision=tf32 is for --target=cuda: no CPU has "
                         "products of TF32"));
  bool looks = last > Phase::Simplified && last < Phase::Artifact;
  if (forCPU && forDevice && looks)
    return success(error("--compile-to=" + Twine(stringifyPhase(last)) +
                         " shows the code for one target; name one with "
                         "--target"));
  StringRef target = forCPU ? "cpu" : "cuda";
  if (!isPhaseOf(last, target))
    return success(error("there is no phase " + Twine(stringifyPhase(last)) +
                         " on the way to --target=" + target));
  return success();
}

/// A plan for each amount of shared memory, in the order of the command line.
void Driver::makePlans(SmallVector<GPUTarget> gpus) {
  for (GPUTarget &gpu : gpus) {
    DevicePlan *plan = llvm::find_if(plans, [&](const DevicePlan &other) {
      return other.sharedBytes == gpu.sharedBytes;
    });
    if (plan == plans.end())
      plan = &plans.emplace_back(gpu.sharedBytes);
    plan->gpus.push_back(std::move(gpu));
  }
  // The simulated device runs all plans, or has what sm_90 has.
  if (plans.empty())
    plans.emplace_back(GPUTarget::parse("sm_90")->sharedBytes);
  if (options.strategy != "auto")
    for (DevicePlan &plan : plans)
      plan.strategy = options.strategy;
}

LogicalResult Driver::checkOptions() {
  if (!options.compileTo.empty()) {
    std::optional<Phase> phase = symbolizePhase(options.compileTo);
    if (!phase) {
      std::string message = "unknown phase '" + options.compileTo +
                            "' after --compile-to, expected one of ";
      SmallVector<StringRef> names;
      for (const PhaseInfo &info : getPhases())
        names.push_back(info.name);
      return success(error(message + llvm::join(names, ", ") +
                           suggest(options.compileTo, names)));
    }
    last = *phase;
  }
  if (options.emit == EmitKind::PCIR)
    last = Phase::Input;
  else if (showsPrograms(options.emit) &&
           (options.compileTo.empty() || last > Phase::Simplified))
    last = Phase::Simplified;
  else if (options.emit == EmitKind::MLIR && options.compileTo.empty())
    last = Phase::LLVM;
  else if (options.emit != EmitKind::MLIR && !showsPrograms(options.emit) &&
           options.emit != EmitKind::Artifact && !options.compileTo.empty() &&
           last != Phase::Artifact)
    return success(error("--compile-to=" + Twine(stringifyPhase(last)) +
                         " stops before there is anything to emit; use "
                         "--emit=mlir or leave one of them out"));
  if (options.emit == EmitKind::PTX)
    last = Phase::PTX;
  if (failed(checkTargets()))
    return failure();
  if (!options.machine.empty() && options.emit != EmitKind::Work)
    return success(error("--machine is for --emit=work"));
  if (options.emit == EmitKind::Work) {
    if (last < Phase::Functional)
      return success(error("--compile-to=" + Twine(stringifyPhase(last)) +
                           " stops before there is work to count"));
    std::string message;
    std::optional<Machine> machine = Machine::parse(options.machine, message);
    if (!machine)
      return success(error("--machine: " + message));
    work.emplace(options.batch, *machine);
  }
  constexpr int64_t mostSamples = std::numeric_limits<int32_t>::max();
  if (options.batch < 1 || options.batch > mostSamples)
    return success(error("--batch takes 1 to " + Twine(mostSamples) +
                         ", found " + Twine(options.batch)));
  if (options.steps && *options.steps < 1)
    return success(
        error("--steps must be at least 1, found " + Twine(*options.steps)));
  if (options.optLevel > 3)
    return success(error("-O takes 0 to 3, found " + Twine(options.optLevel)));
  if (options.sampleBlock < 0)
    return success(error("--sample-block must not be negative"));
  const std::string &element = options.floatType;
  if (!element.empty() && element != "f32" && element != "f64")
    return success(error("--float takes f32 or f64, found '" + element + "'"));
  if (options.precision != "f32" && options.precision != "tf32" &&
      options.precision != "bf16")
    return success(error("--precision takes f32, tf32 or bf16, found '" +
                         options.precision + "'"));
  for (const std::string &definition : options.define)
    pipeline.define.push_back(definition);
  pipeline.floatType = options.floatType;
  pipeline.precision = options.precision;
  pipeline.algorithm = options.algorithm;
  pipeline.steps = options.steps.value_or(0);
  pipeline.trace = options.trace;
  pipeline.analysis = options.analysis;
  pipeline.profile = options.profile;
  pipeline.eliminate = options.eliminate;
  for (TechniqueIndex technique : options.without)
    pipeline.*kTechniques[static_cast<unsigned>(technique)].used = false;
  pipeline.batch = options.batch;
  pipeline.sampleBlock = options.sampleBlock;
  pipeline.cacheBytes = options.cacheBytes;
  pipeline.optLevel = options.optLevel;
  for (const std::string &cpu : options.cpus)
    pipeline.cpus.push_back(cpu);
  if (options.cpus.empty())
    pipeline.cpus.push_back("native");
  return success();
}

LogicalResult Driver::loadPlugins(DialectRegistry &registry) {
  for (const std::string &path : options.dialectPlugins) {
    auto plugin = DialectPlugin::load(path);
    if (!plugin)
      return success(error("cannot load the dialect plugin " + path + ": " +
                           llvm::toString(plugin.takeError())));
    plugin->registerDialectRegistryCallbacks(registry);
  }
  for (const std::string &path : options.passPlugins) {
    auto plugin = PassPlugin::load(path);
    if (!plugin)
      return success(error("cannot load the pass plugin " + path + ": " +
                           llvm::toString(plugin.takeError())));
    plugin->registerPassRegistryCallbacks();
  }
  return success();
}

LogicalResult Driver::parsePassAfter() {
  for (const std::string &extra : options.passAfter) {
    auto [name, passes] = StringRef(extra).split(':');
    std::optional<Phase> phase = symbolizePhase(name);
    // What comes behind the LLVM dialect is text and files.
    if (!phase || *phase > Phase::LLVM || passes.trim().empty()) {
      SmallVector<StringRef> names;
      for (const PhaseInfo &info : getPhases())
        if (info.phase <= Phase::LLVM)
          names.push_back(info.name);
      return success(error("--pass-after takes <phase>:<pipeline> with one of "
                           "the phases " +
                           llvm::join(names, ", ") + ", found '" + extra + "'" +
                           suggest(name, names)));
    }
    // As --pass-pipeline of pc-opt, but what works on the module may say so.
    std::string text = passes.trim().str();
    if (!StringRef(text).starts_with("builtin.module("))
      text = "builtin.module(" + text + ")";
    FailureOr<OpPassManager> parsed = parsePassPipeline(text, llvm::errs());
    if (failed(parsed))
      return success(
          error("cannot parse the pipeline of --pass-after=" + Twine(extra)));
    passAfter.emplace_back(*phase, std::move(*parsed));
  }
  return success();
}

std::string Driver::getOutput(StringRef extension) {
  if (!options.output.empty())
    return options.output;
  if (options.input == "-")
    return "-";
  SmallString<128> path(llvm::sys::path::filename(options.input));
  llvm::sys::path::replace_extension(path, extension);
  return path.str().str();
}

LogicalResult Driver::writeModule(ModuleOp module, StringRef path) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (options.bytecode) {
    if (failed(writeBytecodeToFile(module, os)))
      return failure();
  } else {
    OpPrintingFlags flags;
    if (options.debugInfo)
      flags.enableDebugInfo(true, /*prettyForm=*/true);
    module.print(os, flags);
    os << "\n";
  }
  return artifact::writeFile(
      path, ArrayRef<char>(text.data(), text.size()),
      [&]() { return mlir::emitError(UnknownLoc::get(module.getContext())); });
}

/// The file of a phase in the folder of --dump-phases-to.
std::string Driver::getDumpPath(Phase phase, StringRef extension) const {
  // Phases are numbered along the way to their target.
  unsigned number = 0;
  for (const PhaseInfo &info : getPhases())
    number += info.phase < phase &&
              isPhaseOf(info.phase,
                        isPhaseOf(phase, "cpu") && forCPU ? "cpu" : "cuda");
  SmallString<128> path(options.dumpPhases);
  llvm::sys::path::append(path, std::to_string(number) + "-" +
                                    stringifyPhase(phase) + "." + extension);
  return path.str().str();
}

/// The file of a phase on the way to a target.
std::string Driver::getDumpPath(Phase phase, const DevicePlan *plan) const {
  // Next to others of the same phase.
  bool named = plan && (forCPU || plan != plans.begin());
  return getDumpPath(phase, named ? plan->getName() + ".mlir" : "mlir");
}

LogicalResult Driver::runPhase(ModuleOp module, Phase phase,
                               TimingScope &timing, const DevicePlan *plan) {
  PassManager pm(module.getContext(), module->getName().getStringRef());
  pm.enableVerifier(true);
  if (failed(applyPassManagerCLOptions(pm)))
    return failure();
  pm.enableTiming(timing);
  buildPhase(pm, phase, pipeline);
  if (failed(pm.run(module)))
    return failure();
  for (const auto &[after, passes] : passAfter) {
    if (after != phase)
      continue;
    // A pass from outside keeps the phase's contract as well.
    PassManager extra(module.getContext(), module->getName().getStringRef());
    static_cast<OpPassManager &>(extra) = passes;
    VerifyPhasePassOptions contract;
    contract.phase = stringifyPhase(phase).str();
    extra.addPass(createVerifyPhasePass(contract));
    if (failed(applyPassManagerCLOptions(extra)))
      return failure();
    extra.enableTiming(timing);
    if (failed(extra.run(module)))
      return failure();
  }
  if (options.dumpPhases.empty())
    return success();
  return writeModule(module, getDumpPath(phase, plan));
}

//===----------------------------------------------------------------------===//
// The artifact
//===----------------------------------------------------------------------===//

static pcx_dtype_t getDType(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (element.isF64())
    return PCX_F64;
  if (element.isInteger(64))
    return PCX_I64;
  if (element.isInteger(32))
    return PCX_I32;
  if (element.isInteger(8))
    return PCX_U8;
  return PCX_F32;
}

static artifact::Port makePort(const PortInfo &info) {
  artifact::Port port;
  port.name = info.port.getName().str();
  port.dtype = getDType(info.type);
  port.perSample = false;
  if (auto tensor = dyn_cast<RankedTensorType>(info.type)) {
    ArrayRef<int64_t> shape = tensor.getShape();
    port.perSample = !shape.empty() && ShapedType::isDynamic(shape.front());
    llvm::append_range(port.dims, port.perSample ? shape.drop_front() : shape);
  }
  if (auto reduce =
          dyn_cast_or_null<ReduceKindAttr>(info.port.getDetail("reduce")))
    port.reduce = reduce.getValue() == ReduceKind::Mean ? PCX_REDUCE_MEAN
                                                        : PCX_REDUCE_SUM;
  else if (!port.perSample)
    port.reduce = PCX_REDUCE_LAST;
  if (info.port.getDetail("trace"))
    port.flags |= PCX_PORT_TRACE;
  if (info.port.getDetail("report"))
    port.flags |= PCX_PORT_REPORT;
  if (info.port.getDetail("target"))
    port.flags |= PCX_PORT_TARGET;
  if (info.port.getDetail("warning"))
    port.flags |= PCX_PORT_WARNING;
  return port;
}

static double getNumber(PortAttr port, StringRef key, double fallback) {
  auto number = dyn_cast_or_null<FloatAttr>(port.getDetail(key));
  return number ? number.getValueAsDouble() : fallback;
}

static_assert(PCDialect::kMaxRank == PCX_MAX_RANK,
              "the tables have room for what the dialect accepts");

/// `rows` is the largest batch, `paddedRows` what its blocks of samples cover.
static artifact::Storage makeStorage(const PortInfo &info, int64_t rows,
                                     int64_t paddedRows) {
  artifact::Storage storage;
  storage.name = info.port.getName().str();
  storage.kind = info.port.getKind() == PortKind::Parameter ? PCX_PARAMETER
                 : info.port.getKind() == PortKind::Buffer  ? PCX_BUFFER
                 : info.port.getKind() == PortKind::State   ? PCX_STATE
                                                            : PCX_OPTIMISER;
  storage.dtype = getDType(info.type);
  if (auto tensor = dyn_cast<RankedTensorType>(info.type)) {
    llvm::append_range(storage.dims, tensor.getShape());
    if (tensor.getRank() > 0 && tensor.isDynamicDim(0)) {
      // A row for each sample.
      storage.dims[0] = rows;
      storage.bytes = paddedRows * tensor.getElementTypeBitWidth() / 8;
      for (int64_t dim : tensor.getShape().drop_front())
        storage.bytes *= dim;
    }
  }
  if (auto strides =
          dyn_cast_or_null<DenseI64ArrayAttr>(info.port.getDetail("strides")))
    llvm::append_range(storage.strides, strides.asArrayRef());
  if (auto panel = dyn_cast_or_null<IntegerAttr>(info.port.getDetail("panel")))
    storage.panel = panel.getInt();
  if (auto stream =
          dyn_cast_or_null<IntegerAttr>(info.port.getDetail("stream")))
    storage.initStream = stream.getInt();
  auto init = dyn_cast_or_null<InitAttr>(info.port.getDetail("init"));
  if (!init)
    return storage;
  storage.initArg0 = init.getArg0();
  storage.initArg1 = init.getArg1();
  switch (init.getKind()) {
  case InitKind::Zeros:
    storage.init = PCX_INIT_ZERO;
    break;
  case InitKind::Constant:
    storage.init = PCX_INIT_CONSTANT;
    break;
  case InitKind::Uniform:
    storage.init = PCX_INIT_UNIFORM;
    break;
  case InitKind::Normal:
    storage.init = PCX_INIT_NORMAL;
    break;
  case InitKind::FanIn: {
    double limit = 1.0 / std::sqrt(std::max(init.getArg0(), 1.0));
    storage.init = PCX_INIT_UNIFORM;
    storage.initArg0 = -limit;
    storage.initArg1 = limit;
    break;
  }
  }
  return storage;
}

static pcx_role_t getRole(Role role) {
  switch (role) {
  case Role::Other:
    return PCX_ROLE_OTHER;
  case Role::Train:
    return PCX_ROLE_TRAIN;
  case Role::Evaluate:
    return PCX_ROLE_EVALUATE;
  case Role::Sample:
    return PCX_ROLE_SAMPLE;
  }
  llvm_unreachable("unknown role");
}

static artifact::DeviceVariant makeDeviceVariant(const EntryInfo &entry) {
  artifact::DeviceVariant variant;
  variant.strategy = entry.strategy.str();
  variant.run = entry.symbol.str();
  variant.workspaceBytes = entry.workspaceBytes;
  variant.blockBytes = entry.workerBytes;
  for (const KernelInfo &kernel : entry.kernels)
    variant.kernels.push_back({kernel.name.str(), kernel.flopsBase,
                               kernel.flopsPerSample, kernel.bytesBase,
                               kernel.bytesPerSample, kernel.rows});
  for (const LaunchInfo &info : entry.launches) {
    artifact::Launch &launch = variant.launches.emplace_back();
    launch.kernel = info.kernel.str();
    launch.threads = info.threads;
    launch.sharedBytes = info.sharedBytes;
    launch.cooperative = info.cooperative;
    launch.cluster = info.cluster;
    launch.blocks = info.blocks;
    launch.samplesPerBlock = info.samplesPerBlock;
    launch.runs = info.runs;
    for (auto [kernel, calls] : info.uses)
      launch.uses.push_back({static_cast<uint32_t>(kernel), calls});
    for (size_t i = 0; i < info.addresses.size(); i += 2)
      launch.addresses.push_back({static_cast<uint32_t>(info.addresses[i]),
                                  uint64_t(info.addresses[i + 1])});
  }
  return variant;
}

/// The tables of an artifact from what code generation left on the module.
static artifact::Description describe(ModuleOp module,
                                      const PipelineOptions &options) {
  ModuleInfo info = getModuleInfo(module);
  artifact::Description description;
  description.compiler = artifact::getCompilerName();
  int64_t paddedRows = options.batch;
  for (const EntryInfo &entry : info.entries)
    paddedRows = std::max<int64_t>(
        paddedRows, llvm::alignTo(options.batch, entry.sampleBlock));
  for (const PortInfo &storage : info.storage)
    description.storage.push_back(
        makeStorage(storage, options.batch, paddedRows));
  for (PortAttr port : info.hypers) {
    artifact::Hyper hyper;
    hyper.name = port.getName().str();
    hyper.value = getNumber(port, "value", 0.0);
    hyper.min = getNumber(port, "min", hyper.min);
    hyper.max = getNumber(port, "max", hyper.max);
    hyper.integral = static_cast<bool>(port.getDetail("integral"));
    description.hypers.push_back(hyper);
  }
  for (const EntryInfo &entry : info.entries) {
    artifact::Program *program = nullptr;
    for (artifact::Program &other : description.programs)
      if (other.name == entry.program.getValue())
        program = &other;
    if (!program) {
      program = &description.programs.emplace_back();
      program->name = entry.program.str();
      program->role = getRole(entry.info.getRole());
      program->weightStepsPerCall = entry.info.getWeightStepsPerCall();
      for (const PortInfo &port : entry.inputs) {
        program->inputs.push_back(makePort(port));
        description.dtype = program->inputs.back().dtype;
      }
      for (const PortInfo &port : entry.outputs)
        program->outputs.push_back(makePort(port));
      llvm::append_range(program->storageReads, entry.storageReads);
      llvm::append_range(program->storageWrites, entry.storageWrites);
    }
    description.model = entry.info.getModel().str();
    description.maxBatch = entry.maxBatch;
    if (entry.strategy) {
      program->devices.push_back(makeDeviceVariant(entry));
      continue;
    }
    artifact::Variant &variant = program->variants.emplace_back();
    variant.cpu = entry.cpu.str();
    variant.required = entry.required;
    variant.run = entry.symbol.str();
    variant.workspaceBytes = entry.workspaceBytes;
    variant.workerBytes = entry.workerBytes;
    variant.sampleBlock = entry.sampleBlock;
    for (const KernelInfo &kernel : entry.kernels)
      variant.kernels.push_back({kernel.name.str(), kernel.flopsBase,
                                 kernel.flopsPerSample, kernel.bytesBase,
                                 kernel.bytesPerSample, kernel.rows});
    variant.marked = entry.marked;
    for (const StageInfo &info : entry.stages) {
      artifact::Stage &stage = variant.stages.emplace_back();
      stage.name = info.name.str();
      stage.task = info.task.str();
      stage.runs = info.runs;
      for (auto [kernel, calls] : info.uses)
        stage.uses.push_back({static_cast<uint32_t>(kernel), calls});
    }
  }
  // The loader takes the first that runs.
  for (artifact::Program &program : description.programs)
    llvm::sort(program.variants, [](const artifact::Variant &a,
                                    const artifact::Variant &b) {
      int left = llvm::popcount(a.required), right = llvm::popcount(b.required);
      return left != right ? left > right : a.cpu < b.cpu;
    });
  std::string &line = description.options;
  line = "-O" + std::to_string(options.optLevel) +
         " --batch=" + std::to_string(options.batch) +
         " --mcpu=" + llvm::join(options.cpus, ",");
  if (!options.floatType.empty())
    line += " --float=" + options.floatType;
  if (options.precision != "f32")
    line += " --precision=" + options.precision;
  if (!options.algorithm.empty())
    line += " --algorithm=" + options.algorithm;
  for (const std::string &definition : options.define)
    line += " -D " + definition;
  if (options.trace)
    line += " --trace";
  if (options.analysis)
    line += " --analysis";
  if (options.profile)
    line += " --profile";
  if (!options.eliminate)
    line += " --eliminate=false";
  for (const Technique &technique : kTechniques)
    if (!(options.*technique.used).getValue())
      line += std::string(" --without=") + technique.name;
  return description;
}

/// One line for every operation of `module`: the first that it has, or else
/// that of what it is in. Of several LLVM would make line 0, and without one it
/// refuses calls.
static void settleLines(ModuleOp module) {
  module.walk<WalkOrder::PreOrder>([](Operation *op) {
    Location loc = op->getLoc();
    if (isa<FileLineColLoc, CallSiteLoc>(loc))
      return;
    if (auto line = loc->findInstanceOf<FileLineColLoc>())
      op->setLoc(line);
    else if (Operation *parent = op->getParentOp())
      op->setLoc(parent->getLoc());
  });
}

/// Has what LLVM makes of the functions of `module` point to their lines.
static LogicalResult addLines(ModuleOp module, LLVM::DIEmissionKind kind) {
  settleLines(module);
  PassManager pm(module.getContext(), module->getName().getStringRef());
  pm.addPass(LLVM::createDIScopeForLLVMFuncOpPass({kind}));
  return pm.run(module);
}

LogicalResult Driver::emitObject(ModuleOp module, StringRef source,
                                 TimingScope &timing) {
  artifact::Description description = describe(module, pipeline);
  description.images = std::move(images);
  if (forDevice) {
    description.options += forCPU ? " --target=cpu,cuda" : " --target=cuda";
    if (!options.gpuArchs.empty())
      description.options += " --gpu-arch=" + llvm::join(options.gpuArchs, ",");
    if (options.cubins)
      description.options += " --gpu-cubins";
    if (options.strategy != "auto")
      description.options += " --gpu-strategy=" + options.strategy;
  }
  for (const std::string &extra : options.passAfter)
    description.options += " --pass-after=" + extra;
  description.sourceName = llvm::sys::path::filename(options.input).str();
  description.sourceSha256 =
      llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(source)),
                  /*LowerCase=*/true);
  artifact::EmitOptions emit;
  emit.optLevel = options.optLevel;
  emit.debugInfo = options.debugInfo;
  auto [kind, extension] =
      options.emit == EmitKind::LLVMIR
          ? std::pair(artifact::Emit::LLVMIR, StringRef("ll"))
      : options.emit == EmitKind::Assembly
          ? std::pair(artifact::Emit::Assembly, StringRef("s"))
      : options.emit == EmitKind::Object
          ? std::pair(artifact::Emit::Object, StringRef("o"))
          : std::pair(artifact::Emit::Artifact, StringRef("pcx"));
  TimingScope scope = timing.nest("Emit");
  if (options.debugInfo &&
      failed(addLines(module, LLVM::DIEmissionKind::LineTablesOnly)))
    return failure();
  auto emitError = [&]() {
    return mlir::emitError(UnknownLoc::get(module.getContext()));
  };
  SmallVector<char, 0> bytes;
  if (failed(artifact::emit(module, description, kind, emit, bytes)))
    return failure();
  // The last phase is not MLIR any more: what LLVM made of the one before, the
  // instructions, and the file itself.
  std::pair<artifact::Emit, StringRef> forms[] = {
      {artifact::Emit::LLVMIR, "ll"},
      {artifact::Emit::Assembly, "s"},
      {artifact::Emit::Artifact, "pcx"}};
  for (auto [form, ending] : forms) {
    if (options.dumpPhases.empty())
      break;
    SmallVector<char, 0> other;
    if (form != kind &&
        failed(artifact::emit(module, description, form, emit, other)))
      return failure();
    if (failed(artifact::writeFile(getDumpPath(Phase::Artifact, ending),
                                   form == kind ? bytes : other, emitError)))
      return failure();
  }
  return artifact::writeFile(getOutput(extension), bytes, emitError);
}

void Driver::printPlan(ModuleOp module) {
  ModuleInfo info = getModuleInfo(module);
  uint64_t storage = 0;
  for (const PortInfo &array : info.storage)
    if (auto tensor = dyn_cast<RankedTensorType>(array.type))
      storage +=
          tensor.getNumElements() * (tensor.getElementTypeBitWidth() / 8);
  llvm::outs() << "persistent arrays: " << info.storage.size() << ", "
               << storage << " bytes\n";
  // A program's plans stand in their order.
  llvm::StringMap<size_t> seen;
  for (const EntryInfo &entry : info.entries) {
    if (entry.strategy) {
      const DevicePlan &plan = plans[seen[entry.program.getValue()]++];
      llvm::outs() << entry.program.getValue() << " for " << plan.getArchs()
                   << " (" << entry.strategy.getValue() << "): batch up to "
                   << entry.maxBatch << ", workspace " << entry.workspaceBytes
                   << " bytes, " << entry.workerBytes << " bytes a block, "
                   << entry.launches.size() << " launches, "
                   << entry.kernels.size() << " kernels\n";
      continue;
    }
    llvm::outs() << entry.program.getValue() << " for " << entry.cpu.getValue()
                 << ": batch up to " << entry.maxBatch << " in blocks of "
                 << entry.sampleBlock << " samples, workspace "
                 << entry.workspaceBytes << " bytes, " << entry.workerBytes
                 << " bytes a thread, " << entry.kernels.size() << " kernels\n";
  }
}

//===----------------------------------------------------------------------===//
// From file to file
//===----------------------------------------------------------------------===//

/// Verifies every operation on its own, so that a run reports all mistakes and
/// not the first of each model. What looks at a whole region waits until the
/// operations in it are sound.
static LogicalResult verifyEach(Operation *op) {
  std::optional<RegisteredOperationName> info = op->getRegisteredInfo();
  LogicalResult result = info ? info->verifyInvariants(op) : success();
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (Operation &nested : block)
        if (failed(verifyEach(&nested)))
          result = failure();
  if (succeeded(result) && info)
    result = info->verifyRegionInvariants(op);
  return result;
}

namespace {
/// Shows a pass's remark as a diagnostic at its line.
struct RemarkPrinter : remark::detail::MLIRRemarkStreamerBase {
  void streamOptimizationRemark(const remark::detail::Remark &remark) final {
    InFlightDiagnostic diag = emitRemark(remark.getLocation());
    for (const remark::detail::Remark::Arg &arg : remark.getArgs()) {
      if (arg.key == "Remark") // Plain text.
        diag << arg.val;
      else
        diag << " (" << arg.key << ": " << arg.val << ")";
    }
    diag << " [" << remark.getCombinedCategoryName() << "]";
  }
};

/// Swallows errors that have been said. Several programs of a model may each
/// find what is wrong with a line of it, whichever of them are compiled before
/// the first that fails ends all.
class RepeatedErrors : public ScopedDiagnosticHandler {
public:
  explicit RepeatedErrors(MLIRContext *context)
      : ScopedDiagnosticHandler(context) {
    setHandler([this](Diagnostic &diag) {
      if (diag.getSeverity() != DiagnosticSeverity::Error)
        return failure();
      // Whatever else the location says, the user sees the place.
      Location location = diag.getLocation();
      if (auto place = location->findInstanceOf<FileLineColLoc>())
        location = place;
      std::string text;
      llvm::raw_string_ostream(text) << location << ": " << diag;
      return success(!said.insert(text).second);
    });
  }

private:
  llvm::StringSet<> said;
};

/// Says what no line of the file is to blame for, an option or the output, as
/// errors of the command line are said.
class ErrorsWithoutLine : public ScopedDiagnosticHandler {
public:
  explicit ErrorsWithoutLine(MLIRContext *context)
      : ScopedDiagnosticHandler(context) {
    setHandler([](Diagnostic &diag) {
      auto place = diag.getLocation()->findInstanceOf<FileLineColLoc>();
      if (diag.getSeverity() != DiagnosticSeverity::Error ||
          (place && place.getLine() > 0) || !diag.getNotes().empty())
        return failure();
      llvm::errs() << "pcc: error: " << diag << "\n";
      return success();
    });
  }
};
} // namespace

/// The phases behind `simplified`, for one target.
LogicalResult Driver::runTarget(ModuleOp module, StringRef target,
                                TimingScope &timing, const DevicePlan *plan) {
  pipeline.target = target.str();
  if (plan) {
    pipeline.strategy = plan->strategy;
    pipeline.sharedBytes = plan->sharedBytes;
  }
  for (const PhaseInfo &info : getPhases())
    if (info.phase > Phase::Simplified && info.phase <= last &&
        info.phase < Phase::PTX && isPhaseOf(info.phase, target) &&
        failed(runPhase(module, info.phase, timing, plan)))
      return failure();
  return verify(module);
}

/// Compiles a copy of `module` for `plan` either way and chooses the one that
/// is predicted to take less time, of all programs together on the GPUs that
/// are known of those that the plan is for, or on all that are known.
FailureOr<DevicePlanWork> Driver::chooseStrategy(ModuleOp module,
                                                 DevicePlan &plan) {
  DevicePlanWork found;
  found.archs = plan.getArchs();
  for (const GPUMachine &machine : getGPUMachines())
    if (llvm::any_of(plan.gpus, [&](const GPUTarget &gpu) {
          return gpu.arch == machine.arch;
        }))
      found.machines.push_back(machine);
  ArrayRef<GPUMachine> machines = found.machines;
  if (machines.empty())
    machines = getGPUMachines();
  double least = 0;
  std::string chosen;
  for (StringRef strategy : {"persistent", "graph"}) {
    OwningOpRef<ModuleOp> copy = module.clone();
    PipelineOptions own;
    own.copyOptionValuesFrom(pipeline);
    own.target = "cuda";
    own.strategy = strategy.str();
    own.sharedBytes = plan.sharedBytes;
    PassManager pm(module.getContext(), module->getName().getStringRef());
    for (Phase phase : {Phase::Scheduled, Phase::GPU})
      buildPhase(pm, phase, own);
    if (failed(pm.run(*copy)))
      return failure();
    double seconds = 0;
    for (DeviceWork &entry :
         describeDeviceWork(getModuleInfo(*copy), options.batch, machines)) {
      for (const DeviceCost &cost : entry.costs)
        seconds += cost.getSeconds();
      // A time on a machine that nobody asked for would be taken for one of
      // theirs: it serves the choice alone.
      if (found.machines.empty())
        entry.costs.clear();
      found.programs.push_back(std::move(entry));
    }
    if (chosen.empty() || seconds < least) {
      least = seconds;
      chosen = strategy.str();
    }
  }
  if (plan.strategy.empty())
    plan.strategy = chosen;
  for (DeviceWork &entry : found.programs)
    entry.chosen = entry.strategy == plan.strategy;
  return found;
}

/// Chooses how each plan runs `module`, unless that was said. With --emit=work
/// both ways are reported.
LogicalResult Driver::chooseStrategies(ModuleOp module, TimingScope &timing) {
  if (options.strategy != "auto" && !work)
    return success();
  TimingScope scope = timing.nest("Choose a strategy");
  std::vector<DevicePlanWork> all;
  SmallVector<std::string> unpredicted;
  for (DevicePlan &plan : plans) {
    FailureOr<DevicePlanWork> found = chooseStrategy(module, plan);
    if (failed(found))
      return failure();
    for (const GPUTarget &gpu : plan.gpus)
      if (llvm::none_of(found->machines, [&](const GPUMachine &machine) {
            return machine.arch == gpu.arch;
          }))
        unpredicted.push_back(gpu.getName());
    all.push_back(std::move(*found));
  }
  if (forSimulator)
    unpredicted.push_back("sim");
  if (work)
    work->setDevices(std::move(all), unpredicted);
  return success();
}

/// Writes the kernels of the plans' `modules` as images and takes them out.
LogicalResult Driver::serialize(ArrayRef<OwningOpRef<ModuleOp>> modules,
                                TimingScope &timing) {
  TimingScope scope = timing.nest("Serialize kernels");
  MLIRContext *context = modules.front().get().getContext();
  // One is written out.
  bool single = last == Phase::PTX && options.dumpPhases.empty();
  SmallVector<KernelImage> forms;
  SmallVector<uint32_t> planOf;
  SmallVector<OwningOpRef<ModuleOp>> apart;
  for (auto [index, compiled] : llvm::enumerate(modules)) {
    const DevicePlan &plan = plans[index];
    ModuleOp module = compiled.get();
    for (auto kernels :
         llvm::make_early_inc_range(module.getOps<gpu::GPUModuleOp>())) {
      // The host's functions get lines of another kind. These are directives
      // alone: sections of DWARF would have the assembler not optimise.
      ModuleOp own =
          apart.emplace_back(ModuleOp::create(module.getLoc())).get();
      kernels->remove();
      own.push_back(kernels);
      if (options.debugInfo &&
          failed(addLines(own, LLVM::DIEmissionKind::DebugDirectivesOnly)))
        return failure();
      for (const GPUTarget &gpu :
           ArrayRef(plan.gpus).take_front(single ? 1 : plan.gpus.size()))
        forms.push_back({kernels, gpu, /*bitcode=*/false, {}});
      // What the back end knows to be there on all architectures.
      if (forSimulator && last != Phase::PTX)
        forms.push_back(
            {kernels, *GPUTarget::parse("sm_80"), /*bitcode=*/true, {}});
      planOf.resize(forms.size(), index);
    }
  }
  if (failed(serializeKernels(*context, options.optLevel, forms)))
    return failure();
  std::vector<artifact::Image> cubins;
  for (auto [form, planIndex] : llvm::zip_equal(forms, planOf)) {
    const GPUTarget &gpu = form.target;
    const DevicePlan &plan = plans[planIndex];
    artifact::Image &image = images.emplace_back();
    image.arch = gpu.arch;
    image.exact = gpu.exact;
    image.data = std::move(form.text);
    image.plan = planIndex;
    if (form.bitcode) {
      image.kind = PCX_IMAGE_LLVM;
      // By which the simulated device finds the plan that it would follow.
      if (!plan.gpus.empty())
        image.arch = plan.gpus.front().arch;
      continue;
    }
    if (!assembler.empty() && last != Phase::PTX) {
      artifact::Image code = {
          PCX_IMAGE_CUBIN, image.arch, image.exact, {}, image.plan};
      auto emitError = [&](const Twine &message) {
        return mlir::emitError(form.kernels.getLoc(), message);
      };
      if (failed(assemble(assembler, image.data, gpu, options.optLevel,
                          options.debugInfo, code.data, emitError)))
        return failure();
      cubins.push_back(std::move(code));
    }
    if (options.dumpPhases.empty())
      continue;
    std::string path = getDumpPath(Phase::PTX, gpu.getName() + ".ptx");
    if (failed(artifact::writeFile(
            path, ArrayRef<char>(image.data.data(), image.data.size()),
            [&]() { return mlir::emitError(form.kernels.getLoc()); })))
      return failure();
  }
  llvm::move(cubins, std::back_inserter(images));
  return success();
}

/// The phases behind `simplified` for devices, plan by plan. What the host has
/// of them joins the code for CPUs in `module`, if there is any.
LogicalResult Driver::compileForDevices(OwningOpRef<ModuleOp> simplified,
                                        OwningOpRef<ModuleOp> &module,
                                        TimingScope &timing) {
  // One is looked at.
  bool single = last <= Phase::PTX && options.dumpPhases.empty();
  SmallVector<OwningOpRef<ModuleOp>> modules;
  for (const DevicePlan &plan :
       ArrayRef(plans).take_front(single ? 1 : plans.size())) {
    modules.push_back(simplified->clone());
    if (failed(runTarget(*modules.back(), "cuda", timing, &plan)))
      return failure();
  }
  if (last >= Phase::PTX && failed(serialize(modules, timing)))
    return failure();
  if (last < Phase::Artifact)
    modules.truncate(1);
  for (auto [index, own] : llvm::enumerate(modules)) {
    // A program has a function for each plan.
    if (index > 0)
      for (auto function : own->getOps<LLVM::LLVMFuncOp>())
        function.setSymName(
            (function.getSymName() + "." + plans[index].getName()).str());
    if (!module) {
      module = std::move(own);
      continue;
    }
    for (Operation &op : llvm::make_early_inc_range(*own->getBody()))
      op.moveBefore(module->getBody(), module->getBody()->end());
  }
  return success();
}

LogicalResult Driver::compile(MLIRContext &context, llvm::SourceMgr &sources) {
  DefaultTimingManager timingManager;
  applyDefaultTimingManagerCLOptions(timingManager);
  TimingScope timing = timingManager.getRootScope();

  TimingScope parsing = timing.nest("Parse");
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(
      sources, ParserConfig(&context, /*verifyAfterParse=*/false));
  parsing.stop();
  if (!module || failed(verifyEach(*module)) || failed(verify(*module)))
    return failure();
  if (module->getBody()->empty())
    return success(error(options.input + " is empty: it holds no model"));
  if (!options.dumpPhases.empty()) {
    if (std::error_code code =
            llvm::sys::fs::create_directories(options.dumpPhases))
      return success(error("cannot make the folder " + options.dumpPhases +
                           ": " + code.message()));
  }
  for (const PhaseInfo &info : getPhases())
    if (info.phase <= std::min(last, Phase::Simplified)) {
      if (failed(runPhase(*module, info.phase, timing)))
        return failure();
      if (work && info.phase == Phase::Functional)
        work->setBefore(countWork(*module));
      if (work && info.phase == last)
        work->setAfter(countWork(*module));
      if (options.emit != EmitKind::Dot)
        continue;
      if (info.phase == Phase::Model)
        dot.addModels(*module);
      else if (info.phase == Phase::Functional ||
               info.phase == Phase::Simplified)
        dot.addPhase(info.name, *module);
    }
  if (forDevice && (last > Phase::Simplified || work) &&
      failed(chooseStrategies(*module, timing)))
    return failure();
  OwningOpRef<ModuleOp> simplified;
  if (forDevice && last > Phase::Simplified)
    simplified = forCPU ? module->clone() : std::move(module);
  if (module &&
      failed(forCPU ? runTarget(*module, "cpu", timing) : verify(*module)))
    return failure();
  if (simplified &&
      failed(compileForDevices(std::move(simplified), module, timing)))
    return failure();
  if (last == Phase::PTX) {
    StringRef text = images.front().data;
    std::string path = options.output.empty() ? "-" : options.output;
    return artifact::writeFile(
        path, ArrayRef<char>(text.data(), text.size()),
        [&]() { return mlir::emitError(module->getLoc()); });
  }
  if (options.emit == EmitKind::Dot) {
    std::string text;
    llvm::raw_string_ostream os(text);
    dot.write(os);
    return artifact::writeFile(
        getOutput("dot"), ArrayRef<char>(text.data(), text.size()),
        [&]() { return mlir::emitError(module->getLoc()); });
  }
  if (work) {
    std::string path = options.output.empty() ? "-" : options.output;
    std::string text;
    llvm::raw_string_ostream os(text);
    if (StringRef(path).ends_with(".json"))
      work->writeJSON(os);
    else
      work->writeText(os);
    return artifact::writeFile(
        path, ArrayRef<char>(text.data(), text.size()),
        [&]() { return mlir::emitError(module->getLoc()); });
  }
  if (last != Phase::Artifact) {
    std::string path = options.output.empty() ? "-" : options.output;
    return writeModule(*module, path);
  }
  if (options.printPlan)
    printPlan(*module);
  StringRef source =
      sources.getMemoryBuffer(sources.getMainFileID())->getBuffer();
  return emitObject(*module, source, timing);
}

LogicalResult Driver::run() {
  if (failed(checkOptions()))
    return failure();
  DialectRegistry registry;
  registerDialects(registry);
  if (failed(loadPlugins(registry)) || failed(parsePassAfter()))
    return failure();
  MLIRContext context(registry);
  context.printOpOnDiagnostic(false);
  context.loadAllAvailableDialects();

  std::string message;
  auto buffer = openInputFile(options.input, &message);
  if (!buffer)
    return success(error(message));
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), SMLoc());
  if (options.remarks) {
    remark::RemarkCategories categories;
    categories.passed = categories.missed = categories.analysis =
        categories.failed = "pc-.*";
    if (failed(remark::enableOptimizationRemarks(
            context, std::make_unique<RemarkPrinter>(),
            std::make_unique<remark::RemarkEmittingPolicyAll>(), categories)))
      return success(error("cannot switch remarks on"));
  }
  if (options.verifyDiagnostics) {
    SourceMgrDiagnosticVerifierHandler handler(sources, &context);
    (void)compile(context, sources);
    return handler.verify();
  }
  SourceMgrDiagnosticHandler handler(sources, &context, llvm::errs());
  ErrorsWithoutLine withoutLine(&context);
  RepeatedErrors repeated(&context);
  return compile(context, sources);
}

int pc::runDriver(int argc, char **argv) {
  llvm::InitLLVM initialised(argc, argv);
  registerPasses();
  registerTransformsPasses();
  registerAsmPrinterCLOptions();
  registerMLIRContextCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  CommandLine commandLine;
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << artifact::getCompilerName() << " (LLVM " << LLVM_VERSION_STRING
       << ")\n";
  });
  // LLVM has hundreds of its own; --help-hidden shows them and MLIR's.
  for (auto &entry : cl::getRegisteredOptions()) {
    cl::Option &option = *entry.second;
    if (!llvm::is_contained(option.Categories, &commandLine.category) &&
        !llvm::is_contained({"help", "help-hidden", "version"}, entry.first) &&
        option.getOptionHiddenFlag() == cl::NotHidden)
      option.setHiddenFlag(cl::Hidden);
  }
  cl::ParseCommandLineOptions(
      argc, argv,
      "compiles a predictive coding network to an artifact that pcx-run "
      "runs\n");
  // lld registers LLVM's option of that name.
  commandLine.cpus.removeArgument();
  return failed(Driver(commandLine.get()).run());
}
