//===- ProgramLowering.h - Lowers one program ---------------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the files Program*.cpp share: the state of the pass that turns one
// pc.program into a function of batched tensors. LowerPrograms.cpp drives it.
//
//===----------------------------------------------------------------------===//

#ifndef PC_LIB_DIALECT_PC_TRANSFORMS_PROGRAMLOWERING_H
#define PC_LIB_DIALECT_PC_TRANSFORMS_PROGRAMLOWERING_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/Transforms/Batching.h"
#include "pc/Dialect/PC/Transforms/ModelGraph.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/ADT/BitVector.h"

namespace pc {

//===----------------------------------------------------------------------===//
// Environment: everything a statement can change
//===----------------------------------------------------------------------===//

/// The values that hold at one moment of a program. Copied when a point is
/// taken, carried around a loop.
struct Environment {
  /// One per node of the model; null while a state has no value.
  llvm::SmallVector<mlir::Value> states;
  /// eps = h - u of the nodes whose states were derived from errors; null where
  /// the state was set otherwise.
  llvm::SmallVector<mlir::Value> errors;
  /// Momentum, or Adam's first moment, of the state optimiser, one per node;
  /// null is zero.
  llvm::SmallVector<mlir::Value> traces;
  /// Adam's second moment and its count of steps (f64), one per node; null is
  /// zero.
  llvm::SmallVector<mlir::Value> seconds, counts;
  /// Factor of the energy (f64), one per node; null is 1.
  llvm::SmallVector<mlir::Value> precisions;
  /// One per parameter of the model.
  llvm::SmallVector<mlir::Value> params;
  /// Moments (tensors) and counts (i64) of the weight optimisers, by name.
  llvm::MapVector<mlir::StringAttr, mlir::Value> optimiser;
  /// 1 for the samples that take part in the loop around, 0 for those that
  /// pc.stop has ended; null where nothing stops.
  mlir::Value running;

  using List = llvm::SmallVector<mlir::Value> Environment::*;
  /// The lists that a loop carries, in order.
  static llvm::ArrayRef<List> getLists();

  /// Calls `fn` on every value that is set, in a fixed order.
  void forEach(llvm::function_ref<void(mlir::Value &)> fn);

  /// Forgets the state optimiser of a node.
  void resetOptimiser(unsigned node) {
    traces[node] = seconds[node] = counts[node] = mlir::Value();
  }
  /// Sets a state otherwise than by its error.
  void setState(unsigned node, mlir::Value value) {
    states[node] = value;
    errors[node] = mlir::Value();
  }
};

/// Where a gradient is taken: at the values of `at`; a vode's own state in its
/// own terms is that of `targets` where it is given.
struct GradientPoint {
  const Environment &at;
  const Environment *targets = nullptr;
};

/// The gradient that a pc.gradient stands for.
struct GradientValues {
  GradientKind kind;
  /// One per node or parameter; null where nothing was asked for.
  llvm::SmallVector<mlir::Value> values;
  /// What a gradient of states or errors was taken of, null likewise; empty for
  /// what is computed from gradients.
  llvm::SmallVector<mlir::Value> variables = {};
};

/// An output of the function, in the order of its creation.
struct ProgramOutput {
  PortAttr port;
  mlir::Value value;
};

/// A persistent array that the function takes and may change.
struct StorageArgument {
  PortAttr port;
  mlir::Type type;
  /// The node whose state, or momentum, it is.
  std::optional<unsigned> node = std::nullopt;
  bool momentum = false;
};

//===----------------------------------------------------------------------===//
// ProgramLowering
//===----------------------------------------------------------------------===//

/// Lowers one program. Statements are visited in order; each reads and writes
/// the environment, so the result is in SSA form from the start.
class ProgramLowering {
public:
  ProgramLowering(ProgramOp program, const ModelGraph &graph,
                  const LowerProgramsPassOptions &options)
      : program(program), graph(graph), options(options), origins(*this),
        builder(program.getContext(), &origins), context(program.getContext()) {
  }

