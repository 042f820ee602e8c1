//===- Commands.h - What the verbs of pcx-run do ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// One function a verb. They report a user's mistake as an Error and return the
// exit code otherwise.

#ifndef PCX_EXPERIMENT_COMMANDS_H
#define PCX_EXPERIMENT_COMMANDS_H

#include "pcx/Experiment/Binding.h"

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace pcx::experiment {

/// Exit codes of pcx-run.
enum ExitCode : int {
  ExitOk = 0,
  ExitMistake = 1,      ///< a user's mistake: file, data, name, NaN
  ExitUsage = 2,        ///< malformed command line
  ExitInterrupted = 130 ///< Ctrl-C (143 for SIGTERM), after a clean stop
};

/// Where the verbs write.
struct Console {
  std::FILE *out = stdout; ///< results
  std::FILE *err = stderr; ///< progress, notes
  bool quiet = false;      ///< no progress, no notes, no epoch lines
};

/// The data set and how to read it. What is not given comes from the
/// checkpoint, if there is one, else from the data set.
struct DataChoice {
  std::optional<std::string> data;
  std::optional<Normalisation> normalise;
  std::optional<int64_t> labelOffset;
  std::optional<std::string> labelColumn;
};

/// What to measure while programs run.
struct ProfileOptions {
  bool table = false; ///< print the time of stages and kernels
  std::string trace;  ///< file for a trace of events; "" for none

  bool wanted() const { return table || !trace.empty(); }
};

struct TrainOptions {
  std::string artifact;
  DataChoice data;
  std::optional<int64_t> epochs; ///< 10
  std::optional<int64_t> batch;  ///< the artifact's largest
  std::optional<uint64_t> seed;  ///< 0
  std::optional<bool> shuffle;   ///< true
  std::optional<bool> dropLast;  ///< false
  std::optional<std::string> program, evalProgram, prediction;
  std::vector<std::string> set;  ///< name=value
  std::string params;            ///< initial parameters
  std::string save, resume, log; ///< files; "" for none
  int64_t saveEvery = 0;         ///< steps; 0: after each epoch only
  int64_t maxSteps = 0;          ///< of this invocation; 0: no limit
  int64_t trainSubset = 10000;   ///< samples for the training accuracy
  uint32_t threads = 0;
  std::string device = "cpu";
  ProfileOptions profile;
};

struct EvalOptions {
  std::string artifact;
  std::string params;
  DataChoice data;
  std::optional<std::string> split; ///< "train" or "test"
  std::optional<int64_t> batch;
  std::optional<std::string> program, prediction;
  std::vector<std::string> set;
  uint64_t seed = 0;
  uint32_t threads = 0;
  std::string device = "cpu";
  bool json = false;
  ProfileOptions profile; ///< eval and predict
};

struct PredictOptions {
  EvalOptions eval;
  std::vector<std::string> inputs; ///< name=x.npy or name=file.npz:array
  std::string output;              ///< .npz, .npy or .csv
};

struct EnergyOptions {
  EvalOptions eval;
  std::vector<std::string> against;  ///< data sets to tell from eval.data
  std::optional<std::string> output; ///< the program's number a sample
  std::string file;                  ///< .npz or .csv; "" for none
};

/// The values that are drawn black and white.
struct PixelRange {
  double low = 0, high = 1;
};

/// Samples as images in a grid.
struct PictureOptions {
  std::string file;                ///< .png or an array file; "" for none
  std::optional<int64_t> count;    ///< samples (16, or as many as there are)
  std::optional<std::string> size; ///< "28x28", "64x64x3", "3x64x64"
  std::optional<PixelRange> range; ///< what the normalisation says
  std::optional<int64_t> columns;
  int64_t scale = 1; ///< pixels of the file to one of the image, either way
};

struct SampleOptions {
  EvalOptions eval; ///< of its data, the normalisation alone
  std::optional<std::string> output;
  std::vector<std::string> labels; ///< whole numbers, or "all"
  PictureOptions picture;          ///< .png, .npz or .csv
};

/// What is done to samples before they are recalled; one at most is set.
struct Corruption {
  std::optional<double> noise;   ///< standard deviation, of normalised values
  std::optional<double> keepTop; ///< share of an image's rows that is known
  std::optional<double> mask;    ///< share of a sample's elements that is not
};

struct RecallOptions {
  EvalOptions eval;
  std::optional<std::string> output;
  Corruption corruption;
  PictureOptions picture; ///< .png or .npz
};

struct ReconstructOptions {
  EvalOptions eval;
  std::optional<std::string> output;
  std::optional<int64_t> samples; ///< of the split, from its start (all)
  PictureOptions picture;         ///< .png or .npz
};

struct ExecOptions {
  std::string artifact;
  std::string params;              ///< parameters: .npz or .safetensors
  std::string resume;              ///< a whole checkpoint
  std::vector<std::string> inputs; ///< name=x.npy or name=file.npz:array
  std::optional<std::string> program;
  std::vector<std::string> set;
  std::optional<uint64_t> seed;
  std::optional<double> totalSteps;
  std::string output; ///< .npz
  uint32_t threads = 0;
  std::string device = "cpu";
  ProfileOptions profile;
};

struct BenchOptions {
  std::vector<std::string> artifacts; ///< "" : the machine alone
  std::optional<std::string> program; ///< the one that trains
  DataChoice data;                    ///< without: made-up numbers
  std::vector<int64_t> batches;       ///< the artifact's largest
  std::vector<uint32_t> threads;      ///< one a CPU
  std::string device = "cpu";
  std::vector<std::string> set;
  uint64_t seed = 0;
  int64_t blocks = 15;          ///< of each artifact
  double blockSeconds = 0.1;    ///< length of one, at least a step
  std::optional<int64_t> steps; ///< of a block, instead
  std::string json;             ///< file; "" for none
};

struct InspectOptions {
  std::string artifact;
  std::optional<int64_t> batch; ///< for FLOPs and bytes a call
  bool json = false;
};

struct AnalyseOptions {
  TrainOptions train;   ///< what is trained; epochs from below
  int64_t epochs = 0;   ///< to train in between
  int64_t every = 1;    ///< epochs from one analysis to the next
  int64_t samples = 32; ///< of the training split, from its start
  int64_t steps = 1000; ///< bound of the steps to convergence; 0: not counted
  double tolerance = 0.01; ///< of the gradient's norm, there
  std::string folder;      ///< for the CSV files; "" for none
};

Result<int> train(const TrainOptions &options, const Console &console);
Result<int> eval(const EvalOptions &options, const Console &console);
Result<int> predict(const PredictOptions &options, const Console &console);
Result<int> energy(const EnergyOptions &options, const Console &console);
Result<int> sample(const SampleOptions &options, const Console &console);
Result<int> recall(const RecallOptions &options, const Console &console);
Result<int> reconstruct(const ReconstructOptions &options,
                        const Console &console);
Result<int> exec(const ExecOptions &options, const Console &console);
Result<int> inspect(const InspectOptions &options, const Console &console);
Result<int> bench(const BenchOptions &options, const Console &console);
Result<int> analyse(const AnalyseOptions &options, const Console &console);

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_COMMANDS_H
