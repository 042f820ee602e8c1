//===- EntryInfo.cpp - What compiled programs say of themselves -----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/EntryInfo.h"
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

/// Reads indices of kernels and how often each is called.
static void addUses(Attribute kernels, Attribute calls,
                    SmallVectorImpl<std::pair<int64_t, double>> &uses) {
  for (auto [kernel, count] :
       llvm::zip_equal(cast<DenseI64ArrayAttr>(kernels).asArrayRef(),
                       cast<DenseF64ArrayAttr>(calls).asArrayRef()))
    uses.emplace_back(kernel, count);
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
      if (pair.size() < 4)
        continue;
      ArrayRef<double> units = cast<DenseF64ArrayAttr>(pair[3]).asArrayRef();
      entry.kernels.back().units = {units[0],
                                    units[1],
                                    units[2],
                                    units[3],
                                    static_cast<int64_t>(units[4]),
                                    units[5],
                                    units[6],
                                    units[7],
                                    units[8],
                                    units[9]};
    }
    entry.marked = facts.getAs<BoolAttr>("marked").getValue();
    for (auto stage :
         facts.getAs<ArrayAttr>("stages").getAsRange<ArrayAttr>()) {
      StageInfo &info = entry.stages.emplace_back();
      info.name = cast<StringAttr>(stage[0]);
      info.task = cast<StringAttr>(stage[1]);
      info.runs = cast<FloatAttr>(stage[2]).getValueAsDouble();
      addUses(stage[3], stage[4], info.uses);
    }
    if (auto strategy = facts.getAs<StringAttr>("strategy")) {
      entry.strategy = strategy;
      entry.meets = facts.getAs<FloatAttr>("meets").getValueAsDouble();
      for (auto launch :
           facts.getAs<ArrayAttr>("launches").getAsRange<ArrayAttr>()) {
        ArrayRef<int64_t> shape =
            cast<DenseI64ArrayAttr>(launch[1]).asArrayRef();
        LaunchInfo &own = entry.launches.emplace_back(
            LaunchInfo{cast<StringAttr>(launch[0]),
                       shape[0],
                       shape[1],
                       shape[2] != 0,
                       shape[3],
                       shape[4],
                       shape[5],
                       cast<FloatAttr>(launch[2]).getValueAsDouble(),
                       {},
                       cast<DenseI64ArrayAttr>(launch[5]).asArrayRef()});
        addUses(launch[3], launch[4], own.uses);
      }
    }
    info.entries.push_back(std::move(entry));
  }
  return info;
}
