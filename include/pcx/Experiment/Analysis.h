//===- Analysis.h - Numbers about inference ---------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_ANALYSIS_H
#define PCX_EXPERIMENT_ANALYSIS_H

#include "pcx/Experiment/Model.h"

#include <functional>
#include <span>
#include <utility>

namespace pcx::experiment {

//===----------------------------------------------------------------------===//
// Mathematics
//===----------------------------------------------------------------------===//

/// The smallest and the largest eigenvalue of the symmetric tridiagonal matrix
/// with this diagonal (n >= 1 entries) and these entries beside it (n - 1), by
/// bisection with Sturm counts, to about 1e-14 of the matrix' norm.
std::pair<double, double> tridiagonalExtremes(std::span<const double> diagonal,
                                              std::span<const double> beside);

/// Extreme eigenvalues of a symmetric operator.
struct Spectrum {
  double smallest = 0, largest = 0;
  int64_t steps = 0;      ///< products with the operator
  bool converged = false; ///< both have settled
};

/// out = A v; both have the operator's dimension.
using LinearOperator =
    std::function<Status(std::span<const double> v, std::span<double> out)>;

/// Lanczos' method with full reorthogonalisation (Golub and Van Loan, section
/// 10.3) from a start vector that depends on the dimension alone. The estimates
/// lie inside of the spectrum. Ends when both extremes have moved by less than
/// `tolerance` of the larger of them in each of two steps, when the Krylov
/// space is exhausted, or after `most` steps. Errors: those of the operator.
Result<Spectrum> lanczos(int64_t dimension, const LinearOperator &apply,
                         int64_t most, double tolerance);

/// How inference moves states along minus their gradient.
struct InferenceRule {
  double rate = 0, momentum = 0;
  bool nesterov = false, heun = false;

  /// The largest stable rate on a quadratic energy whose Hessian has this
  /// largest eigenvalue: 2 (1 + m) / largest; with nesterov 2 (1 + m) /
  /// ((1 + 2 m) largest). Infinite where no eigenvalue is positive.
  double largestStableRate(double largest) const;
};

/// <a, b> / (|a| |b|); nothing if one of them is zero.
std::optional<double> cosine(std::span<const double> a,
                             std::span<const double> b);

//===----------------------------------------------------------------------===//
// Analysis of one program
//===----------------------------------------------------------------------===//

/// Numbers of one vode at one step: the mean over the samples.
struct StepValue {
  std::string vode;
  int64_t step;
  double value;
};

/// A parameter's gradient beside backpropagation's.
struct GradientValue {
  std::string parameter;
  std::optional<double> cosine; ///< nothing where one of them is zero
  std::optional<double> ratio;  ///< |g| / |backprop|
};

/// What one analysis found.
struct AnalysisResult {
  std::vector<StepValue> energies; ///< before step t; after the last one
  std::vector<StepValue> errors;   ///< |h - u|
  std::vector<GradientValue> gradients;
  std::optional<Spectrum> states, errorCoordinates;
  std::optional<InferenceRule> rule; ///< nothing for adam
  bool inErrors = false;             ///< the program moves errors
  bool repeated = false;             ///< in a loop: its steps can diverge
  int64_t tracedSteps = 0;
  /// Steps until the gradient's norm of half of the samples has been below the
  /// tolerance times what it was at their start; nothing if it was not.
  std::optional<int64_t> stepsToConvergence;
  int64_t settledSamples = 0; ///< when the count ended
  bool counted = false;       ///< steps to convergence were looked for

  /// The Hessian in the coordinates that the program moves.
  const std::optional<Spectrum> &inUse() const {
    return inErrors ? errorCoordinates : states;
  }
  /// Of the rule on that Hessian.
  std::optional<double> largestStableRate() const;
};

/// Runs the programs that `pcc --analysis` added for one training program, in a
/// session of its own.
class Analyser {
public:
  /// With as many threads as `session` has; on the CPU, or on the session's
  /// device where the artifact has no code for the CPU. Errors: the artifact
  /// has no analysis of the program.
  static Result<Analyser> create(const Module &module, uint32_t program,
                                 const pcx_session_t *session);
  /// Whether the artifact has one.
  static bool available(const Module &module, uint32_t program);

  /// Takes parameters, optimiser, hyper-parameters and counters of a session,
  /// and the first `samples` samples of a data set of the program.
  Status update(const pcx_session_t *from, const pcx_data_t *data,
                int64_t samples);
  /// The whole analysis. `mostSteps` bounds the count of steps to convergence.
  Result<AnalysisResult> analyse(int64_t mostSteps, double tolerance);
  /// The Hessian in the coordinates that the program moves and the rule alone,
  /// with at most `products` products.
  Result<AnalysisResult> probeStability(int64_t products);

private:
  using Values = std::vector<double>;
  /// A state or error that inference moves.
  struct Variable {
    std::string vode;
    int64_t elements; ///< of one sample
    bool predicted;
  };

  explicit Analyser(const Module &module) : module(module) {}
  const pcx_program_t *find(const std::string &suffix, uint32_t &index) const;
  /// Runs `<program>.<suffix>` on the samples; `more` are the values of the
  /// inputs behind the program's own: variables, then a direction.
  Result<std::vector<data::Array>> run(const std::string &suffix,
                                       const Values *more);
  Status start(AnalysisResult &result);
  Status trace(AnalysisResult &result);
  Status runBackprop();
  void compareWithBackprop(AnalysisResult &result) const;
  Result<Spectrum> spectrum(bool errors, int64_t products, double tolerance);
  Status gradient(bool errors, const Values &at, Values &out);
  Status countSteps(AnalysisResult &result, int64_t most, double tolerance);
  const Values &startOf(bool errors) const {
    return errors ? startErrors : startStates;
  }

  const Module &module;
  Session session;
  std::string name;
  int64_t samples = 0;
  std::vector<data::Array> inputs;
  std::vector<Variable> variables;
  Values startStates, startErrors;
  /// The parameters' gradients of the traced program, summed over its weight
  /// steps, and backpropagation's.
  std::vector<std::pair<std::string, Values>> weightGradients, references;
};

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_ANALYSIS_H
