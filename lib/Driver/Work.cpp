//===- Work.cpp - FLOPs and bytes of programs -----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Driver/Work.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <set>

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------===//

static RankedTensorType getArray(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && isa<FloatType>(tensor.getElementType()) ? tensor : nullptr;
}

/// `amount` for each element of an array.
static Cost getCost(RankedTensorType type, double amount) {
  bool perSample = type.getRank() > 0 && type.isDynamicDim(0);
  double elements = 1;
  for (int64_t extent : type.getShape().drop_front(perSample))
    elements *= extent;
  return perSample ? Cost{elements * amount, 0} : Cost{0, elements * amount};
}

static Cost getBytes(RankedTensorType type) {
  return getCost(type, type.getElementTypeBitWidth() / 8.0);
}

/// True for what takes no memory of its own: its readers repeat a number.
static bool isRepeated(Operation *op) {
  return op->hasTrait<OpTrait::ConstantLike>() ||
         isa<SplatOp, BroadcastOp, BatchBroadcastOp>(op);
}

/// True if `value` goes from the operation that makes it to its one reader
/// without memory between them.
static bool staysInRegisters(Value value) {
  Operation *def = value.getDefiningOp();
  return def && value.hasOneUse() &&
         isa<DenseOp, BatchOuterOp, ElementwiseOpInterface>(def) &&
         isa<ElementwiseOpInterface>(*value.user_begin()) &&
         def->getBlock() == (*value.user_begin())->getBlock();
}

static void countOp(Operation *op, WorkRow &row) {
  if (auto dense = dyn_cast<DenseOp>(op)) {
    ++row.products;
    row.flops.perSample += 2.0 * dense.getWeight().getType().getNumElements();
  } else if (auto outer = dyn_cast<BatchOuterOp>(op)) {
    ++row.outerProducts;
    row.flops.perSample += 2.0 * outer.getOutput().getType().getNumElements();
  } else {
    // The larger side: results of maps, operands of reductions.
    Cost most;
    for (Type type :
         llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()),
                                  SmallVector<Type>(op->getResultTypes())))
      if (RankedTensorType array = getArray(type)) {
        Cost cost = getCost(array, 1);
        if (cost.forBatch(1) > most.forBatch(1))
          most = cost;
      }
    row.elements += most;
  }
  for (Value operand :
       llvm::SetVector<Value>(op->operand_begin(), op->operand_end())) {
    RankedTensorType array = getArray(operand.getType());
    Operation *def = operand.getDefiningOp();
    if (array && !(def && isRepeated(def)) && !staysInRegisters(operand))
      row.bytes += getBytes(array);
  }
  for (Value result : op->getResults())
    if (RankedTensorType array = getArray(result.getType());
        array && !result.use_empty() && !staysInRegisters(result))
      row.bytes += getBytes(array);
}

/// A row with the steps and repetitions of `op`, and nothing counted.
static WorkRow makeRow(Operation *op) {
  WorkRow row;
  if (OriginAttr origin = OriginAttr::of(op->getLoc())) {
    row.statement = origin.getStatement().str();
    row.vode = origin.getVode().str();
    row.firstStep = row.lastStep = origin.getStep();
  }
  bool innermost = true;
  for (auto loop = op->getParentOfType<scf::ForOp>(); loop;
       loop = loop->getParentOfType<scf::ForOp>()) {
    std::optional<APInt> count = loop.getStaticTripCount();
    std::optional<int64_t> first = getConstantIntValue(loop.getLowerBound());
    if (!count || !first) {
      row.boundKnown = false;
    } else {
      row.times *= count->getSExtValue();
      if (innermost && *count != 0) {
        row.firstStep = *first;
        row.lastStep = *first + count->getSExtValue() - 1;
      }
    }
    innermost = false;
  }
  return row;
}

std::vector<ProgramWork> pc::countWork(ModuleOp module) {
  std::vector<ProgramWork> work;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(PCDialect::kProgramAttrName))
      continue;
    ProgramWork &program = work.emplace_back();
    program.program = function.getSymName().str();
    using Key =
        std::tuple<std::string, std::string, int64_t, int64_t, int64_t, bool>;
    std::map<Key, size_t> index;
    function.walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op == function || isa<scf::ForOp>(op))
        return WalkResult::advance();
      if (isRepeated(op) || isa<IdentityOp>(op) ||
          op->hasTrait<OpTrait::IsTerminator>() ||
          llvm::none_of(op->getResultTypes(), getArray))
        return WalkResult::skip();
      WorkRow row = makeRow(op);
      auto [it, inserted] =
          index.try_emplace(Key(row.statement, row.vode, row.firstStep,
                                row.lastStep, row.times, row.boundKnown),
                            program.rows.size());
      if (inserted)
        program.rows.push_back(row);
      countOp(op, program.rows[it->second]);
      // The body of an element-wise operation is part of it.
      return WalkResult::skip();
    });
  }
  return work;
}

