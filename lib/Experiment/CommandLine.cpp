//===- CommandLine.cpp - The command line of pcx-run ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/CommandLine.h"
#include "Images.h"
#include "Recipe.h"
#include "pcx/Data/Text.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

using namespace pcx;
using namespace pcx::experiment;

static constexpr const char *exitCodes =
    "Exit codes: 0 done; 1 a user's mistake (a file, a name, a shape, NaN); 2 "
    "a "
    "malformed command line; 130 stopped by Ctrl-C (143 by SIGTERM) after the "
    "running step, with everything saved.";

/// "0.5,0.5" to a normalisation.
static std::optional<Normalisation> parseNormalise(const std::string &text) {
  size_t comma = text.find(',');
  if (comma == std::string::npos)
    return std::nullopt;
  auto mean = data::parseNumber(text.substr(0, comma));
  auto std = data::parseNumber(text.substr(comma + 1));
  if (!mean || !std || !(*std > 0))
    return std::nullopt;
  return Normalisation{*mean, *std};
}

/// Takes MEAN,STD.
static void addNormalise(CLI::App &verb, std::optional<Normalisation> &out) {
  verb.add_option_function<std::string>(
          "--normalise",
          [&out](const std::string &text) { out = parseNormalise(text); },
          "Subtract MEAN and divide by STD after scaling u8 to [0, 1]; the "
          "default is the data set's own: 0.5,0.5 for images, 0,1 otherwise")
      ->type_name("MEAN,STD")
      ->check([](const std::string &text) {
        return parseNormalise(text)
                   ? std::string()
                   : "expected MEAN,STD with STD above 0, found " + text;
      });
}

/// "0,1" to a range, or "1,0" for a negative.
static std::optional<PixelRange> parseRange(const std::string &text) {
  size_t comma = text.find(',');
  if (comma == std::string::npos)
    return std::nullopt;
  auto low = data::parseNumber(text.substr(0, comma));
  auto high = data::parseNumber(text.substr(comma + 1));
  if (!low || !high || !std::isfinite(*high - *low) || *low == *high)
    return std::nullopt;
  return PixelRange{*low, *high};
}

/// Whole numbers of a range, written as such: of others CLI11 takes what comes
/// first, the nearest one that fits, or one that a sign wraps to.
template <typename T>
struct Whole : CLI::Validator {
  explicit Whole(T least = std::numeric_limits<T>::min(),
                 T most = std::numeric_limits<T>::max())
      : CLI::Validator("") {
    func_ = [=](const std::string &text) -> std::string {
      T value;
      const char *end = text.data() + text.size();
      auto [rest, error] = std::from_chars(text.data(), end, value);
      bool wraps = std::is_unsigned_v<T> && text.starts_with('-');
      if (!wraps && (error == std::errc::invalid_argument || rest != end))
        return fmt::format("expected a whole number, found '{}'", text);
      if (error == std::errc() && value >= least && value <= most)
        return "";
      return fmt::format("expected {} to {}, found {}", least, most, text);
    };
  }
};

/// An option that stays empty unless given.
template <typename T>
static CLI::Option *addOptional(CLI::App &verb, const std::string &name,
                                std::optional<T> &out,
                                const std::string &description) {
  return verb.add_option_function<T>(
      name, [&out](const T &value) { out = value; }, description);
}

static void addDataOptions(CLI::App &verb, DataChoice &data) {
  addOptional(verb, "--data", data.data,
              "Data set: digits (embedded), fashion-mnist, a folder of IDX "
              "files, an .npz with arrays named after the inputs (prefixes "
              "train_ and test_ choose the split), or a .csv")
      ->type_name("NAME|FOLDER|FILE");
  addNormalise(verb, data.normalise);
  addOptional(verb, "--label-offset", data.labelOffset,
              "Number of the first class in the label file (emnist-letters: 1)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addOptional(verb, "--label-column", data.labelColumn,
              "Label column of a .csv: a name, or an index from 0 (-1: last)")
      ->type_name("NAME|INDEX");
}

