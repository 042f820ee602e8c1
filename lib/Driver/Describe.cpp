//===- Describe.cpp - The tables of an artifact ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Describe.h"
#include "Options.h"
#include "mlir/IR/BuiltinTypes.h"
#include "pc/Codegen/EntryInfo.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace mlir;
using namespace pc;

static pcx_dtype_t getDType(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (element.isF64())
    return PCX_F64;
  if (element.isInteger(64))
    return PCX_I64;
  if (element.isInteger(32))
    return PCX_I32;
  if (element.isInteger(8))
    return PCX_U8;
  return PCX_F32;
}

static artifact::Port makePort(const PortInfo &info) {
  artifact::Port port;
  port.name = info.port.getName().str();
  port.dtype = getDType(info.type);
  port.perSample = false;
  if (auto tensor = dyn_cast<RankedTensorType>(info.type)) {
    ArrayRef<int64_t> shape = tensor.getShape();
    port.perSample = !shape.empty() && ShapedType::isDynamic(shape.front());
    llvm::append_range(port.dims, port.perSample ? shape.drop_front() : shape);
  }
  if (auto reduce =
          dyn_cast_or_null<ReduceKindAttr>(info.port.getDetail("reduce")))
    port.reduce = reduce.getValue() == ReduceKind::Mean ? PCX_REDUCE_MEAN
                                                        : PCX_REDUCE_SUM;
  else if (!port.perSample)
    port.reduce = PCX_REDUCE_LAST;
  if (info.port.getDetail("trace"))
    port.flags |= PCX_PORT_TRACE;
  if (info.port.getDetail("report"))
    port.flags |= PCX_PORT_REPORT;
  if (info.port.getDetail("target"))
    port.flags |= PCX_PORT_TARGET;
  if (info.port.getDetail("warning"))
    port.flags |= PCX_PORT_WARNING;
  return port;
}

static double getNumber(PortAttr port, StringRef key, double fallback) {
  auto number = dyn_cast_or_null<FloatAttr>(port.getDetail(key));
  return number ? number.getValueAsDouble() : fallback;
}

static_assert(PCDialect::kMaxRank == PCX_MAX_RANK,
              "the tables have room for what the dialect accepts");

/// `rows` is the largest batch, `paddedRows` what its blocks of samples cover.
static artifact::Storage makeStorage(const PortInfo &info, int64_t rows,
                                     int64_t paddedRows) {
  artifact::Storage storage;
  storage.name = info.port.getName().str();
  storage.kind = info.port.getKind() == PortKind::Parameter ? PCX_PARAMETER
                 : info.port.getKind() == PortKind::Buffer  ? PCX_BUFFER
                 : info.port.getKind() == PortKind::State   ? PCX_STATE
                                                            : PCX_OPTIMISER;
  storage.dtype = getDType(info.type);
  if (auto tensor = dyn_cast<RankedTensorType>(info.type)) {
    llvm::append_range(storage.dims, tensor.getShape());
    if (tensor.getRank() > 0 && tensor.isDynamicDim(0)) {
      // A row for each sample.
      storage.dims[0] = rows;
      storage.bytes = paddedRows * tensor.getElementTypeBitWidth() / 8;
      for (int64_t dim : tensor.getShape().drop_front())
        storage.bytes *= dim;
    }
  }
  if (auto strides =
          dyn_cast_or_null<DenseI64ArrayAttr>(info.port.getDetail("strides")))
    llvm::append_range(storage.strides, strides.asArrayRef());
  if (auto panel = dyn_cast_or_null<IntegerAttr>(info.port.getDetail("panel")))
    storage.panel = panel.getInt();
  if (auto stream =
          dyn_cast_or_null<IntegerAttr>(info.port.getDetail("stream")))
    storage.initStream = stream.getInt();
  auto init = dyn_cast_or_null<InitAttr>(info.port.getDetail("init"));
  if (!init)
    return storage;
  storage.initArg0 = init.getArg0();
  storage.initArg1 = init.getArg1();
  switch (init.getKind()) {
  case InitKind::Zeros:
    storage.init = PCX_INIT_ZERO;
    break;
  case InitKind::Constant:
    storage.init = PCX_INIT_CONSTANT;
    break;
  case InitKind::Uniform:
    storage.init = PCX_INIT_UNIFORM;
    break;
  case InitKind::Normal:
    storage.init = PCX_INIT_NORMAL;
    break;
  case InitKind::FanIn: {
    double limit = 1.0 / std::sqrt(std::max(init.getArg0(), 1.0));
    storage.init = PCX_INIT_UNIFORM;
    storage.initArg0 = -limit;
    storage.initArg1 = limit;
    break;
  }
  }
  return storage;
}

static pcx_role_t getRole(Role role) {
  switch (role) {
  case Role::Other:
    return PCX_ROLE_OTHER;
  case Role::Train:
    return PCX_ROLE_TRAIN;
  case Role::Evaluate:
    return PCX_ROLE_EVALUATE;
  case Role::Sample:
    return PCX_ROLE_SAMPLE;
  }
  llvm_unreachable("unknown role");
}

static std::vector<artifact::Kernel> makeKernels(const EntryInfo &entry) {
  std::vector<artifact::Kernel> kernels;
  for (const KernelInfo &kernel : entry.kernels)
    kernels.push_back({kernel.name.str(), kernel.flopsBase,
                       kernel.flopsPerSample, kernel.bytesBase,
                       kernel.bytesPerSample, kernel.rows});
  return kernels;
}

