//===- ModelGraph.cpp - States, parameters and terms of a model -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/ModelGraph.h"
#include "pc/Dialect/PC/IR/Suggest.h"

using namespace mlir;
using namespace pc;

/// Numbers the parameters of a file by their first appearance, so that all its
/// models agree on the stream of one that they share and differ in the others.
static llvm::StringMap<int64_t> numberParams(ModuleOp module) {
  llvm::StringMap<int64_t> streams;
  for (ModelOp model : module.getOps<ModelOp>())
    for (ParamOp param : model.getBody().front().getOps<ParamOp>())
      streams.try_emplace(param.getName(), streams.size());
  return streams;
}

ModelGraph::ModelGraph(ModelOp model) : model(model) {
  llvm::StringMap<int64_t> streams =
      numberParams(cast<ModuleOp>(model->getParentOp()));
  for (Operation &op : model.getBody().front()) {
    if (isa<InputOp, StateOp>(op)) {
      auto input = dyn_cast<InputOp>(op);
      StringRef name = input ? input.getName() : cast<StateOp>(op).getName();
      nodeIndex[name] = nodes.size();
      nodeValues[op.getResult(0)] = nodes.size();
      nodes.push_back({name,
                       &op,
                       cast<RankedTensorType>(op.getResult(0).getType()),
                       input != nullptr,
                       Value(),
                       {}});
    } else if (auto param = dyn_cast<ParamOp>(op)) {
      auto [it, inserted] =
          paramIndex.try_emplace(param.getName(), params.size());
      if (inserted)
        params.push_back({param.getName(), param.getType(),
                          param.getInitAttr()
                              ? param.getInitAttr()
                              : InitAttr::get(op.getContext(), InitKind::Zeros),
                          op.getLoc(), streams.lookup(param.getName())});
      paramValues[param.getResult()] = it->second;
    } else if (auto probe = dyn_cast<ProbeOp>(op)) {
      probes[probe.getName()] = probe.getValue();
    }
  }
  for (TermOp term : model.getBody().front().getOps<TermOp>()) {
    ModelNode &node = nodes[nodeIndex.lookup(term.getVode())];
    if (term.getPrediction())
      node.prediction = term.getPrediction();
    if (term.getEnergy())
      node.terms.push_back(term);
  }
  for (const ModelNode &node : nodes) {
    SmallVector<Value> worklist = {node.prediction};
    for (TermOp term : node.terms)
      worklist.push_back(term.getEnergy());
    DenseSet<Value> seen;
    while (!worklist.empty()) {
      Value value = worklist.pop_back_val();
      if (!value || !seen.insert(value).second || getNodeOf(value))
        continue;
      if (std::optional<unsigned> param = getParamOf(value)) {
        if (params[*param].vode.empty())
          params[*param].vode = node.name;
      } else if (Operation *op = value.getDefiningOp()) {
        vodeOf.insert({op, node.name});
        llvm::append_range(worklist, op->getOperands());
      }
    }
  }
}

void ModelGraph::nameOrigins() const {
  for (auto [op, vode] : vodeOf) {
    Builder builder(op->getContext());
    op->setLoc(OriginAttr::get(op->getContext(), builder.getStringAttr(""),
                               builder.getStringAttr(vode), /*step=*/-1)
                   .attachTo(op->getLoc()));
  }
}

template <typename Map>
static std::optional<unsigned> lookup(const Map &map,
                                      typename Map::const_iterator it) {
  return it == map.end() ? std::nullopt : std::optional<unsigned>(it->second);
}

std::optional<unsigned> ModelGraph::findNode(StringRef name) const {
  return lookup(nodeIndex, nodeIndex.find(name));
}
std::optional<unsigned> ModelGraph::findParam(StringRef name) const {
  return lookup(paramIndex, paramIndex.find(name));
}
std::optional<unsigned> ModelGraph::getNodeOf(Value value) const {
  return lookup(nodeValues, nodeValues.find(value));
}
std::optional<unsigned> ModelGraph::getParamOf(Value value) const {
  return lookup(paramValues, paramValues.find(value));
}

void ModelGraph::getDependences(Value value, SetVector<unsigned> &nodes,
                                SetVector<unsigned> &params) const {
  SmallVector<Value> worklist = {value};
  DenseSet<Value> seen;
  SmallVector<unsigned> foundNodes, foundParams;
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (std::optional<unsigned> node = getNodeOf(next))
      foundNodes.push_back(*node);
    else if (std::optional<unsigned> param = getParamOf(next))
      foundParams.push_back(*param);
    else if (Operation *op = next.getDefiningOp())
      llvm::append_range(worklist, op->getOperands());
  }
  llvm::sort(foundNodes);
  llvm::sort(foundParams);
  nodes.insert(foundNodes.begin(), foundNodes.end());
  params.insert(foundParams.begin(), foundParams.end());
}

std::string ModelGraph::suggestProbe(StringRef name) const {
  SmallVector<StringRef> known(probes.keys());
  llvm::sort(known);
  return suggest(name, known);
}

std::string ModelGraph::suggestNode(StringRef name) const {
  // What is missing is often the name of the model or of the application.
  std::string suffix = ("." + name).str();
  for (const ModelNode &node : nodes)
    if (node.name.ends_with(suffix))
      return "; did you mean '" + node.name.str() + "'?";
  return suggest(name, llvm::map_range(nodes, [](const ModelNode &node) {
                   return node.name;
                 }));
}
