//===- Golden.h - Numbers of PCX to compare with ----------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Golden files hold every intermediate of training steps that PCX took in
// float64. Whatever runs programs, the interpreter or compiled code, provides
// the same numbers as a Provider; the tables that say which of them is which,
// and the bounds, are here. No LLVM.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_GOLDEN_GOLDEN_H
#define PCX_TEST_GOLDEN_GOLDEN_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pcx::test {

/// A dense array, row major.
struct Numbers {
  std::vector<int64_t> dims;
  std::vector<double> data;
};
using Arrays = std::map<std::string, Numbers>;

/// The settings of a golden file: its `meta`.
struct Setting {
  std::vector<int64_t> dims; ///< widths, input first
  std::string activation;    ///< of the hidden layers
  std::string energy;        ///< of the output: se or ce
  std::string algorithm;     ///< pc, ipc or bp
  int64_t batch = 0;
  int64_t steps = 0; ///< T, inference steps a batch
  double beta = 1;
  double stateRate = 0, stateMomentum = 0, weightRate = 0, weightDecay = 0;
  bool schedule = false;
  int64_t batches = 0; ///< of a run; 0 for the intermediates of one step

  int64_t layers() const { return static_cast<int64_t>(dims.size()) - 1; }
  /// Name of vode `index` from 0: "h1", ..., "label".
  std::string vode(int64_t index) const;
  /// Name of the array that PCX counts as `index`: "fc1.weight", "fc1.bias",
  /// "fc2.weight", ...
  std::string parameter(int64_t index) const;
  int64_t parameters() const { return 2 * layers(); }
};

struct GoldenFile {
  std::string name; ///< without folder and ".npz"
  Setting setting;
  Arrays arrays;
};

/// Folder of the golden files, if there is one: from the environment variable
/// PCX_SHARED_DIR, else from the build.
std::optional<std::string> goldenFolder();
/// Names of all golden files, sorted; empty without a folder.
std::vector<std::string> goldenNames();
/// Reads one; nothing, and `error`, when it is damaged.
std::optional<GoldenFile> readGolden(const std::string &name,
                                     std::string &error);

/// A number as MLIR reads it back to the same bits.
std::string literal(double value);

/// The model and the program `train` of a golden file in the pc dialect, f32.
std::string sourceText(const GoldenFile &file);

/// What runs programs.
class Provider {
public:
  virtual ~Provider() = default;
  /// Zeroes optimiser states and counters.
  virtual void reset() = 0;
  /// Replaces a persistent array.
  virtual void setStorage(const std::string &name, const Numbers &value) = 0;
  virtual Numbers getStorage(const std::string &name) = 0;
  /// Weight steps of the whole run.
  virtual void setTotalSteps(double steps) = 0;
  /// Runs the program `train`; its outputs by name. Reports a test failure and
  /// returns nothing when that fails.
  virtual Arrays train(int64_t samples, const Arrays &inputs) = 0;
};

/// How far numbers may be from the golden ones.
struct Policy {
  /// Element type of what is tested.
  bool single = false;
  /// Of f32, half the distance of two neighbours at one in the type that
  /// operands of matrix products are rounded to: 2^-11 of tf32, 2^-8 of bf16.
  double operandRounding = 0x1p-24;
  /// Batches of a run that are taken and compared, the first ones: for what is
  /// slow.
  int64_t mostBatches = INT64_MAX;
};

/// Runs the steps of a golden file and compares everything that it has with
/// what the provider computes: states, gradients, energies at every step,
/// weight gradients, weights, predictions. Reports test failures.
///
/// f64: within 1e-9 of the array's largest element, with an allowance for what
/// is ill-conditioned in runs of iPC. f32, and f32 with operands of products in
/// fewer digits: see Golden.cpp. Exact zeros of gradients and energies must be
/// exact with all.
void compareWithGolden(const GoldenFile &file, Provider &provider,
                       const Policy &policy);

} // namespace pcx::test

#endif // PCX_TEST_GOLDEN_GOLDEN_H