  llvm::LogicalResult run();

private:
  // Statements.
  llvm::LogicalResult lowerBlock(mlir::Block &block);
  llvm::LogicalResult lower(mlir::Operation *op);
  llvm::LogicalResult lowerClamp(mlir::Operation *op, llvm::StringRef vode,
                                 mlir::Value value, mlir::Value beta,
                                 mlir::Value mask);
  llvm::LogicalResult lower(ReleaseOp op);
  llvm::LogicalResult lower(InitOp op);
  llvm::LogicalResult lower(RepeatOp op);
  /// Gives what the body will make (momentum, errors, precisions) a value that
  /// the loop can carry.
  llvm::LogicalResult prepareLoop(RepeatOp loop);
  llvm::LogicalResult lower(JointOp op);
  llvm::LogicalResult lower(InferOp op);
  llvm::LogicalResult lower(LearnOp op);
  llvm::LogicalResult lower(BackpropOp op);
  llvm::LogicalResult lower(GradientOp op);
  llvm::LogicalResult lower(CurvatureOp op);
  llvm::LogicalResult lower(CombineOp op);
  llvm::LogicalResult lower(ClipOp op);
  llvm::LogicalResult lower(ReadGradientOp op);
  llvm::LogicalResult lower(RestoreOp op);
  llvm::LogicalResult lower(SetOp op);
  llvm::LogicalResult lower(PrecisionOp op);
  llvm::LogicalResult lower(StopOp op);
  llvm::LogicalResult lower(NormOp op);
  llvm::LogicalResult lower(FreeEnergyOp op);
  llvm::LogicalResult lower(EvaluateOp op);
  llvm::LogicalResult lower(AverageOp op);
  llvm::LogicalResult lower(UseOp op);
  llvm::LogicalResult lower(UpdateOp op);
  llvm::LogicalResult lower(PredictOp op);
  llvm::LogicalResult lower(ReadOp op);
  llvm::LogicalResult lower(OutputOp op);
  llvm::LogicalResult lower(ReportOp op);
  llvm::LogicalResult lower(WarnOp op);
  llvm::LogicalResult lower(HyperOp op);
  llvm::LogicalResult lower(CounterOp op);
  llvm::LogicalResult lower(ScheduleOp op);

  // The model at a point.
  /// An evaluator with all parameters and all states that have values mapped.
  BatchedEvaluator makeEvaluator(const Environment &at);
  /// The batched value of `modelValue`; fails when it needs a state that has no
  /// value, with a diagnostic at `op`.
  mlir::Value evaluate(mlir::Operation *op, BatchedEvaluator &evaluator,
                       mlir::Value modelValue, const Environment &at);
  /// The free energy per sample, of one node or (nullopt) of all.
  mlir::Value buildEnergy(mlir::Operation *op, const Environment &at,
                          BatchedEvaluator &evaluator,
                          std::optional<unsigned> node);
  /// Adds `more` to `total`, which is null before the first part.
  void accumulate(mlir::Location loc, mlir::Value &total, mlir::Value more) {
    total = total ? AddOp::create(builder, loc, total.getType(), total, more)
                        .getResult()
                  : more;
  }
  /// The gradient of `energy` by `wrt`, the values of the nodes or parameters
  /// that are `wanted`.
  llvm::FailureOr<GradientValues>
  differentiateEnergy(GradientKind kind, mlir::Value energy,
                      mlir::ArrayRef<mlir::Value> wrt,
                      const llvm::BitVector &wanted);
  /// The free energy per sample now, on entry in a pc.joint; of the named vode
  /// or of all.
  mlir::Value getEnergyNow(mlir::Operation *op,
                           std::optional<llvm::StringRef> vode);
  /// The gradient of the free energy, for the nodes or parameters that are
  /// `wanted`.
  llvm::FailureOr<GradientValues> buildGradient(mlir::Operation *op,
                                                GradientKind kind,
                                                GradientPoint point,
                                                const llvm::BitVector &wanted);
  llvm::FailureOr<GradientValues>
  buildErrorGradient(mlir::Operation *op, const Environment &at,
                     const llvm::BitVector &wanted);
  /// The free energy per sample with the states of vodes in their own terms
  /// from `point.targets`.
  mlir::Value buildTargetEnergy(mlir::Operation *op, GradientPoint point);
  /// An elementwise operation with the body that `build` emits.
  static mlir::Value buildElementwise(
      mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type,
      mlir::ValueRange inputs,
      llvm::function_ref<mlir::Value(mlir::OpBuilder &, mlir::Location,
                                     mlir::ValueRange)>
          build);
  /// `set` where the mask is not zero, `unset` elsewhere.
  static mlir::Value buildSelect(mlir::OpBuilder &builder, mlir::Location loc,
                                 mlir::Value mask, mlir::Value set,
                                 mlir::Value unset);
  /// A batched tensor that is `held` where the mask of the node is not zero,
  /// `fresh` elsewhere; `fresh` if the node has no mask.
  mlir::Value hold(mlir::Location loc, unsigned node, mlir::Value held,
                   mlir::Value fresh);