//===----------------------------------------------------------------------===//
// Machines
//===----------------------------------------------------------------------===//

std::optional<Machine> Machine::parse(StringRef text, std::string &error) {
  Machine machine;
  SmallVector<StringRef> parts;
  text.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    auto [name, value] = part.split('=');
    double number;
    if (value.getAsDouble(number) || !(number > 0) || !std::isfinite(number)) {
      error = llvm::formatv("expected a positive number after '{0}=', found "
                            "'{1}'",
                            name, value);
      return std::nullopt;
    }
    if (name == "gflops") {
      machine.gflops = number;
    } else if (name == "bandwidth") {
      machine.bandwidth = number;
    } else if (name == "cores" && number == std::floor(number)) {
      machine.cores = static_cast<int64_t>(number);
    } else if (name == "cores") {
      error = llvm::formatv("cores is a whole number, found '{0}'", value);
      return std::nullopt;
    } else {
      error = llvm::formatv("unknown '{0}', expected gflops (10^9 FLOP/s of a "
                            "core), bandwidth (10^9 bytes/s) or cores",
                            name);
      return std::nullopt;
    }
  }
  return machine;
}

double Machine::predict(double flops, double bytes) const {
  return std::max(flops / (gflops * 1e9 * cores), bytes / (bandwidth * 1e9));
}

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

/// The ranges of steps that no row of a statement begins or ends within, and -1
/// for what is outside of loops.
static std::vector<std::pair<int64_t, int64_t>>
cutSteps(ArrayRef<const ProgramWork *> phases, StringRef statement) {
  std::set<int64_t> cuts;
  bool outside = false;
  for (const ProgramWork *work : phases)
    for (const WorkRow &row : work->rows) {
      if (row.statement != statement)
        continue;
      if (row.firstStep < 0) {
        outside = true;
      } else {
        cuts.insert(row.firstStep);
        cuts.insert(row.lastStep + 1);
      }
    }
  std::vector<std::pair<int64_t, int64_t>> ranges;
  if (outside)
    ranges.emplace_back(-1, -1);
  for (auto it = cuts.begin(); it != cuts.end() && std::next(it) != cuts.end();
       ++it)
    ranges.emplace_back(*it, *std::next(it) - 1);
  return ranges;
}

std::vector<WorkReport::Program> WorkReport::compare() const {
  std::vector<Program> programs;
  for (const ProgramWork &later : after) {
    const ProgramWork *earlier =
        llvm::find_if(before, [&](const ProgramWork &work) {
          return work.program == later.program;
        }).base();
    Program &program = programs.emplace_back();
    program.name = later.program;
    // Statements and vodes in the order of the program.
    SetVector<StringRef> statements;
    llvm::MapVector<StringRef, SetVector<StringRef>> vodes;
    SmallVector<const ProgramWork *> phases = {earlier, &later};
    for (const ProgramWork *work : phases)
      for (const WorkRow &row : work->rows) {
        statements.insert(row.statement);
        vodes[row.statement].insert(row.vode);
      }
    program.total.firstStep = program.total.lastStep = -1;
    for (StringRef statement : statements)
      for (auto [first, last] : cutSteps(phases, statement))
        for (StringRef vode : vodes[statement]) {
          Line line{statement.str(), vode.str(), first, last};
          // The runs of `row` that fall into the range.
          auto getRuns = [&, first = first, last = last](const WorkRow &row) {
            if (row.statement != statement || row.vode != vode)
              return 0.0;
            if (first < 0 || row.firstStep < 0)
              return first == row.firstStep ? double(row.times) : 0.0;
            int64_t common = std::min(last, row.lastStep) -
                             std::max(first, row.firstStep) + 1;
            return double(row.times) / row.getSteps() *
                   std::max<int64_t>(common, 0);
          };
          for (const WorkRow &row : earlier->rows)
            line.before += row.flops.forBatch(batch) * getRuns(row);
          for (const WorkRow &row : later.rows) {
            double runs = getRuns(row);
            line.after += row.flops.forBatch(batch) * runs;
            line.elements += row.elements.forBatch(batch) * runs;
            line.bytes += row.bytes.forBatch(batch) * runs;
            line.boundKnown &= runs == 0 || row.boundKnown;
          }
          if (line.before == 0 && line.after == 0 && line.elements == 0 &&
              line.bytes == 0)
            continue;
          program.total.before += line.before;
          program.total.after += line.after;
          program.total.elements += line.elements;
          program.total.bytes += line.bytes;
          program.total.boundKnown &= line.boundKnown;
          program.lines.push_back(std::move(line));
        }
  }
  return programs;
}