static void addCommon(CLI::App &verb, std::string &artifact) {
  verb.add_option("artifact", artifact, "The .pcx file that pcc made")
      ->required()
      ->type_name("FILE");
}

static void addSet(CLI::App &verb, std::vector<std::string> &set) {
  verb.add_option("--set", set,
                  "Set a hyper-parameter; may be repeated (`inspect` lists "
                  "them)")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

static void addDevice(CLI::App &verb, std::string &device) {
  verb.add_option("--device", device,
                  "Where programs run: cpu, cuda (the first GPU), cuda:N, or "
                  "sim, the simulated GPU (cpu)")
      ->type_name("NAME");
}

/// Where and with how many threads the programs of a session run.
template <typename Options>
static void addThreads(CLI::App &verb, Options &options) {
  verb.add_option("--threads", options.threads,
                  "Threads; 0 for one a CPU. Results do not depend on it")
      ->type_name("N")
      ->check(Whole<uint32_t>());
  addDevice(verb, options.device);
}

/// What the verbs that draw take; `count` describes --count.
static void addPicture(CLI::App &verb, PictureOptions &picture,
                       const std::string &count, const std::string &file,
                       const std::string &type) {
  verb.add_option("-o,--save", picture.file, file)->type_name(type);
  addOptional(verb, "--count", picture.count, count)
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  addOptional(verb, "--size", picture.size,
              "The image in a sample, with one or three channels (its own "
              "shape, that of the data, or a square)")
      ->type_name("HxW|HxWxC|CxHxW")
      ->check([](const std::string &text) {
        return parseImageShape(text)
                   ? std::string()
                   : "expected HxW, HxWxC or CxHxW with one or three channels, "
                     "found " +
                         text;
      });
  verb.add_option_function<std::string>(
          "--range",
          [&picture](const std::string &text) {
            picture.range = parseRange(text);
          },
          "Values that are drawn black and white (what the normalisation makes "
          "of 0 and 1)")
      ->type_name("LOW,HIGH")
      ->check([](const std::string &text) {
        return parseRange(text)
                   ? std::string()
                   : "expected LOW,HIGH, two different numbers, found " + text;
      });
  addOptional(verb, "--columns", picture.columns,
              "Most images beside each other")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  verb.add_option("--scale", picture.scale,
                  "Enlarge images by whole pixels (1)")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
}

static void addProfile(CLI::App &verb, ProfileOptions &profile) {
  verb.add_flag("--profile", profile.table,
                "Print the time of each stage and kernel beside what the "
                "machine allows (kernels of an artifact that `pcc --profile` "
                "made)");
  verb.add_option("--trace", profile.trace,
                  "Write calls, stages, tasks and kernels as a trace for "
                  "Perfetto or chrome://tracing")
      ->type_name("FILE.json");
}

static void addQuiet(CLI::App &verb, bool &quiet) {
  verb.add_flag("--quiet,-q", quiet, "Print errors only");
}

namespace {
/// The parser and what it fills.
struct CommandLine {
  CLI::App app{"Trains, evaluates and inspects predictive coding networks that "
               "pcc compiled",
               "pcx-run"};
  bool quiet = false;
  std::string recipe;
  TrainOptions train;
  EvalOptions eval;
  PredictOptions predict;
  EnergyOptions energy;
  SampleOptions sample;
  RecallOptions recall;
  ReconstructOptions reconstruct;
  ExecOptions exec;
  InspectOptions inspect;
  AnalyseOptions analyse;
  BenchOptions bench;
  bool shuffle = true, dropLast = false;
  CLI::App *trainVerb, *evalVerb, *predictVerb, *energyVerb, *sampleVerb,
      *recallVerb, *reconstructVerb, *execVerb, *inspectVerb, *analyseVerb,
      *benchVerb;

  CommandLine();
  Result<int> run(const Console &console);

private:
  void addTrain();
  void addAnalyse();
  void addBench();
  void addSample();
  void addRecall();
  void addReconstruct();
  void addRunOptions(CLI::App &verb, EvalOptions &options,
                     const std::string &program);
  void addEvalOptions(CLI::App &verb, EvalOptions &options);
};
} // namespace

void CommandLine::addTrain() {
  CLI::App &verb = *trainVerb;
  addCommon(verb, train.artifact);
  addDataOptions(verb, train.data);
  verb.add_option("--recipe", recipe,
                  "TOML file whose keys are these long flags; the command "
                  "line wins")
      ->type_name("FILE.toml");
  addOptional(verb, "--epochs", train.epochs, "Epochs of the run (10)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addOptional(verb, "--batch", train.batch,
              "Samples a step (the artifact's largest)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addOptional(verb, "--seed", train.seed,
              "Key of the initial parameters, the shuffles and all noise (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  addSet(verb, train.set);
  verb.add_flag("--shuffle,!--no-shuffle", shuffle,
                "Another order of the samples each epoch (on)");
  verb.add_flag("--drop-last,!--keep-last", dropLast,
                "Leave out a last batch that is not full (kept)");
  verb.add_option("--params", train.params,
                  "Start from the parameters of a .safetensors or .npz file")
      ->type_name("FILE");
  verb.add_option("--save", train.save,
                  "Write a checkpoint after each epoch and at the end")
      ->type_name("FILE.safetensors");
  verb.add_option("--save-every", train.saveEvery,
                  "Write it after every N steps of an epoch too")
      ->type_name("N")
      ->check(Whole<int64_t>(0));
  verb.add_option("--resume", train.resume,
                  "Continue the run of a checkpoint, exact to the bit")
      ->type_name("FILE.safetensors");
  verb.add_option("--log", train.log,
                  "Write one JSON object an epoch: epoch, seconds (of training "
                  "alone), energy, train_accuracy, test_accuracy, ...")
      ->type_name("FILE.jsonl");
  verb.add_option("--max-steps", train.maxSteps,
                  "Stop after N steps of this invocation")
      ->type_name("N")
      ->check(Whole<int64_t>(0));
  addOptional(verb, "--program", train.program,
              "Program that trains (the one with that role)");
  addOptional(verb, "--eval-program", train.evalProgram,
              "Program that measures the accuracy (the one with the role "
              "evaluate)");
  addOptional(verb, "--prediction", train.prediction,
              "Its per-sample output whose argmax is the class");
  verb.add_option("--train-accuracy-samples", train.trainSubset,
                  "Samples of the training split, from its start, on which the "
                  "training accuracy is measured (10000); 0 for none")
      ->type_name("N")
      ->check(Whole<int64_t>(0));
  addThreads(verb, train);
  addProfile(verb, train.profile);
  addQuiet(verb, quiet);
}

void CommandLine::addAnalyse() {
  CLI::App &verb = *analyseVerb;
  TrainOptions &run = analyse.train;
  addCommon(verb, run.artifact);
  addDataOptions(verb, run.data);
  verb.add_option("--params", run.params,
                  "Parameters of a .safetensors or .npz file; without it they "
                  "are the initial ones")
      ->type_name("FILE");
  verb.add_option("-o,--output", analyse.folder,
                  "Write energy.csv, errors.csv, gradients.csv and "
                  "stability.csv there")
      ->type_name("FOLDER");
  verb.add_option("--epochs", analyse.epochs,
                  "Train for N epochs and look after each (0)")
      ->type_name("N")
      ->check(Whole<int64_t>(0));
  verb.add_option("--every", analyse.every,
                  "Look after every N epochs, and after the last one (1)")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  verb.add_option("--samples", analyse.samples,
                  "Samples of the training split, from its start, to look at "
                  "(32)")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  verb.add_option("--steps", analyse.steps,
                  "Most inference steps when those to convergence are counted "
                  "(1000); 0 for no count")
      ->type_name("N")
      ->check(Whole<int64_t>(0));
  verb.add_option("--tolerance", analyse.tolerance,
                  "Converged means that the gradient's norm is below this part "
                  "of what it was at the start (0.01)")
      ->type_name("X")
      ->check(CLI::PositiveNumber);
  addOptional(verb, "--batch", run.batch,
              "Samples a step of the training (the artifact's largest)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addOptional(verb, "--seed", run.seed,
              "Key of the initial parameters, the shuffles and all noise (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  addOptional(verb, "--program", run.program,
              "Program to look at (the one that trains)");
  addSet(verb, run.set);
  addThreads(verb, run);
  addQuiet(verb, quiet);
}

/// What every verb that runs a program over a split takes; `program` describes
/// --program.
void CommandLine::addRunOptions(CLI::App &verb, EvalOptions &options,
                                const std::string &program) {
  addCommon(verb, options.artifact);
  verb.add_option("--params", options.params,
                  "Parameters: a checkpoint, a .safetensors or an .npz file; "
                  "without it they are the initial ones. A checkpoint also "
                  "says which data and normalisation it was trained with")
      ->type_name("FILE");
  addDataOptions(verb, options.data);
  addOptional(verb, "--split", options.split,
              "train or test (test, if there is one)")
      ->check(CLI::IsMember({"train", "test"}));
  addOptional(verb, "--batch", options.batch,
              "Samples a call (the artifact's largest)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addOptional(verb, "--program", options.program, program);
  addSet(verb, options.set);
  verb.add_option("--seed", options.seed, "Key of the random numbers (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  addThreads(verb, options);
}

void CommandLine::addSample() {
  CLI::App &verb = *sampleVerb;
  EvalOptions &run = sample.eval;
  addCommon(verb, run.artifact);
  verb.add_option("--params", run.params,
                  "Parameters: a checkpoint, a .safetensors or an .npz file; "
                  "without it they are the initial ones. A checkpoint also "
                  "says which normalisation it was trained with")
      ->type_name("FILE");
  addPicture(verb, sample.picture, "Samples, of each label (16)",
             ".png: a grid of images, with labels a row for each; .npz: the "
             "output by its name, and the labels; .csv: a row a sample, the "
             "label in front",
             "FILE");
  verb.get_option("--save")->required();
  verb.add_option("--label", sample.labels,
                  "Class to sample, for a program that takes a label; may be "
                  "repeated. all: every class")
      ->type_name("K,...|all")
      ->delimiter(',')
      ->allow_extra_args(false);
  addOptional(verb, "--program", run.program,
              "Program to run (the one with the role sample)");
  addOptional(verb, "--output", sample.output,
              "The program's output that is the sample (the only one)")
      ->type_name("NAME");
  addNormalise(verb, run.data.normalise);
  addOptional(verb, "--batch", run.batch,
              "Samples a call (the artifact's largest)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  addSet(verb, run.set);
  verb.add_option("--seed", run.seed, "Key of the random numbers (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  addThreads(verb, run);
  addQuiet(verb, quiet);
}

void CommandLine::addRecall() {
  CLI::App &verb = *recallVerb;
  addRunOptions(verb, recall.eval,
                "Program to run (the only one, beside those that train or "
                "sample, from data to an output of their shape; with a mask, "
                "an input called known or mask, unless there is --noise)");
  verb.get_option("--split")->description(
      "train or test (train, if there is one)");
  addOptional(verb, "--output", recall.output,
              "The program's output that is recalled (the only one of the "
              "data's shape)")
      ->type_name("NAME");
  Corruption &corruption = recall.corruption;
  CLI::Option *noise =
      addOptional(verb, "--noise", corruption.noise,
                  "Add normal noise of this deviation to the normalised values "
                  "(0.2, for a program without a mask)")
          ->type_name("SIGMA")
          ->check(CLI::NonNegativeNumber);
  CLI::Option *keep =
      addOptional(verb, "--keep-top", corruption.keepTop,
                  "Show this share of an image's rows, from the top (0.5, for "
                  "a program with a mask)")
          ->type_name("FRACTION")
          ->check(CLI::Range(0.0, 1.0))
          ->excludes(noise);
  addOptional(verb, "--mask", corruption.mask,
              "Hide this share of a sample's elements, others in each sample")
      ->type_name("FRACTION")
      ->check(CLI::Range(0.0, 1.0))
      ->excludes(noise)
      ->excludes(keep);
  addPicture(verb, recall.picture,
             "Samples to recall, from the split's start (16, or as many as "
             "there are)",
             ".png: a grid whose rows are the originals, what is shown and "
             "what is recalled; .npz: the same as arrays",
             "FILE.png|FILE.npz");
  verb.add_flag("--json", recall.eval.json, "Print one JSON object");
}

void CommandLine::addReconstruct() {
  CLI::App &verb = *reconstructVerb;
  addRunOptions(verb, reconstruct.eval,
                "Program to run (the only one, beside those that train or "
                "sample, from data, without a mask, to an output of their "
                "shape)");
  addOptional(verb, "--output", reconstruct.output,
              "The program's output that is the reconstruction (the only one "
              "of the data's shape)")
      ->type_name("NAME");
  addOptional(verb, "--samples", reconstruct.samples,
              "Samples to reconstruct, from the split's start (all)")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  addPicture(verb, reconstruct.picture,
             "Samples to draw, from the split's start (16, or as many as there "
             "are)",
             ".png: a grid whose rows are originals and reconstructions; .npz: "
             "all of them as arrays",
             "FILE.png|FILE.npz");
  verb.add_flag("--json", reconstruct.eval.json, "Print one JSON object");
}

void CommandLine::addEvalOptions(CLI::App &verb, EvalOptions &options) {
  addRunOptions(verb, options,
                "Program to run (the one with the role evaluate)");
  addOptional(verb, "--prediction", options.prediction,
              "Its per-sample output whose argmax is the class");
  addProfile(verb, options.profile);
}

void CommandLine::addBench() {
  CLI::App &verb = *benchVerb;
  verb.add_option("artifacts", bench.artifacts,
                  "The .pcx files to time in turn, the first one is what the "
                  "others are compared with; without any the machine alone")
      ->type_name("FILE");
  addOptional(verb, "--program", bench.program,
              "Program to time (the one that trains)");
  verb.add_option("--batch", bench.batches,
                  "Samples a step (the largest of all artifacts)")
      ->type_name("N,...")
      ->check(Whole<int64_t>())
      ->delimiter(',')
      ->allow_extra_args(false);
  verb.add_option("--threads", bench.threads, "Threads; 0 for one a CPU (that)")
      ->type_name("N,...")
      ->check(Whole<uint32_t>())
      ->delimiter(',')
      ->allow_extra_args(false);
  addDevice(verb, bench.device);
  addDataOptions(verb, bench.data);
  verb.get_option("--data")->description(
      "Data set, as of `train`; without it the numbers are made up");
  verb.add_option("--blocks", bench.blocks,
                  "Blocks of steps to time, of each artifact (15)")
      ->type_name("N")
      ->check(Whole<int64_t>(1));
  verb.add_option("--block-seconds", bench.blockSeconds,
                  "About how long a block takes (0.1)")
      ->type_name("X")
      ->check(CLI::PositiveNumber);
  addOptional(verb, "--steps", bench.steps, "Steps of a block, instead")
      ->type_name("N")
      ->check(Whole<int64_t>(1, int64_t(1) << 20));
  addSet(verb, bench.set);
  verb.add_option("--seed", bench.seed,
                  "Key of the initial parameters and of what is made up (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  verb.add_option("--json", bench.json,
                  "Write every number, the times of all blocks included")
      ->type_name("FILE.json");
  addQuiet(verb, quiet);
}

CommandLine::CommandLine() {
  app.set_version_flag("--version",
                       [] { return fmt::format("pcx-run {}", pcx_version()); });
  app.require_subcommand(1);
  app.footer(exitCodes);

  trainVerb = app.add_subcommand("train", "Train a model");
  addTrain();

  evalVerb = app.add_subcommand("eval", "Measure accuracy and reports");
  addEvalOptions(*evalVerb, eval);
  evalVerb->add_flag("--json", eval.json, "Print one JSON object");

  predictVerb =
      app.add_subcommand("predict", "Write a program's per-sample outputs");
  addEvalOptions(*predictVerb, predict.eval);
  predictVerb
      ->add_option("--input", predict.inputs,
                   "Array for an input, instead of --data")
      ->type_name("NAME=FILE.npy|NAME=FILE.npz:ARRAY")
      ->allow_extra_args(false);
  predictVerb
      ->add_option("-o,--output", predict.output,
                   ".npz: all outputs by name; .npy: the prediction; .csv: the "
                   "prediction with its argmax")
      ->required()
      ->type_name("FILE");
  addQuiet(*predictVerb, quiet);

  energyVerb = app.add_subcommand(
      "energy", "Energy of each sample, and how well it tells data sets apart");
  addRunOptions(*energyVerb, energy.eval,
                "Program to run (the only one, beside those that train, with a "
                "number for each sample)");
  energyVerb
      ->add_option("--against", energy.against,
                   "Data set to tell from --data by its higher energies; may "
                   "be repeated")
      ->type_name("NAME|FOLDER|FILE")
      ->allow_extra_args(false);
  addOptional(*energyVerb, "--output", energy.output,
              "The program's number for each sample (the only one)")
      ->type_name("NAME");
  energyVerb->add_option("--save", energy.file, "Write the energies")
      ->type_name("FILE.npz|FILE.csv");
  energyVerb->add_flag("--json", energy.eval.json, "Print one JSON object");

  sampleVerb = app.add_subcommand(
      "sample", "Draw samples from the model, as images or arrays");
  addSample();

  recallVerb = app.add_subcommand(
      "recall", "Recall samples from noisy copies or parts of them");
  addRecall();

  reconstructVerb = app.add_subcommand(
      "reconstruct", "Reconstruct samples and measure the error");
  addReconstruct();

  execVerb = app.add_subcommand(
      "exec", "Run one program once on arrays and write everything");
  addCommon(*execVerb, exec.artifact);
  execVerb
      ->add_option("--params", exec.params,
                   "Parameters and buffers from a .safetensors or .npz file; "
                   "from an .npz also the optimiser's arrays that it has")
      ->type_name("FILE");
  execVerb
      ->add_option("--resume", exec.resume,
                   "Everything from a checkpoint, counters included")
      ->type_name("FILE.safetensors");
  execVerb
      ->add_option("--input", exec.inputs,
                   "Array for an input; class indices become one-hot rows")
      ->type_name("NAME=FILE.npy|NAME=FILE.npz:ARRAY")
      ->allow_extra_args(false);
  addOptional(*execVerb, "--program", exec.program,
              "Program to run (the one that trains)");
  addSet(*execVerb, exec.set);
  addOptional(*execVerb, "--seed", exec.seed,
              "Key of the initial parameters and of all noise (0)")
      ->type_name("N")
      ->check(Whole<uint64_t>());
  addOptional(*execVerb, "--total-steps", exec.totalSteps,
              "Weight steps of the whole run, for schedules (those of one "
              "call)")
      ->type_name("N");
  execVerb
      ->add_option("-o,--output", exec.output,
                   "Archive of all outputs by name and of all storage after "
                   "the call as params/NAME")
      ->required()
      ->type_name("FILE.npz");
  addThreads(*execVerb, exec);
  addProfile(*execVerb, exec.profile);
  addQuiet(*execVerb, quiet);

  inspectVerb = app.add_subcommand(
      "inspect", "Print programs, inputs, parameters, hyper-parameters, FLOPs, "
                 "bytes and kernels");
  addCommon(*inspectVerb, inspect.artifact);
  addOptional(*inspectVerb, "--batch", inspect.batch,
              "Batch size of the FLOPs and bytes (the artifact's largest)")
      ->type_name("N")
      ->check(Whole<int64_t>());
  inspectVerb->add_flag("--json", inspect.json, "Print one JSON object");

  analyseVerb = app.add_subcommand(
      "analyse", "Energies, errors, gradients and stability of inference");
  addAnalyse();

  benchVerb = app.add_subcommand(
      "bench", "Time steps of one artifact or of several in turn, beside the "
               "machine's speed");
  addBench();
}

Result<int> CommandLine::run(const Console &console) {
  if (trainVerb->parsed()) {
    if (!recipe.empty())
      if (auto status = applyRecipe(*trainVerb, recipe); !status)
        return status.error();
    if (trainVerb->get_option("--shuffle")->count() > 0)
      train.shuffle = shuffle;
    if (trainVerb->get_option("--drop-last")->count() > 0)
      train.dropLast = dropLast;
    // A recipe may have said so.
    Console own = console;
    own.quiet = console.quiet || quiet;
    return experiment::train(train, own);
  }
  if (evalVerb->parsed())
    return experiment::eval(eval, console);
  if (predictVerb->parsed())
    return experiment::predict(predict, console);
  if (energyVerb->parsed())
    return experiment::energy(energy, console);
  if (sampleVerb->parsed())
    return experiment::sample(sample, console);
  if (recallVerb->parsed())
    return experiment::recall(recall, console);
  if (reconstructVerb->parsed())
    return experiment::reconstruct(reconstruct, console);
  if (execVerb->parsed())
    return experiment::exec(exec, console);
  if (analyseVerb->parsed())
    return experiment::analyse(analyse, console);
  if (benchVerb->parsed())
    return experiment::bench(bench, console);
  return experiment::inspect(inspect, console);
}

/// The nearest name for the first argument that nobody expected.
static std::string suggestion(const CLI::App &app) {
  for (const CLI::App *verb : app.get_subcommands()) {
    std::vector<std::string> flags;
    for (const CLI::Option *option : verb->get_options())
      for (const std::string &name : option->get_lnames())
        flags.push_back("--" + name);
    for (const std::string &argument : verb->remaining())
      if (std::string near =
              data::didYouMean(argument.substr(0, argument.find('=')), flags);
          !near.empty())
        return near;
    return "";
  }
  std::vector<std::string> verbs;
  for (const CLI::App *verb :
       app.get_subcommands([](const CLI::App *) { return true; }))
    verbs.push_back(verb->get_name());
  for (const std::string &argument : app.remaining())
    if (std::string near = data::didYouMean(argument, verbs); !near.empty())
      return near;
  return "";
}

int experiment::runCommandLine(int argc, const char *const *argv,
                               Console console) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    // --help, --version
    std::string text;
    if (dynamic_cast<const CLI::CallForVersion *>(&success))
      text = std::string(success.what()) + "\n";
    else {
      auto verbs = line.app.get_subcommands();
      text = verbs.empty() ? line.app.help() : verbs.front()->help("pcx-run");
    }
    fmt::print(console.out, "{}", text);
    return ExitOk;
  } catch (const CLI::ParseError &error) {
    std::string message = error.what();
    if (!message.empty())
      message[0] = static_cast<char>(std::tolower(message[0]));
    fmt::print(console.err, "pcx-run: error: {}{}\ntry `pcx-run --help`\n",
               message, suggestion(line.app));
    return ExitUsage;
  }
  console.quiet = console.quiet || line.quiet;
  try {
    auto code = line.run(console);
    if (code) {
      // A result that did not reach the disk or the pipe is no success.
      if (std::fflush(console.out) != 0 || std::ferror(console.out)) {
        fmt::print(console.err, "pcx-run: error: cannot write the output: {}\n",
                   std::strerror(errno));
        return ExitMistake;
      }
      return *code;
    }
    fmt::print(console.err, "pcx-run: error: {}\n", code.error().message);
  } catch (const std::bad_alloc &) {
    fmt::print(console.err, "pcx-run: error: out of memory\n");
  } catch (const std::exception &error) {
    fmt::print(console.err, "pcx-run: error: {}\n", error.what());
  }
  return ExitMistake;
}
