//===- Options.cpp - The command line of pcc ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Options.h"
#include "pc/Artifact/Artifact.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/CommandLine.h"

using namespace pc;
namespace cl = llvm::cl;

static const Technique kTechniques[] = {
    {"hoist", "what inference steps have in common, moved out",
     &PipelineOptions::hoist},
    {"peel-front", "first steps, which errors have not reached, on their own",
     &PipelineOptions::peelFront},
    {"peel-last", "a last step, of which something is not read, on its own",
     &PipelineOptions::peelLast},
    {"pack", "weights in panels", &PipelineOptions::pack},
    {"fuse", "several operations in a kernel", &PipelineOptions::fuse},
};

llvm::ArrayRef<Technique> pc::getTechniques() { return kTechniques; }

namespace {
/// The techniques as an option's values.
struct TechniqueValues {
  template <typename Option>
  void apply(Option &option) const {
    for (auto [index, technique] : llvm::enumerate(getTechniques()))
      option.getParser().addLiteralOption(
          technique.name, static_cast<TechniqueIndex>(index), technique.what);
  }
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

Options pc::parseOptions(int argc, char **argv) {
  // LLVM's registry points to the options, and lld goes through it.
  static CommandLine commandLine;
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
  return commandLine.get();
}