  /// `fresh` for the samples that take part in the loop around, `old` for those
  /// that pc.stop has ended.
  mlir::Value keepStopped(mlir::Location loc, mlir::Value old,
                          mlir::Value fresh);
  /// Sets a free state as a statement asks: not what a mask holds, not in
  /// samples that have stopped.
  void assign(mlir::Location loc, unsigned node, mlir::Value value);

  // Error coordinates: eps = h - u.
  /// Gives the wanted nodes of `at` that have a prediction their errors.
  llvm::LogicalResult materialiseErrors(mlir::Operation *op, Environment &at,
                                        const llvm::BitVector &wanted);
  /// The wanted nodes that have a prediction, sources first; fails where they
  /// form a cycle.
  llvm::FailureOr<llvm::SmallVector<unsigned>>
  getErrorOrder(mlir::Operation *op, const llvm::BitVector &wanted);
  /// Sets the states of the nodes in `order` to prediction plus error. Returns
  /// the evaluator in which the states are mapped.
  llvm::FailureOr<BatchedEvaluator>
  deriveStates(mlir::Operation *op, Environment &at,
               llvm::ArrayRef<unsigned> order);

  /// Sets the state of `node` to its prediction, its sources first. `pending`
  /// are the nodes still to be set, `path` those being visited, `before` the
  /// states before the statement (what masks hold).
  llvm::LogicalResult initForward(InitOp op, unsigned node,
                                  llvm::BitVector &pending,
                                  llvm::SmallVectorImpl<unsigned> &path,
                                  llvm::ArrayRef<mlir::Value> before);

  // Updates.
  llvm::LogicalResult updateStates(mlir::Operation *op, OptimiserKind kind,
                                   const GradientValues &gradient,
                                   mlir::DictionaryAttr settings,
                                   mlir::ValueRange numbers);
  /// Settings of an Adam step, and the corrections of its `count`-th (an f64).
  struct AdamNumbers {
    mlir::Value b1, b2, eps, correction1, correction2;
  };
  AdamNumbers getAdamNumbers(mlir::Location loc, mlir::DictionaryAttr settings,
                             mlir::ValueRange numbers, mlir::Value count);
  /// optax.trace: the new trace m <- g + momentum m (null is zero), and what
  /// the step takes: m, or g + momentum m with the flag nesterov.
  struct MomentumStep {
    mlir::Value trace, step;
  };
  MomentumStep stepMomentum(mlir::Location loc, mlir::Value gradient,
                            mlir::Value trace, mlir::DictionaryAttr settings,
                            mlir::ValueRange numbers);
  /// One step of the optimiser of a state (or of its error), `value`, along
  /// minus `gradient`; updates the moments of `node`.
  mlir::Value stepState(mlir::Operation *op, OptimiserKind kind, unsigned node,
                        mlir::Value value, mlir::Value gradient,
                        mlir::DictionaryAttr settings,
                        mlir::ValueRange numbers);
  /// Both evaluations of Heun's method and the step.
  llvm::LogicalResult inferByHeun(InferOp op, const llvm::BitVector &free);
  llvm::LogicalResult updateParams(mlir::Operation *op, OptimiserKind kind,
                                   const GradientValues &gradient,
                                   mlir::DictionaryAttr settings,
                                   mlir::ValueRange numbers,
                                   llvm::StringRef owner,
                                   mlir::ArrayAttr noDecay);
  /// Standard normal numbers of a state's shape, others at each repetition of
  /// the loops around `op`. `position` tells the draws of one statement apart.
  mlir::Value drawNormal(mlir::Operation *op, mlir::Type type,
                         unsigned position);
  /// Free nodes, restricted to `vodes` when it is given.
  llvm::FailureOr<llvm::BitVector> getFreeNodes(mlir::Operation *op,
                                                mlir::ArrayAttr vodes);
  llvm::FailureOr<llvm::BitVector> getSelectedParams(mlir::Operation *op,
                                                     mlir::ArrayAttr names);
  /// The parameters that names in `params(...)` mean; unknown ones are left
  /// out.
  llvm::BitVector findParams(mlir::ArrayAttr names) const;
  llvm::FailureOr<unsigned> resolveNode(mlir::Operation *op,
                                        llvm::StringRef name);
  /// Multiplies parameter gradients by 1/n (mean) and `scale`.
  void scaleGradient(mlir::Location loc, GradientValues &gradient,
                     ReduceKind reduce, mlir::Value scale);

