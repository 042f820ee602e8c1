//===- Pipelines.cpp - Phases of the compiler and their order -------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Pipelines/Pipelines.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "pc/Codegen/CPU/Passes.h"
#include "pc/Codegen/CPU/Target.h"
#include "pc/Codegen/GPU/Passes.h"
#include "pc/Conversion/Passes.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "pc/Pipelines/Passes.h"
#include <limits>

using namespace mlir;
using namespace pc;

static constexpr PhaseInfo kPhases[] = {
    {Phase::Input, "input", "parsed and verified"},
    {Phase::Model, "model",
     "constants bound, blocks inlined, parameters explicit"},
    {Phase::Functional, "functional",
     "programs are pure functions of batched tensors"},
    {Phase::Simplified, "simplified",
     "zeros folded, the error front peeled, constants hoisted"},
    {Phase::Scheduled, "scheduled", "cut into stages without barriers"},
    {Phase::CPU, "cpu", "kernels, buffers and calls"},
    {Phase::GPU, "gpu", "kernels for devices and what launches them"},
    {Phase::LLVM, "llvm", "LLVM dialect only"},
    {Phase::PTX, "ptx", "kernels as PTX"},
    {Phase::Artifact, "artifact", "object code, linked"},
};

ArrayRef<PhaseInfo> pc::getPhases() { return kPhases; }

std::optional<Phase> pc::symbolizePhase(StringRef name) {
  for (const PhaseInfo &info : kPhases)
    if (info.name == name)
      return info.phase;
  return std::nullopt;
}

StringRef pc::stringifyPhase(Phase phase) {
  return kPhases[static_cast<unsigned>(phase)].name;
}

bool pc::isPhaseOf(Phase phase, StringRef target) {
  bool device = target == "cuda";
  return phase == Phase::CPU                          ? !device
         : phase == Phase::GPU || phase == Phase::PTX ? device
                                                      : true;
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

static void buildModel(OpPassManager &pm, const PipelineOptions &options) {
  BindConstantsPassOptions constants;
  llvm::append_range(constants.define, options.define);
  pm.addPass(createBindConstantsPass(constants));
  pm.addPass(createInlineBlocksPass());
  ConvertFloatPassOptions element;
  element.type = options.floatType;
  pm.addPass(createConvertFloatPass(element));
  pm.addPass(createExpandLayersPass());
  AttachProgramsPassOptions programs;
  programs.algorithm = options.algorithm;
  programs.steps = options.steps;
  pm.addPass(createAttachProgramsPass(programs));
  pm.addPass(createLinkModelsPass());
  if (options.analysis)
    pm.addPass(createAttachAnalysisPass());
}

static void buildFunctional(OpPassManager &pm, const PipelineOptions &options) {
  LowerProgramsPassOptions lowering;
  lowering.trace = options.trace;
  pm.addPass(createLowerProgramsPass(lowering));
}

static void buildSimplified(OpPassManager &pm, const PipelineOptions &options) {
  // Zero folding and common subexpressions are semantics, not optimisations:
  // gradients that the algebra makes zero are exactly zero at every level.
  auto &functions = pm.nest<func::FuncOp>();
  auto clean = [&]() {
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createCSEPass());
  };
  auto hoist = [&]() {
    if (!options.hoist)
      return;
    functions.addPass(createLoopInvariantCodeMotionPass());
    clean();
  };
  clean();
  hoist();
  if (!options.eliminate)
    return;
  if (options.peelFront) {
    functions.addPass(createPeelErrorFrontPass());
    clean();
  }
  if (options.peelLast) {
    functions.addPass(createPeelLastStepPass());
    clean();
  }
  hoist();
}

/// CPUs to compile for, the best first: the runtime takes the first one that
/// the machine can run.
static SmallVector<std::string> getCPUs(const PipelineOptions &options) {
  SmallVector<std::string> cpus(options.cpus.begin(), options.cpus.end());
  if (cpus.empty())
    cpus = {"x86-64-v4", "x86-64-v3"};
  return cpus;
}

static SmallVector<CPUTarget> getTargets(const PipelineOptions &options) {
  SmallVector<CPUTarget> targets;
  for (const std::string &name : getCPUs(options)) {
    // The cpu phase reports what is no CPU.
    FailureOr<CPUTarget> target = CPUTarget::parse(name, nullptr);
    if (succeeded(target))
      targets.push_back(*target);
  }
  if (targets.empty())
    targets.emplace_back();
  return targets;
}

/// The cache that a block of samples should fit into: the smallest of all CPUs,
/// which share one schedule.
static uint64_t getCacheBytes(const PipelineOptions &options) {
  if (options.cacheBytes)
    return options.cacheBytes;
  uint64_t bytes = std::numeric_limits<uint64_t>::max();
  for (const CPUTarget &target : getTargets(options))
    bytes = std::min(bytes, target.l2Bytes);
  return bytes;
}

/// A row of a panel: as wide as the widest tile of all CPUs, which share the
/// arrays' layouts. Narrower tiles go through it side by side.
static int64_t getPanelBytes(const PipelineOptions &options) {
  unsigned bytes = 0;
  for (const CPUTarget &target : getTargets(options))
    bytes = std::max(bytes, target.getTileBytes());
  return bytes;
}

