//===- Work.h - FLOPs and bytes of programs -------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DRIVER_WORK_H
#define PC_DRIVER_WORK_H

#include "mlir/IR/BuiltinOps.h"
#include "pc/Codegen/GPU/CostModel.h"

#include <optional>
#include <string>
#include <vector>

namespace pc {

/// What one run of some operations costs: a number for each sample, and one for
/// the call, which the size of the batch does not change.
struct Cost {
  double perSample = 0, perCall = 0;

  Cost &operator+=(const Cost &other) {
    perSample += other.perSample;
    perCall += other.perCall;
    return *this;
  }
  double forBatch(double batch) const { return perSample * batch + perCall; }
};

/// Work of one kind of statement for one vode in one range of inference steps.
struct WorkRow {
  /// Mnemonic of the statement ("infer") and the vode; either may be empty.
  std::string statement, vode;
  /// The steps of a loop, both ends included; -1 outside of loops.
  int64_t firstStep = -1, lastStep = -1;
  /// How often it runs in a call; in a loop whose bound is known at run time
  /// only, once in each of its steps.
  int64_t times = 1;
  bool boundKnown = true;

  // Of one run:
  /// Products with a weight (pc.dense) and outer products over the batch
  /// (pc.batch_outer).
  int64_t products = 0, outerProducts = 0;
  /// FLOPs of both, two for a multiply-add.
  Cost flops;
  /// Elements that everything else computes.
  Cost elements;
  /// Bytes that the operations read and write. What passes from a product or an
  /// element-wise operation to one element-wise operation stays in registers.
  Cost bytes;

  int64_t getSteps() const {
    return firstStep < 0 ? 1 : lastStep - firstStep + 1;
  }
};

/// Work of one program in one phase, in the order of the code.
struct ProgramWork {
  std::string program;
  std::vector<WorkRow> rows;
};

/// Counts the work of every program of a module in the functional or the
/// simplified phase.
std::vector<ProgramWork> countWork(mlir::ModuleOp module);

/// A machine as a roofline: what the predicted times are for.
struct Machine {
  double gflops = 100;   ///< peak of a core, 10^9 FLOP/s
  double bandwidth = 20; ///< of all cores, 10^9 bytes/s
  int64_t cores = 1;

  /// Parses "gflops=117,bandwidth=40,cores=2"; what is left out keeps its
  /// default. The error says what is wrong.
  static std::optional<Machine> parse(llvm::StringRef text, std::string &error);

  /// Seconds that so many FLOPs and bytes take at least.
  double predict(double flops, double bytes) const;
};

/// A program for devices in one form, and its predicted times.
struct DeviceWork {
  std::string program, strategy;
  bool chosen = false;
  /// No loop has a bound that only the call knows.
  bool exact = true;
  int64_t launches = 0, blocks = 0, sharedBytes = 0;
  double meets = 0, flops = 0, bytes = 0;
  /// By machine, as they were asked for.
  llvm::SmallVector<DeviceCost> costs;
};

/// The programs of one plan for devices, in both forms.
struct DevicePlanWork {
  /// Of the architectures that it is for: "sm_86, sm_89".
  std::string archs;
  /// Those that the costs are of: none if none of them is described.
  llvm::SmallVector<GPUMachine> machines;
  std::vector<DeviceWork> programs;
};

/// Describes the programs of a module in the gpu phase, with times on
/// `machines`.
std::vector<DeviceWork> describeDeviceWork(const ModuleInfo &info,
                                           int64_t batch,
                                           llvm::ArrayRef<GPUMachine> machines);

/// What --emit=work writes: every program before and after elimination.
class WorkReport {
public:
  WorkReport(int64_t batch, const Machine &machine)
      : batch(batch), machine(machine) {}

  void setBefore(std::vector<ProgramWork> work) { before = std::move(work); }
  void setAfter(std::vector<ProgramWork> work) { after = std::move(work); }

  /// `unpredicted` are the architectures that code is for and of which no
  /// machine is known.
  void setDevices(std::vector<DevicePlanWork> work,
                  llvm::ArrayRef<std::string> unpredicted) {
    devices = std::move(work);
    unpredictedArchs.assign(unpredicted.begin(), unpredicted.end());
  }

  void writeText(llvm::raw_ostream &os) const;
  void writeJSON(llvm::raw_ostream &os) const;

private:
  /// A line: what a statement does for a vode in some steps, in a call.
  struct Line {
    std::string statement, vode;
    int64_t firstStep, lastStep;
    bool boundKnown = true;
    double before = 0, after = 0, elements = 0, bytes = 0;
  };
  struct Program {
    std::string name;
    std::vector<Line> lines;
    Line total;
  };
  std::vector<Program> compare() const;
  void writePlan(const DevicePlanWork &plan, llvm::raw_ostream &os) const;

  int64_t batch;
  Machine machine;
  std::vector<ProgramWork> before, after;
  std::vector<DevicePlanWork> devices;
  llvm::SmallVector<std::string> unpredictedArchs;
};

} // namespace pc

#endif // PC_DRIVER_WORK_H
