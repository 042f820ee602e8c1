//===- EntryInfo.cpp - What compiled programs say of themselves -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/CPU/EntryInfo.h"
#include "EntryAttributes.h"

using namespace mlir;
using namespace pc;

/// Reads a list of [port, type].
static SmallVector<PortInfo> getPorts(Attribute list) {
  SmallVector<PortInfo> ports;
  for (Attribute entry : cast<ArrayAttr>(list)) {
    auto pair = cast<ArrayAttr>(entry);
    ports.push_back(
        {cast<PortAttr>(pair[0]), cast<TypeAttr>(pair[1]).getValue()});
  }
  return ports;
}

ModuleInfo pc::getModuleInfo(ModuleOp module) {
  ModuleInfo info;
  if (auto storage = module->getAttr(kStorageAttrName))
    info.storage = getPorts(storage);
  if (auto hypers = module->getAttrOfType<ArrayAttr>(kHypersAttrName))
    for (Attribute port : hypers)
      info.hypers.push_back(cast<PortAttr>(port));
  for (Operation &op : *module.getBody()) {
    auto facts = op.getAttrOfType<DictionaryAttr>(kEntryAttrName);
    if (!facts)
      continue;
    auto number = [&](StringRef key) {
      return facts.getAs<IntegerAttr>(key).getInt();
    };
    EntryInfo entry;
    entry.symbol = SymbolTable::getSymbolName(&op);
    entry.program = facts.getAs<StringAttr>("program");
    entry.cpu = facts.getAs<StringAttr>("cpu");
    entry.info = facts.getAs<ProgramInfoAttr>("info");
    entry.maxBatch = number("max_batch");
    entry.sampleBlock = number("sample_block");
    entry.required = number("required");
    entry.workspaceBytes = number("workspace_bytes");
    entry.workerBytes = number("worker_bytes");
    entry.inputs = getPorts(facts.get("inputs"));
    entry.outputs = getPorts(facts.get("outputs"));
    entry.storageReads =
        llvm::to_vector(facts.getAs<DenseI64ArrayAttr>("reads").asArrayRef());
    entry.storageWrites =
        llvm::to_vector(facts.getAs<DenseI64ArrayAttr>("writes").asArrayRef());
    for (Attribute kernel : facts.getAs<ArrayAttr>("kernels")) {
      auto pair = cast<ArrayAttr>(kernel);
      ArrayRef<double> work = cast<DenseF64ArrayAttr>(pair[1]).asArrayRef();
      entry.kernels.push_back({cast<StringAttr>(pair[0]), work[0], work[1],
                               work[2], work[3],
                               cast<IntegerAttr>(pair[2]).getInt()});
    }
    entry.marked = facts.getAs<BoolAttr>("marked").getValue();
    for (auto stage :
         facts.getAs<ArrayAttr>("stages").getAsRange<ArrayAttr>()) {
      StageInfo &info = entry.stages.emplace_back();
      info.name = cast<StringAttr>(stage[0]);
      info.task = cast<StringAttr>(stage[1]);
      info.runs = cast<FloatAttr>(stage[2]).getValueAsDouble();
      for (auto [kernel, calls] :
           llvm::zip_equal(cast<DenseI64ArrayAttr>(stage[3]).asArrayRef(),
                           cast<DenseF64ArrayAttr>(stage[4]).asArrayRef()))
        info.uses.emplace_back(kernel, calls);
    }
    info.entries.push_back(std::move(entry));
  }
  return info;
}