/// Samples of a block that a block of threads keeps through a stage. Few of
/// them share what is read of a weight, but a step's products follow each other
/// and the least tile is the fastest: four rows, or of a fragment eight. With
/// more blocks than a large GPU has multiprocessors they would take turns.
static int64_t getDeviceSampleBlock(const PipelineOptions &options) {
  constexpr int64_t few = 4, more = 8, mostBlocks = 128;
  bool fragments = options.precision != "f32";
  return fragments || options.batch > few * mostBlocks ? more : few;
}

static void buildScheduled(OpPassManager &pm, const PipelineOptions &options) {
  bool device = options.target == "cuda";
  // Arrays of devices are dense.
  if (!device) {
    pm.addPass(createChooseLayoutsPass());
    if (options.pack) {
      PackWeightsPassOptions pack;
      pack.panelBytes = getPanelBytes(options);
      pm.addPass(createPackWeightsPass(pack));
    }
  }
  auto &functions = pm.nest<func::FuncOp>();
  functions.addPass(createCSEPass());
  if (options.precision == "bf16") {
    functions.addPass(createDifferenceProductsPass());
    functions.addPass(createCSEPass());
    NarrowProductsPassOptions narrow;
    narrow.roundWeights = !device;
    functions.addPass(createNarrowProductsPass(narrow));
  }
  SchedulePassOptions schedule;
  schedule.anyLayout = device;
  schedule.maxBatch = options.batch;
  schedule.sampleBlock = options.sampleBlock;
  schedule.cacheBytes = getCacheBytes(options);
  if (device && options.strategy == "graph")
    schedule.sampleBlock = options.batch;
  else if (device && schedule.sampleBlock == 0)
    schedule.sampleBlock =
        std::min<int64_t>(options.batch, getDeviceSampleBlock(options));
  functions.addPass(createSchedulePass(schedule));
  functions.addPass(createConvertPCToLinalgPass());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  FormGroupsPassOptions groups;
  groups.fuse = options.fuse;
  functions.addPass(createFormGroupsPass(groups));
  // Every thread of a device would carry it out.
  if (device)
    functions.addPass(createHoistScalarsPass());
  PlanBuffersPassOptions buffers;
  buffers.padRows = device && options.strategy == "persistent";
  functions.addPass(createPlanBuffersPass(buffers));
}

static void buildCPU(OpPassManager &pm, const PipelineOptions &options) {
  EmitCPUPassOptions emit;
  emit.cpus = getCPUs(options);
  emit.profile = options.profile;
  // LLVM's fast register allocator cannot do tiles.
  emit.tiles = options.optLevel > 0;
  pm.addPass(createEmitCPUPass(emit));
}

static void buildGPU(OpPassManager &pm, const PipelineOptions &options) {
  EmitGPUPassOptions emit;
  emit.strategy = options.strategy;
  emit.sharedBytes = options.sharedBytes;
  emit.tf32 = options.precision == "tf32";
  pm.addPass(createEmitGPUPass(emit));
}

void pc::buildPhase(OpPassManager &pm, Phase phase,
                    const PipelineOptions &options) {
  switch (phase) {
  case Phase::Input:
  case Phase::PTX:
  case Phase::Artifact:
    return;
  case Phase::Model:
    buildModel(pm, options);
    break;
  case Phase::Functional:
    buildFunctional(pm, options);
    break;
  case Phase::Simplified:
    buildSimplified(pm, options);
    break;
  case Phase::Scheduled:
    buildScheduled(pm, options);
    break;
  case Phase::CPU:
    buildCPU(pm, options);
    break;
  case Phase::GPU:
    buildGPU(pm, options);
    break;
  case Phase::LLVM:
    buildLowerToLLVMPipeline(pm);
    break;
  }
  VerifyPhasePassOptions contract;
  contract.phase = stringifyPhase(phase).str();
  pm.addPass(createVerifyPhasePass(contract));
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

void pc::registerPipelines() {
  for (const PhaseInfo &info : getPhases()) {
    Phase phase = info.phase;
    if (phase == Phase::Input || phase == Phase::PTX ||
        phase == Phase::Artifact)
      continue;
    // Registrations keep the strings.
    PassPipelineRegistration<PipelineOptions>(
        ("pc-" + info.name + "-pipeline").str(),
        ("The " + info.name + " phase: " + info.description).str(),
        [phase](OpPassManager &pm, const PipelineOptions &options) {
          buildPhase(pm, phase, options);
        });
    PassPipelineRegistration<PipelineOptions>(
        ("pc-to-" + info.name + "-pipeline").str(),
        ("All phases up to " + info.name).str(),
        [phase](OpPassManager &pm, const PipelineOptions &options) {
          for (const PhaseInfo &earlier : getPhases())
            if (earlier.phase <= phase &&
                isPhaseOf(earlier.phase, options.target))
              buildPhase(pm, earlier.phase, options);
        });
  }
}