  // Checks.
  llvm::LogicalResult checkReachable(mlir::Operation *op,
                                     const llvm::BitVector &free);
  void remarkShortInference();
  /// Warns where a gradient is taken of a cross entropy whose state, free, is
  /// no distribution or will not stay one. `moved` are the nodes that `op`
  /// moves.
  void warnOfCrossEntropy(mlir::Operation *op, const llvm::BitVector &moved);
  /// Warns of parameters that `op` would move by a gradient that is zero
  /// because no energy depends on them.
  void warnOfNoGradient(mlir::Operation *op, const GradientValues &gradient);

  // Numbers.
  mlir::Value number(mlir::Location loc, double value) {
    return mlir::arith::ConstantOp::create(builder, loc,
                                           builder.getF64FloatAttr(value));
  }
  /// Value of a setting: written, operand, or `fallback`.
  mlir::Value getSetting(mlir::Location loc, mlir::DictionaryAttr settings,
                         mlir::ValueRange numbers, llvm::StringRef name,
                         double fallback);
  /// The setting if it is written as a number.
  static std::optional<double> getWritten(mlir::DictionaryAttr settings,
                                          llvm::StringRef name);
  /// True if an optimiser keeps a trace: a momentum written as 0 has none.
  static bool hasMomentum(mlir::DictionaryAttr settings) {
    return settings.get("momentum") && getWritten(settings, "momentum") != 0.0;
  }
  mlir::Value mapped(mlir::Value value) {
    return scalars.lookupOrDefault(value);
  }
  /// A value per sample of the program, batched: a constant is so for every
  /// sample.
  mlir::Value perSample(mlir::Value value) {
    return BatchedEvaluator(builder).getBatched(
        mapped(value), mlir::cast<mlir::RankedTensorType>(value.getType()));
  }
  /// Type of a number that all samples share, as a tensor.
  mlir::RankedTensorType getScalarType() const {
    mlir::Type element = graph.getNodes().empty()
                             ? mlir::Float32Type::get(context)
                             : graph.getNodes().front().type.getElementType();
    return mlir::RankedTensorType::get({}, element);
  }
  /// Type of Environment::running.
  mlir::Type getRunningType() const { return getBatchedType(getScalarType()); }
  mlir::Value splat(mlir::Location loc, mlir::Type type, double value) {
    return SplatOp::create(builder, loc, type, builder.getF64FloatAttr(value));
  }
  /// A number in every element of a tensor, rounded to its type.
  mlir::Value fill(mlir::Location loc, mlir::Type type, mlir::Value number) {
    return ScaleOp::create(builder, loc, type, splat(loc, type, 1.0), number);
  }
  mlir::Value getBatchReduced(mlir::Location loc, mlir::Value value,
                              ReduceKind reduce);
  mlir::Value getInverseBatch(mlir::Location loc);

  // The function's interface.
  mlir::Value getHyper(HyperOp op);
  mlir::Value getCounter(mlir::Location loc, llvm::StringRef name,
                         mlir::Type type);
  mlir::Value addArgument(mlir::Type type, PortAttr port, mlir::Location loc);
  PortAttr makePort(PortKind kind, llvm::StringRef name,
                    llvm::ArrayRef<mlir::NamedAttribute> details = {});
  mlir::NamedAttribute detail(llvm::StringRef name, mlir::Attribute value) {
    return builder.getNamedAttr(name, value);
  }
  void addOutput(PortAttr port, mlir::Value value) {
    outputs.push_back({port, value});
  }
  /// Creates the storage of a weight optimiser before the body is lowered, so
  /// that loops can carry it.
  void declareOptimiser(OptimiserKind kind, mlir::DictionaryAttr settings,
                        llvm::StringRef owner, const llvm::BitVector &params);
  llvm::LogicalResult declareStorage();
  /// The state, or the momentum, that the last call left at a node: an argument
  /// of the function, written back at its end.
  mlir::Value getCarried(InitOp op, unsigned node, bool momentum);
  /// Squares of a gradient's elements, summed for each sample (states, errors)
  /// or over all (params); null for an empty gradient.
  mlir::Value sumSquares(mlir::Location loc, const GradientValues &gradient);
  /// Count of weight steps, an i64 in the environment.
  mlir::StringAttr getWeightStepName() {
    return builder.getStringAttr("weight_step");
  }
  static std::string getOwner(OptimiserKind kind,
                              std::optional<llvm::StringRef> owner) {
    return owner ? owner->str() : stringifyOptimiserKind(kind).str();
  }

