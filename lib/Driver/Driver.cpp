//===- Driver.cpp - What pcc does -----------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Driver/Driver.h"
#include "Describe.h"
#include "Options.h"
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
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

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

  /// The first of its architectures on the command line.
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
  if (options.printPlan && last != Phase::Artifact)
    return success(error("--print-plan is for what is compiled to the end; "
                         "leave it out, or --compile-to and --emit"));
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
    pipeline.*getTechniques()[static_cast<unsigned>(technique)].used = false;
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
  artifact::Description description = describeArtifact(module, pipeline);
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
    artifact::Image &image = images.emplace_back();
    image.arch = gpu.arch;
    image.exact = gpu.exact;
    image.data = std::move(form.text);
    image.plan = planIndex;
    if (form.bitcode) {
      image.kind = PCX_IMAGE_LLVM;
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
  return failed(Driver(parseOptions(argc, argv)).run());
}
