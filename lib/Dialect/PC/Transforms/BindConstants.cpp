//===- BindConstants.cpp - Numbers for the parameters of models -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "pc/Dialect/PC/IR/Suggest.h"
#include "pc/Dialect/PC/Transforms/Passes.h"

namespace pc {
#define GEN_PASS_DEF_BINDCONSTANTSPASS
#include "pc/Dialect/PC/Transforms/Passes.h.inc"
} // namespace pc

using namespace mlir;
using namespace pc;

namespace {
using Constants = llvm::StringMap<int64_t>;

struct BindConstantsPass
    : public pc::impl::BindConstantsPassBase<BindConstantsPass> {
  using BindConstantsPassBase::BindConstantsPassBase;
  void runOnOperation() final;

private:
  LogicalResult applyDefinitions();
  LogicalResult bind(Operation *op, const Constants &constants);
};
} // namespace

/// The parameters that a model declares.
static Constants getConstants(ModelOp model) {
  Constants constants;
  if (DictionaryAttr declared = model.getConstantsAttr())
    for (NamedAttribute constant : declared)
      constants[constant.getName().getValue()] =
          cast<IntegerAttr>(constant.getValue()).getInt();
  return constants;
}

/// The parameters that the models of a program declare; `shared`, those of all,
/// where one of them is unknown, which is an error of later.
static FailureOr<Constants> getConstants(ProgramOp program,
                                         const Constants &shared) {
  auto module = cast<ModuleOp>(program->getParentOp());
  Constants constants;
  for (StringAttr name : program.getModels()) {
    auto model = module.lookupSymbol<ModelOp>(name);
    if (!model)
      return shared;
    for (auto &constant : getConstants(model)) {
      auto [it, inserted] =
          constants.try_emplace(constant.getKey(), constant.getValue());
      // program_c12
      if (!inserted && it->second != constant.getValue())
        return program.emitOpError("is on models that set '")
               << constant.getKey() << "' to " << it->second << " and to "
               << constant.getValue() << ", but sees one value";
    }
  }
  return constants;
}

LogicalResult BindConstantsPass::applyDefinitions() {
  ModuleOp module = getOperation();
  for (StringRef definition : define) {
    auto [name, text] = definition.split('=');
    int64_t value;
    if (text.getAsInteger(10, value))
      return module.emitError("-D ") << definition << ": expected name=integer";
    bool found = false;
    SmallVector<StringRef> known;
    for (ModelOp model : module.getOps<ModelOp>()) {
      DictionaryAttr declared = model.getConstantsAttr();
      if (!declared)
        continue;
      NamedAttrList list(declared);
      for (NamedAttribute constant : declared)
        known.push_back(constant.getName().getValue());
      if (!list.get(name))
        continue;
      found = true;
      list.set(name,
               IntegerAttr::get(IntegerType::get(&getContext(), 64), value));
      model.setConstantsAttr(list.getDictionary(&getContext()));
    }
    // model_c3
    if (!found)
      return module.emitError("-D ")
             << definition << ": no model has a parameter '" << name << "'"
             << suggest(name, known);
  }
  return success();
}