static std::string formatSteps(int64_t first, int64_t last, bool known) {
  if (!known)
    return "each";
  if (first < 0)
    return "-";
  if (first == last)
    return std::to_string(first);
  return (Twine(first) + "-" + Twine(last)).str();
}

static std::string formatSeconds(double seconds) {
  if (seconds >= 1)
    return llvm::formatv("{0:f2} s", seconds);
  if (seconds >= 1e-3)
    return llvm::formatv("{0:f2} ms", seconds * 1e3);
  return llvm::formatv("{0:f2} us", seconds * 1e6);
}

/// A whole number: counts stay below 2^53.
static std::string formatCount(double count) {
  return std::to_string(static_cast<int64_t>(count));
}

/// The first `names` columns to the left, numbers to the right.
static void writeTable(raw_ostream &os,
                       ArrayRef<std::vector<std::string>> table, size_t names) {
  SmallVector<size_t> widths(table.front().size(), 0);
  for (const std::vector<std::string> &row : table)
    for (auto [width, cell] : llvm::zip_equal(widths, row))
      width = std::max(width, cell.size());
  for (const std::vector<std::string> &row : table) {
    std::string text;
    for (auto [column, cell] : llvm::enumerate(row)) {
      std::string space(widths[column] - cell.size(), ' ');
      text +=
          (column ? "  " : "") + (column < names ? cell + space : space + cell);
    }
    os << StringRef(text).rtrim() << "\n";
  }
}

void WorkReport::writeText(raw_ostream &os) const {
  os << "Work of a call with " << batch
     << " samples: FLOPs of products, two for a multiply-add,\nbefore and "
        "after "
        "elimination; elements that all else computes; bytes read "
        "and\nwritten. "
        "The time is the least on "
     << machine.cores << (machine.cores == 1 ? " core of " : " cores of ")
     << llvm::format("%g GFLOP/s with %g GB/s.\n", machine.gflops,
                     machine.bandwidth);
  for (const Program &program : compare()) {
    os << "\n@" << program.name << "\n";
    std::vector<std::vector<std::string>> table = {
        {"statement", "steps", "vode", "FLOPs before", "after", "removed",
         "elements", "bytes", "FLOP/byte", "time"}};
    auto add = [&](const Line &line, StringRef statement, StringRef steps) {
      table.push_back(
          {statement.str(), steps.str(), line.vode, formatCount(line.before),
           formatCount(line.after),
           line.before > 0
               ? llvm::formatv("{0:f1} %",
                               100 * (line.before - line.after) / line.before)
                     .str()
               : "-",
           formatCount(line.elements), formatCount(line.bytes),
           line.bytes > 0
               ? llvm::formatv("{0:f1}", line.after / line.bytes).str()
               : "-",
           formatSeconds(machine.predict(line.after, line.bytes))});
    };
    for (const Line &line : program.lines)
      add(line, line.statement.empty() ? "-" : StringRef(line.statement),
          formatSteps(line.firstStep, line.lastStep, line.boundKnown));
    add(program.total, program.total.boundKnown ? "total" : "at least", "");
    writeTable(os, table, /*names=*/3);
  }
  if (devices.empty())
    return;
  os << "\nOn a GPU, predicted, not measured; a * is what would be compiled. "
        "FLOPs and bytes\nare those that kernels carry out and ask for, with "
        "the zeros beyond the ends of\ntiles. A time is made of work, waits "
        "for "
        "memory, meetings of all blocks, and launches.\n";
  if (!unpredictedArchs.empty()) {
    SmallVector<std::string> known;
    for (const GPUMachine &machine : getGPUMachines())
      known.push_back(machine.getDescription());
    os << "No machine is described for " << llvm::join(unpredictedArchs, ", ")
       << ": not predicted. Described: " << llvm::join(known, ", ") << ".\n";
  }
  for (const DevicePlanWork &plan : devices) {
    os << "\n";
    if (devices.size() > 1)
      os << "For " << plan.archs << ":\n";
    writePlan(plan, os);
  }
}

