//===- Pipelines.h - Phases of the compiler and their order -----*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_PIPELINES_PIPELINES_H
#define PC_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include "pc/Codegen/GPU/Target.h"
#include "llvm/ADT/STLExtras.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pc {

/// The phases, in order. Each is a registered pipeline that `pc-opt` can run
/// alone and ends with a check of what may be left (pc-verify-phase).
enum class Phase : uint8_t {
  Input,      ///< parsed and verified
  Model,      ///< constants bound, blocks inlined, parameters explicit
  Functional, ///< programs are pure functions of batched tensors
  Simplified, ///< folded, peeled, hoisted
  Scheduled,  ///< cut into stages
  CPU,        ///< kernels and their calls
  GPU,        ///< kernels for devices and what launches them, in place of CPU
  LLVM,       ///< LLVM dialect only
  PTX,        ///< nothing in the IR: kernels as text, for devices
  Artifact    ///< nothing in the IR: object, link, trailer
};

/// Name on the command line and one line of help.
struct PhaseInfo {
  Phase phase;
  llvm::StringLiteral name;
  llvm::StringLiteral description;
};
llvm::ArrayRef<PhaseInfo> getPhases();
std::optional<Phase> symbolizePhase(llvm::StringRef name);
llvm::StringRef stringifyPhase(Phase phase);
/// True if code for `target` goes through `phase`.
bool isPhaseOf(Phase phase, llvm::StringRef target);

/// Everything that decides what the phases do. The same options serve `pcc`,
/// `pc-opt` (as options of each pipeline) and code that embeds the compiler.
struct PipelineOptions : public mlir::PassPipelineOptions<PipelineOptions> {
  ListOption<std::string> define{
      *this, "define", llvm::cl::desc("name=value: a parameter of the model")};
  Option<std::string> floatType{
      *this, "float",
      llvm::cl::desc("element type: f32, f64, or empty for what is written"),
      llvm::cl::init("")};
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("what the phases after simplified "
                                            "are for: cpu or cuda"),
                             llvm::cl::init("cpu")};
  Option<std::string> strategy{
      *this, "strategy",
      llvm::cl::desc("how programs run on a device: persistent or graph"),
      llvm::cl::init("persistent")};
  Option<int64_t> sharedBytes{
      *this, "shared-bytes",
      llvm::cl::desc(
          "shared memory that a thread block of the device can have"),
      llvm::cl::init(GPUTarget().sharedBytes)};
  Option<std::string> precision{
      *this, "precision",
      llvm::cl::desc("what products round their operands to: f32 (nothing), "
                     "bf16, or tf32 on a device"),
      llvm::cl::init("f32")};
  Option<std::string> algorithm{
      *this, "algorithm",
      llvm::cl::desc("standard programs for a model without any: pc, ipc, bp, "
                     "zil, epc, pn, "
                     "nn, cn"),
      llvm::cl::init("")};
  Option<int64_t> steps{
      *this, "steps",
      llvm::cl::desc("inference steps of the standard programs; 0 chooses"),
      llvm::cl::init(0)};
  Option<bool> trace{
      *this, "trace",
      llvm::cl::desc("keep states, gradients and energies of every step"),
      llvm::cl::init(false)};
  Option<bool> analysis{
      *this, "analysis",
      llvm::cl::desc("add the programs that pcx-run analyse runs"),
      llvm::cl::init(false)};
  Option<bool> profile{
      *this, "profile",
      llvm::cl::desc("call the runtime around every kernel and stage"),
      llvm::cl::init(false)};
  Option<bool> eliminate{
      *this, "eliminate",
      llvm::cl::desc("peel the steps that exact elimination shortens"),
      llvm::cl::init(true)};
  // What may be switched off to measure what it gains; results are the same.
  Option<bool> hoist{*this, "hoist",
                     llvm::cl::desc("move out of the inference loop what its "
                                    "steps have in common"),
                     llvm::cl::init(true)};
  Option<bool> peelFront{*this, "peel-front",
                         llvm::cl::desc("peel the first steps of a loop, which "
                                        "errors have not reached"),
                         llvm::cl::init(true)};
  Option<bool> peelLast{*this, "peel-last",
                        llvm::cl::desc("peel the last step of a loop, of which "
                                       "something is not read"),
                        llvm::cl::init(true)};
  Option<bool> pack{*this, "pack", llvm::cl::desc("keep weights in panels"),
                    llvm::cl::init(true)};
  Option<bool> fuse{*this, "fuse",
                    llvm::cl::desc("put several operations into a kernel"),
                    llvm::cl::init(true)};
  Option<int64_t> batch{*this, "batch",
                        llvm::cl::desc("largest number of samples of a call"),
                        llvm::cl::init(128)};
  Option<int64_t> sampleBlock{
      *this, "sample-block",
      llvm::cl::desc("samples of a block; 0: by the cost model"),
      llvm::cl::init(0)};
  Option<uint64_t> cacheBytes{
      *this, "cache-bytes",
      llvm::cl::desc("cache of one core that a block of samples should fit "
                     "into; 0: the second level of the smallest CPU of mcpu"),
      llvm::cl::init(0)};
  ListOption<std::string> cpus{
      *this, "mcpu",
      llvm::cl::desc("CPUs to compile for: native, x86-64-v3, x86-64-v4, ...")};
  Option<unsigned> optLevel{*this, "opt-level",
                            llvm::cl::desc("0 to 3, as in -O<n>"),
                            llvm::cl::init(3)};
};

/// Appends the passes of one phase to `pm`, which runs on a module.
void buildPhase(mlir::OpPassManager &pm, Phase phase,
                const PipelineOptions &options);

/// Registers a pipeline "pc-<phase>-pipeline" for each phase, and
/// "pc-to-<phase>-pipeline" for all up to it.
void registerPipelines();

} // namespace pc

#endif // PC_PIPELINES_PIPELINES_H