LogicalResult BindConstantsPass::bind(Operation *op,
                                      const Constants &constants) {
  SmallVector<StringRef> known;
  for (auto &entry : constants)
    known.push_back(entry.getKey());
  llvm::sort(known);

  // Check first, at the operation that needs the name.
  Operation *failedAt = nullptr;
  StringRef missing;
  bool nameless = false;
  int64_t found = 0;
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](RankedTensorType type) -> std::optional<Type> {
    auto dims = dyn_cast_or_null<DimsAttr>(type.getEncoding());
    if (!dims) {
      nameless |= !type.hasStaticShape();
      return std::nullopt;
    }
    SmallVector<int64_t> shape(type.getShape());
    size_t next = 0;
    for (int64_t &extent : shape) {
      if (!ShapedType::isDynamic(extent))
        continue;
      StringRef name = dims.getNames()[next++].getValue();
      auto it = constants.find(name);
      if (it == constants.end()) {
        missing = name;
        return type;
      }
      if (it->second < 1 || it->second > PCDialect::kMaxSize) {
        missing = name;
        found = it->second;
        return type;
      }
      extent = it->second;
    }
    return RankedTensorType::get(shape, type.getElementType());
  });
  WalkResult result = op->walk([&](Operation *nested) {
    missing = {};
    replacer.replaceElementsIn(nested, /*replaceAttrs=*/true,
                               /*replaceLocs=*/false, /*replaceTypes=*/true);
    if (!missing.empty() || nameless) {
      failedAt = nested;
      return WalkResult::interrupt();
    }
    if (auto repeat = dyn_cast<RepeatOp>(nested); repeat && repeat.getSize()) {
      auto it = constants.find(*repeat.getSize());
      if (it == constants.end()) {
        failedAt = nested;
        missing = *repeat.getSize();
        return WalkResult::interrupt();
      }
      if (it->second < 0) {
        failedAt = nested;
        missing = *repeat.getSize();
        found = it->second;
        return WalkResult::interrupt();
      }
      repeat.setCount(it->second);
      repeat.removeSizeAttr();
      return WalkResult::advance();
    }
    if (auto size = dyn_cast<SizeOp>(nested)) {
      auto it = constants.find(size.getName());
      if (it == constants.end()) {
        failedAt = nested;
        missing = size.getName();
        return WalkResult::interrupt();
      }
      OpBuilder builder(size);
      size.replaceAllUsesWith(
          arith::ConstantOp::create(
              builder, size.getLoc(),
              builder.getF64FloatAttr(static_cast<double>(it->second)))
              .getResult());
      size.erase();
      return WalkResult::advance();
    }
    if (auto apply = dyn_cast<ApplyOp>(nested))
      if (auto name =
              dyn_cast_or_null<FlatSymbolRefAttr>(apply.getTimesAttr())) {
        auto it = constants.find(name.getValue());
        if (it == constants.end()) {
          failedAt = nested;
          missing = name.getValue();
          return WalkResult::interrupt();
        }
        apply.setTimesAttr(
            IntegerAttr::get(IntegerType::get(&getContext(), 64), it->second));
      }
    return WalkResult::advance();
  });
  if (!result.wasInterrupted())
    return success();
  // dims_c4
  if (nameless)
    return failedAt->emitOpError(
        "has a dimension '?' without a name: expected a size, or "
        "#pc.dims<name> as the tensor's encoding");
  // repeat_c6
  if (constants.contains(missing) && isa<RepeatOp>(failedAt))
    return failedAt->emitOpError("needs the count '")
           << missing << "' to be at least 0, found " << found;
  // dims_c3
  if (constants.contains(missing))
    return failedAt->emitOpError("needs the dimension '")
           << missing << "' to be from 1 to " << PCDialect::kMaxSize
           << ", found " << found;
  // dims_c2
  return failedAt->emitOpError("uses the unknown model parameter '")
         << missing << "'" << suggest(missing, known);
}

void BindConstantsPass::runOnOperation() {
  ModuleOp module = getOperation();
  if (failed(applyDefinitions()))
    return signalPassFailure();
  // Blocks and energies belong to no model: they see the parameters of all,
  // which must then agree.
  Constants shared;
  bool failedAny = false;
  for (ModelOp model : module.getOps<ModelOp>())
    for (auto &constant : getConstants(model)) {
      auto [it, inserted] =
          shared.try_emplace(constant.getKey(), constant.getValue());
      if (!inserted && it->second != constant.getValue() &&
          !module.getOps<BlockOp>().empty()) {
        // model_c4
        model.emitOpError("sets '")
            << constant.getKey() << "' to " << constant.getValue()
            << " and another model to " << it->second
            << ", but the blocks of a file see one value";
        failedAny = true;
      }
    }
  for (Operation &op : *module.getBody()) {
    if (auto model = dyn_cast<ModelOp>(op)) {
      failedAny |= failed(bind(model, getConstants(model)));
    } else if (auto program = dyn_cast<ProgramOp>(op)) {
      FailureOr<Constants> constants = getConstants(program, shared);
      failedAny |= failed(constants) || failed(bind(program, *constants));
    } else if (isa<BlockOp, EnergyOp>(op)) {
      failedAny |= failed(bind(&op, shared));
    }
  }
  if (failedAny)
    signalPassFailure();
}