static artifact::DeviceVariant makeDeviceVariant(const EntryInfo &entry) {
  artifact::DeviceVariant variant;
  variant.strategy = entry.strategy.str();
  variant.run = entry.symbol.str();
  variant.workspaceBytes = entry.workspaceBytes;
  variant.blockBytes = entry.workerBytes;
  variant.kernels = makeKernels(entry);
  for (const LaunchInfo &info : entry.launches) {
    artifact::Launch &launch = variant.launches.emplace_back();
    launch.kernel = info.kernel.str();
    launch.threads = info.threads;
    launch.sharedBytes = info.sharedBytes;
    launch.cooperative = info.cooperative;
    launch.cluster = info.cluster;
    launch.blocks = info.blocks;
    launch.samplesPerBlock = info.samplesPerBlock;
    launch.runs = info.runs;
    for (auto [kernel, calls] : info.uses)
      launch.uses.push_back({static_cast<uint32_t>(kernel), calls});
    for (size_t i = 0; i < info.addresses.size(); i += 2)
      launch.addresses.push_back({static_cast<uint32_t>(info.addresses[i]),
                                  uint64_t(info.addresses[i + 1])});
  }
  return variant;
}

artifact::Description pc::describeArtifact(ModuleOp module,
                                           const PipelineOptions &options) {
  ModuleInfo info = getModuleInfo(module);
  artifact::Description description;
  description.compiler = artifact::getCompilerName();
  int64_t paddedRows = options.batch;
  for (const EntryInfo &entry : info.entries)
    paddedRows = std::max<int64_t>(
        paddedRows, llvm::alignTo(options.batch, entry.sampleBlock));
  for (const PortInfo &storage : info.storage)
    description.storage.push_back(
        makeStorage(storage, options.batch, paddedRows));
  for (PortAttr port : info.hypers) {
    artifact::Hyper hyper;
    hyper.name = port.getName().str();
    hyper.value = getNumber(port, "value", 0.0);
    hyper.min = getNumber(port, "min", hyper.min);
    hyper.max = getNumber(port, "max", hyper.max);
    hyper.integral = static_cast<bool>(port.getDetail("integral"));
    description.hypers.push_back(hyper);
  }
  for (const EntryInfo &entry : info.entries) {
    artifact::Program *program = nullptr;
    for (artifact::Program &other : description.programs)
      if (other.name == entry.program.getValue())
        program = &other;
    if (!program) {
      program = &description.programs.emplace_back();
      program->name = entry.program.str();
      program->role = getRole(entry.info.getRole());
      program->weightStepsPerCall = entry.info.getWeightStepsPerCall();
      for (const PortInfo &port : entry.inputs) {
        program->inputs.push_back(makePort(port));
        description.dtype = program->inputs.back().dtype;
      }
      for (const PortInfo &port : entry.outputs)
        program->outputs.push_back(makePort(port));
      llvm::append_range(program->storageReads, entry.storageReads);
      llvm::append_range(program->storageWrites, entry.storageWrites);
    }
    description.model = entry.info.getModel().str();
    description.maxBatch = entry.maxBatch;
    if (entry.strategy) {
      program->devices.push_back(makeDeviceVariant(entry));
      continue;
    }
    artifact::Variant &variant = program->variants.emplace_back();
    variant.cpu = entry.cpu.str();
    variant.required = entry.required;
    variant.run = entry.symbol.str();
    variant.workspaceBytes = entry.workspaceBytes;
    variant.workerBytes = entry.workerBytes;
    variant.sampleBlock = entry.sampleBlock;
    variant.kernels = makeKernels(entry);
    variant.marked = entry.marked;
    for (const StageInfo &info : entry.stages) {
      artifact::Stage &stage = variant.stages.emplace_back();
      stage.name = info.name.str();
      stage.task = info.task.str();
      stage.runs = info.runs;
      for (auto [kernel, calls] : info.uses)
        stage.uses.push_back({static_cast<uint32_t>(kernel), calls});
    }
  }
  // The loader takes the first that runs.
  for (artifact::Program &program : description.programs)
    llvm::sort(program.variants, [](const artifact::Variant &a,
                                    const artifact::Variant &b) {
      int left = llvm::popcount(a.required), right = llvm::popcount(b.required);
      return left != right ? left > right : a.cpu < b.cpu;
    });
  std::string &line = description.options;
  line = "-O" + std::to_string(options.optLevel) +
         " --batch=" + std::to_string(options.batch) +
         " --mcpu=" + llvm::join(options.cpus, ",");
  if (!options.floatType.empty())
    line += " --float=" + options.floatType;
  if (options.precision != "f32")
    line += " --precision=" + options.precision;
  if (!options.algorithm.empty())
    line += " --algorithm=" + options.algorithm;
  for (const std::string &definition : options.define)
    line += " -D " + definition;
  if (options.trace)
    line += " --trace";
  if (options.analysis)
    line += " --analysis";
  if (options.profile)
    line += " --profile";
  if (!options.eliminate)
    line += " --eliminate=false";
  for (const Technique &technique : getTechniques())
    if (!(options.*technique.used).getValue())
      line += std::string(" --without=") + technique.name;
  return description;
}