void WorkReport::writePlan(const DevicePlanWork &plan, raw_ostream &os) const {
  std::vector<std::vector<std::string>> table = {
      {"program", "strategy", "launches", "blocks", "shared", "meetings",
       "FLOPs", "bytes"}};
  for (const GPUMachine &machine : plan.machines)
    table.front().push_back((machine.name + " time").str());
  if (!plan.machines.empty())
    for (const char *part : {"= work", "+ waits", "+ meetings", "+ launches"})
      table.front().push_back(part);
  for (const DeviceWork &work : plan.programs) {
    std::string atLeast = work.exact ? "" : "at least ";
    std::vector<std::string> &row = table.emplace_back();
    row = {"@" + work.program,
           work.strategy + (work.chosen ? " *" : ""),
           std::to_string(work.launches),
           std::to_string(work.blocks),
           std::to_string(work.sharedBytes),
           formatCount(work.meets),
           atLeast + formatCount(work.flops),
           atLeast + formatCount(work.bytes)};
    for (const DeviceCost &cost : work.costs)
      row.push_back(atLeast + formatSeconds(cost.getSeconds()));
    if (work.costs.empty())
      continue;
    const DeviceCost &last = work.costs.back();
    for (double part : {last.work, last.waits, last.meets, last.launches})
      row.push_back(formatSeconds(part));
  }
  writeTable(os, table, /*names=*/2);
}

std::vector<DeviceWork> pc::describeDeviceWork(const ModuleInfo &info,
                                               int64_t batch,
                                               ArrayRef<GPUMachine> machines) {
  std::vector<DeviceWork> all;
  for (const EntryInfo &entry : info.entries) {
    DeviceWork &work = all.emplace_back();
    work.program = entry.program.str();
    work.strategy = entry.strategy.str();
    work.meets = entry.meets;
    for (const LaunchInfo &launch : entry.launches) {
      work.launches += std::max<int64_t>(1, std::llround(launch.runs));
      work.blocks = std::max(work.blocks, launch.blocks);
      work.sharedBytes = std::max(work.sharedBytes, launch.sharedBytes);
      for (auto [index, calls] : launch.uses) {
        const KernelInfo &kernel = entry.kernels[index];
        // Loops with a bound that only the call knows run once, at least.
        work.exact &= calls > 0 && launch.runs > 0;
        double times = std::max(calls, 1.0) * std::max(launch.runs, 1.0);
        work.flops +=
            times * (kernel.flopsBase + batch * kernel.flopsPerSample);
        work.bytes +=
            times * (kernel.bytesBase + batch * kernel.bytesPerSample);
      }
    }
    for (const GPUMachine &machine : machines)
      work.costs.push_back(predictCost(entry, machine));
  }
  return all;
}

void WorkReport::writeJSON(raw_ostream &os) const {
  llvm::json::OStream json(os, /*IndentSize=*/1);
  auto write = [&](const Line &line) {
    json.attribute("flops_before", static_cast<int64_t>(line.before));
    json.attribute("flops", static_cast<int64_t>(line.after));
    json.attribute("elements", static_cast<int64_t>(line.elements));
    json.attribute("bytes", static_cast<int64_t>(line.bytes));
    json.attribute("seconds", machine.predict(line.after, line.bytes));
    json.attribute("exact", line.boundKnown);
  };
  json.object([&] {
    json.attribute("batch", batch);
    json.attributeObject("machine", [&] {
      json.attribute("gflops", machine.gflops);
      json.attribute("bandwidth", machine.bandwidth);
      json.attribute("cores", machine.cores);
    });
    json.attributeArray("programs", [&] {
      for (const Program &program : compare())
        json.object([&] {
          json.attribute("program", program.name);
          write(program.total);
          json.attributeArray("rows", [&] {
            for (const Line &line : program.lines)
              json.object([&] {
                json.attribute("statement", line.statement);
                json.attribute("vode", line.vode);
                if (line.firstStep >= 0) {
                  json.attribute("first_step", line.firstStep);
                  json.attribute("last_step", line.lastStep);
                }
                write(line);
              });
          });
        });
    });
    json.attributeArray("not_predicted", [&] {
      for (const std::string &arch : unpredictedArchs)
        json.value(arch);
    });
    json.attributeArray("devices", [&] {
      for (const DevicePlanWork &plan : devices)
        for (const DeviceWork &work : plan.programs)
          json.object([&] {
            json.attribute("archs", plan.archs);
            json.attribute("program", work.program);
            json.attribute("strategy", work.strategy);
            json.attribute("chosen", work.chosen);
            json.attribute("exact", work.exact);
            json.attribute("launches", work.launches);
            json.attribute("blocks", work.blocks);
            json.attribute("shared_bytes", work.sharedBytes);
            json.attribute("meetings", work.meets);
            json.attribute("flops", work.flops);
            json.attribute("bytes", work.bytes);
            json.attributeObject("predicted_seconds", [&] {
              for (auto [machine, cost] :
                   llvm::zip_equal(plan.machines, work.costs))
                json.attributeObject(machine.name, [&] {
                  json.attribute("total", cost.getSeconds());
                  json.attribute("work", cost.work);
                  json.attribute("waits", cost.waits);
                  json.attribute("meetings", cost.meets);
                  json.attribute("launches", cost.launches);
                });
            });
          });
    });
  });
  os << "\n";
}