  PortAttr makeReportPort(llvm::StringRef name, ReduceKind reduce, bool shown);
  /// `shown` marks what a user asked for; the rest is there for diagnoses.
  void addReport(llvm::StringRef name, ReduceKind reduce, mlir::Value value,
                 bool shown);
  /// Gives the reports of a loop a value that the loop can carry.
  void declareReports(mlir::Operation *loop);

  // Trace.
  llvm::LogicalResult traceStates(mlir::Operation *op);

  /// Notes for which statement and vode an operation was built.
  struct OriginListener : mlir::OpBuilder::Listener {
    OriginListener(ProgramLowering &lowering) : lowering(lowering) {}
    void notifyOperationInserted(mlir::Operation *op,
                                 mlir::OpBuilder::InsertPoint previous) final;
    ProgramLowering &lowering;
  };

  ProgramOp program;
  const ModelGraph &graph;
  const LowerProgramsPassOptions &options;
  OriginListener origins;
  mlir::OpBuilder builder;
  mlir::MLIRContext *context;
  /// The statement that is lowered, and the vode whose share of it.
  mlir::Operation *statement = nullptr;
  llvm::StringRef share;

  mlir::func::FuncOp function;
  Environment env;
  /// Where gradients are taken inside pc.joint; null elsewhere.
  const Environment *joint = nullptr;
  llvm::BitVector clamped;
  /// Nodes that were clamped or set to a value at some point of the program.
  llvm::BitVector given;
  /// Nodes whose state pc.init forward has set last.
  llvm::BitVector predicted;
  /// Statements, and nodes, that were warned of: unrolled, a statement is seen
  /// more than once.
  llvm::DenseSet<std::pair<mlir::Operation *, unsigned>> warned;
  /// Masks of the elements that are clamped, batched; null where a node has
  /// none.
  llvm::SmallVector<mlir::Value> masks;
  /// Program values to function values: inputs, numbers, per-sample values.
  mlir::IRMapping scalars;
  llvm::DenseMap<mlir::Value, Environment> points;
  llvm::DenseMap<mlir::Value, GradientValues> gradients;
  llvm::StringMap<mlir::Value> namedArguments;
  llvm::SmallVector<ProgramOutput> outputs;
  /// Reports inside loops: their values are in the environment.
  llvm::SmallVector<ProgramOutput> loopReports;
  /// The learned parameters while averages stand for them (pc.use).
  std::optional<llvm::SmallVector<mlir::Value>> learned;
  /// Persistent arrays in the order of the arguments.
  llvm::SmallVector<StorageArgument> storage;
  int64_t weightSteps = 0;
  /// Product of the bounds of the loops around the statement.
  int64_t repetitions = 1;
  /// Times that a statement is unrolled.
  int64_t unrolled = 1;
  /// The same with unrolled loops, and the repetition as an i64 (null outside
  /// of loops): what makes the random numbers of each repetition others.
  int64_t drawRange = 1;
  mlir::Value drawIndex;
  /// Counters that the pc.joint around the statement has advanced.
  llvm::SmallPtrSet<mlir::Attribute, 4> jointCounts;
  int64_t traceStep = 0;
  int64_t learnIndex = 0;
  /// First stream of random numbers of a statement, and the next free one.
  llvm::DenseMap<mlir::Operation *, int64_t> streams;
  int64_t nextStream = 0;
  /// Static number of inference steps, for the depth remark; -1: unknown.
  int64_t inferSteps = 0;
  /// What optimisers of states the program has.
  bool usesMomentum = false, usesAdam = false;
  bool forwardInitialised = false;
  /// Error coordinates: one step reaches all layers.
  bool infersErrors = false;
  mlir::Operation *firstInfer = nullptr;
};

} // namespace pc

#endif // PC_LIB_DIALECT_PC_TRANSFORMS_PROGRAMLOWERING_H
