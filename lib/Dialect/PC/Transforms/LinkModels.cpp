//===- LinkModels.cpp - One model for programs on several -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/IRMapping.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/ADT/TypeSwitch.h"

namespace pc {
#define GEN_PASS_DEF_LINKMODELSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
struct LinkModelsPass : public pc::impl::LinkModelsPassBase<LinkModelsPass> {
  void runOnOperation() final;
};

/// Links the models of one program.
class ProgramLinker {
public:
  ProgramLinker(ProgramOp program, SymbolTable &symbols)
      : program(program), symbols(symbols) {}

  /// Finds the models and writes out what stands for their parameters.
  LogicalResult resolve();
  /// The model that holds them all.
  ModelOp merge();

private:
  /// Names of parameters with those of a model in its place.
  FailureOr<ArrayAttr> expandParams(Operation *op, ArrayAttr names);

  ProgramOp program;
  SymbolTable &symbols;
  SmallVector<ModelOp> models;
};
} // namespace

/// Puts the name of a model in front of what a program calls by name.
static void addPrefix(Operation *op, StringRef model) {
  auto renamed = [&](StringRef name) { return (model + "." + name).str(); };
  llvm::TypeSwitch<Operation *>(op)
      .Case<InputOp, StateOp, ProbeOp>(
          [&](auto named) { named.setName(renamed(named.getName())); })
      .Case([&](TermOp term) { term.setVode(renamed(term.getVode())); });
}

FailureOr<ArrayAttr> ProgramLinker::expandParams(Operation *op,
                                                 ArrayAttr names) {
  if (!names)
    return names;
  llvm::SetVector<Attribute> expanded;
  for (auto symbol : names.getAsRange<FlatSymbolRefAttr>()) {
    StringRef name = symbol.getValue();
    auto *named = llvm::find_if(
        models, [&](ModelOp model) { return model.getSymName() == name; });
    if (named == models.end()) {
      expanded.insert(symbol);
      continue;
    }
    // program_c13
    for (ModelOp model : models)
      for (ParamOp param : model.getBody().front().getOps<ParamOp>())
        if (StringRef rest = param.getName();
            rest.consume_front(name) && (rest.empty() || rest[0] == '.')) {
          InFlightDiagnostic diag = op->emitOpError("means the model or the "
                                                    "layer by '@")
                                    << name << "': give one another name";
          diag.attachNote(param.getLoc()) << "a parameter of the layer is here";
          return diag;
        }
    for (ParamOp param : named->getBody().front().getOps<ParamOp>())
      expanded.insert(FlatSymbolRefAttr::get(param.getNameAttr()));
  }
  return ArrayAttr::get(op->getContext(), expanded.getArrayRef());
}

LogicalResult ProgramLinker::resolve() {
  for (StringAttr name : program.getModels()) {
    auto model = symbols.lookup<ModelOp>(name);
    if (!model) {
      // program_c10
      SmallVector<StringRef> known;
      for (ModelOp other : cast<ModuleOp>(symbols.getOp()).getOps<ModelOp>())
        known.push_back(other.getSymName());
      return program.emitOpError("is on the unknown model '@")
             << name.getValue() << "'" << suggest(name.getValue(), known);
    }
    models.push_back(model);
  }
  bool failedAny = false;
  auto expand = [&](Operation *op, ArrayAttr names, auto set) {
    FailureOr<ArrayAttr> expanded = expandParams(op, names);
    failedAny |= failed(expanded);
    if (succeeded(expanded) && *expanded)
      set(*expanded);
  };
  program.walk([&](Operation *op) {
    llvm::TypeSwitch<Operation *>(op)
        .Case<LearnOp, BackpropOp>([&](auto step) {
          expand(op, step.getParamsAttr(),
                 [&](ArrayAttr names) { step.setParamsAttr(names); });
          expand(op, step.getNoDecayAttr(),
                 [&](ArrayAttr names) { step.setNoDecayAttr(names); });
        })
        .Case([&](GradientOp gradient) {
          if (gradient.getKind() == GradientKind::Params)
            expand(op, gradient.getOnlyAttr(),
                   [&](ArrayAttr names) { gradient.setOnlyAttr(names); });
        })
        .Case([&](UpdateOp update) {
          if (getGradientKind(update.getGradient()) == GradientKind::Params)
            expand(op, update.getOnlyAttr(),
                   [&](ArrayAttr names) { update.setOnlyAttr(names); });
          expand(op, update.getNoDecayAttr(),
                 [&](ArrayAttr names) { update.setNoDecayAttr(names); });
        })
        .Case([&](AverageOp average) {
          expand(op, average.getParamsAttr(),
                 [&](ArrayAttr names) { average.setParamsAttr(names); });
        });
  });
  return failure(failedAny);
}

ModelOp ProgramLinker::merge() {
  std::string name = llvm::join(
      llvm::map_range(models, [](ModelOp model) { return model.getSymName(); }),
      "+");
  // Behind all of them, so that theirs are the first parameters of each name.
  ModelOp last = models.front();
  for (ModelOp model : models)
    if (last->isBeforeInBlock(model))
      last = model;
  OpBuilder builder(program.getContext());
  auto merged =
      ModelOp::create(builder, program.getLoc(), builder.getStringAttr(name),
                      StringAttr(), DictionaryAttr());
  symbols.insert(merged, std::next(last->getIterator()));
  builder.createBlock(&merged.getBody());
  for (ModelOp model : models) {
    IRMapping mapping;
    for (Operation &op : model.getBody().front())
      addPrefix(builder.clone(op, mapping), model.getSymName());
  }
  return merged;
}

void LinkModelsPass::runOnOperation() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  DenseMap<Attribute, ModelOp> merged;
  bool failedAny = false;
  for (ProgramOp program : module.getOps<ProgramOp>()) {
    if (!program.getOtherModelsAttr())
      continue;
    ProgramLinker linker(program, symbols);
    if (failed(linker.resolve())) {
      failedAny = true;
      continue;
    }
    SmallVector<Attribute> key =
        llvm::to_vector_of<Attribute>(program.getModels());
    ModelOp &model = merged[ArrayAttr::get(&getContext(), key)];
    if (!model)
      model = linker.merge();
    program.setModelAttr(FlatSymbolRefAttr::get(model.getSymNameAttr()));
    program.removeOtherModelsAttr();
  }
  if (failedAny)
    signalPassFailure();
}
