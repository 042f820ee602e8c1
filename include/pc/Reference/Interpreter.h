//===- Interpreter.h - Reference interpreter of functional programs -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle of every phase from `functional` on: plain loops in double
// precision over the operations of a program, one after another, with formulas
// of its own. It shares no code with differentiation, simplification or code
// generation, so that an error would have to be made twice to go unseen.
//
//===----------------------------------------------------------------------===//

#ifndef PC_REFERENCE_INTERPRETER_H
#define PC_REFERENCE_INTERPRETER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace pc::reference {

/// A dense row-major array. Integer arrays hold their values as doubles, exact
/// below 2^53.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;

  Tensor() = default;
  Tensor(std::vector<int64_t> shape, std::vector<double> data)
      : shape(std::move(shape)), data(std::move(data)) {}

  /// A tensor of `shape` with `value` everywhere.
  static Tensor splat(llvm::ArrayRef<int64_t> shape, double value);
  /// A tensor of rank 0.
  static Tensor scalar(double value) { return Tensor({}, {value}); }

  int64_t size() const { return static_cast<int64_t>(data.size()); }
};

/// "3x4" for a shape of two dimensions, "scalar" for none: for messages.
std::string formatShape(llvm::ArrayRef<int64_t> shape);

/// A value at run time: a tensor, a floating-point number, or an integer (index
/// and i1 among them, sign-extended; i1 is 0 or 1).
using Value = std::variant<Tensor, double, int64_t>;

/// How programs are evaluated.
struct Options {
  /// Rounds the result of every operation to f32 where its type is f32, as
  /// single-precision code that sums in double would. Otherwise f32 values keep
  /// the precision of double.
  bool roundToElementType = false;
};

/// Evaluates `function` on `arguments`, one value per argument, with `n` for
/// the leading dynamic dimension of per-sample tensors. Emits a diagnostic at
/// the operation that fails.
mlir::FailureOr<std::vector<Value>> evaluate(mlir::func::FuncOp function,
                                             llvm::ArrayRef<Value> arguments,
                                             int64_t n,
                                             const Options &options = {});

/// What schedules and random numbers depend on, as pcx_counters_t.
struct Counters {
  uint64_t seed = 0;     ///< key of the random numbers
  uint64_t call = 0;     ///< programs run so far
  double totalSteps = 1; ///< weight steps of the whole run
  double epoch = 0;      ///< position in the run
};

/// A session over the functional programs of a module: persistent arrays,
/// hyper-parameters and counters, shared by all programs.
class Interpreter {
public:
  using Arrays = std::map<std::string, Tensor>;

  /// Collects the ports of all programs (functions with a `pc.program`
  /// attribute). Fails with a diagnostic when a port is missing or when two
  /// programs disagree about a name. Storage starts at zero, hyper-parameters
  /// at their defaults. The module must outlive the interpreter and stay as it
  /// is.
  static mlir::FailureOr<Interpreter> create(mlir::ModuleOp module,
                                             const Options &options = {});

  /// Runs every initialiser with the key `seed` (pcx_philox in pcx.h says which
  /// words become which elements), zeroes everything else and the counters.
  void initialise(uint64_t seed);

  /// Names of all programs, in the module's order.
  std::vector<std::string> getProgramNames() const;
  /// Shapes of the inputs of a program on `n` samples, by name; empty when
  /// there is no such program.
  std::map<std::string, std::vector<int64_t>> getInputs(llvm::StringRef program,
                                                        int64_t n) const;

  /// The persistent arrays by name.
  const Arrays &getStorage() const { return storage; }
  /// The named array, or null.
  const Tensor *getStorage(llvm::StringRef name) const;
  /// Replaces a persistent array. Fails with a diagnostic when there is none of
  /// the name or when the shape differs.
  mlir::LogicalResult setStorage(llvm::StringRef name, Tensor value);

  /// Sets a hyper-parameter. Fails with a diagnostic when there is none of the
  /// name or when the value is out of its bounds or not whole.
  mlir::LogicalResult setHyper(llvm::StringRef name, double value);
  const std::map<std::string, double> &getHypers() const { return hypers; }

  Counters &getCounters() { return counters; }

  /// Runs a program on `n` samples: every input as an array of n rows. Returns
  /// the outputs by name. Storage is updated and the call counted only when
  /// the run succeeds.
  mlir::FailureOr<Arrays> run(llvm::StringRef program, int64_t n,
                              const Arrays &inputs);

private:
  Interpreter(mlir::ModuleOp module, const Options &options)
      : module(module), options(options) {}

  mlir::LogicalResult collectPorts(mlir::func::FuncOp function);
  mlir::FailureOr<Value> getArgument(mlir::func::FuncOp function,
                                     unsigned index, int64_t n,
                                     const Arrays &inputs);
  mlir::func::FuncOp lookupProgram(llvm::StringRef name) const;

  mlir::ModuleOp module;
  Options options;
  Counters counters;
  Arrays storage;
  std::map<std::string, double> hypers;
  /// First argument of each persistent array and hyper-parameter: its port
  /// attribute and its type.
  std::map<std::string, std::pair<mlir::Attribute, mlir::Type>> storagePorts;
  std::map<std::string, mlir::Attribute> hyperPorts;
};

/// Element `element` (row major within one sample) of slot `sample` of a
/// `pc.random_normal`: docs/spec.md, "Random numbers".
double randomNormal(uint64_t seed, uint64_t call, uint64_t stream,
                    uint64_t sample, uint64_t element);

/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): the 64-bit halves
/// (x, y) of block `index` of `stream` under the key `seed`, as pcx_philox.
std::pair<uint64_t, uint64_t> philoxPair(uint64_t seed, uint64_t stream,
                                         uint64_t index);

} // namespace pc::reference

#endif // PC_REFERENCE_INTERPRETER_H
