//===- Dot.cpp - Pictures of models and of what was removed ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Driver/Dot.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/GraphWriter.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace pc;

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

/// "128x784" of a tensor type; the empty string for a single number.
static std::string getShape(Type type) {
  std::string shape;
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    for (int64_t extent : tensor.getShape())
      shape += (shape.empty() ? "" : "x") + std::to_string(extent);
  return shape;
}

void DotWriter::addModels(ModuleOp module) {
  llvm::raw_string_ostream os(models);
  for (ModelOp model : module.getOps<ModelOp>()) {
    os << llvm::formatv("  subgraph cluster_{0} {{\n    label = \"@{1}\";\n",
                        clusters,
                        llvm::DOT::EscapeString(model.getSymName().str()));
    // One node an operation; terms are edges into their vode.
    llvm::DenseMap<Operation *, std::string> ids;
    llvm::StringMap<std::string> states;
    unsigned next = 0;
    for (Operation &op : model.getBody().front()) {
      if (isa<TermOp, ProbeOp>(op) || op.getNumResults() == 0)
        continue;
      // Numbers are no part of the picture.
      if (!isa<RankedTensorType>(op.getResult(0).getType()))
        continue;
      std::string id = llvm::formatv("n{0}_{1}", clusters, next++).str();
      ids[&op] = id;
      std::string label, style = "shape = plaintext";
      std::string shape = getShape(op.getResult(0).getType());
      if (auto input = dyn_cast<InputOp>(op)) {
        label = "@" + input.getName().str() + "\n" + shape;
        style = "shape = box";
      } else if (auto state = dyn_cast<StateOp>(op)) {
        label = "@" + state.getName().str() + "\n" + shape;
        style = "shape = ellipse, penwidth = 2";
        states[state.getName()] = id;
      } else if (auto param = dyn_cast<ParamOp>(op)) {
        label = param.getName().str() + "\n" + shape;
        style = "shape = note, fontsize = 10";
      } else {
        label = op.getName().stripDialect().str();
      }
      os << llvm::formatv("    {0} [label = \"{1}\", {2}];\n", id,
                          llvm::DOT::EscapeString(label), style);
    }
    auto edge = [&](Value from, StringRef to, StringRef attributes) {
      if (Operation *op = from.getDefiningOp(); op && ids.count(op))
        os << llvm::formatv("    {0} -> {1}{2};\n", ids[op], to, attributes);
    };
    for (Operation &op : model.getBody().front()) {
      if (auto term = dyn_cast<TermOp>(op)) {
        StringRef state = states[term.getVode()];
        if (term.getPrediction())
          edge(term.getPrediction(), state, " [label = \"predicts\"]");
        if (term.getEnergy())
          edge(term.getEnergy(), state,
               " [style = dashed, label = \"energy\", constraint = false]");
      } else if (ids.count(&op)) {
        for (Value operand : op.getOperands())
          edge(operand, ids[&op], "");
      }
    }
    os << "  }\n";
    ++clusters;
  }
}

void DotWriter::addPhase(StringRef phase, ModuleOp module) {
  phases.emplace_back(phase.str(), countWork(module));
}

namespace {
/// Products of a program and their multiply-adds for one sample, as often as
/// their loops run.
struct Products {
  int64_t products = 0, outerProducts = 0, multiplyAdds = 0;
  /// A loop with a bound that is known at run time only counts once.
  bool atLeast = false;

  explicit Products(const ProgramWork &work) {
    for (const WorkRow &row : work.rows) {
      products += row.products * row.times;
      outerProducts += row.outerProducts * row.times;
      multiplyAdds += static_cast<int64_t>(row.flops.perSample / 2) * row.times;
      atLeast |= !row.boundKnown;
    }
  }
};
} // namespace

void DotWriter::write(raw_ostream &os) const {
  os << "digraph pc {\n  rankdir = LR;\n  node [fontname = \"Helvetica\"];\n"
     << models;
  for (size_t index = 0;
       !phases.empty() && index < phases.front().second.size(); ++index) {
    const ProgramWork &first = phases.front().second[index];
    os << llvm::formatv(
        "  program_{0} [shape = plaintext, label = <<table border=\"0\" "
        "cellborder=\"1\" cellspacing=\"0\">\n    <tr><td "
        "colspan=\"5\">@{1}</td></tr>\n    <tr><td>phase</td><td>products</td>"
        "<td>weight gradients</td><td>multiply-adds a sample</td>"
        "<td>removed</td></tr>\n",
        index, llvm::DOT::EscapeString(first.program));
    int64_t most = Products(first).multiplyAdds;
    for (const auto &[phase, programs] : phases) {
      Products work(programs[index]);
      double removed = most ? 100.0 - 100.0 * work.multiplyAdds / most : 0.0;
      os << llvm::formatv(
          "    <tr><td>{0}</td><td>{1}</td><td>{2}</td><td>{3}{4}</td>"
          "<td>{5:f1} %</td></tr>\n",
          phase, work.products, work.outerProducts,
          work.atLeast ? "at least " : "", work.multiplyAdds, removed);
    }
    os << "  </table>>];\n";
  }
  os << "}\n";
}
