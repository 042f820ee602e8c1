//===- Options.h - The command line of pcc ----------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_DRIVER_OPTIONS_H
#define PC_LIB_DRIVER_OPTIONS_H

#include "pc/Pipelines/Pipelines.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pc {

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
inline bool showsPrograms(EmitKind kind) {
  return kind == EmitKind::Dot || kind == EmitKind::Work;
}

/// What --without takes, and what of PipelineOptions it switches off.
struct Technique {
  const char *name, *what;
  decltype(PipelineOptions::hoist) PipelineOptions::*used;
};
/// All of them.
llvm::ArrayRef<Technique> getTechniques();

/// An index into getTechniques().
enum class TechniqueIndex : unsigned {};

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

/// Reads the command line; mistakes in it, --help and --version end the
/// program.
Options parseOptions(int argc, char **argv);

} // namespace pc

#endif // PC_LIB_DRIVER_OPTIONS_H
