//===- Table.cpp - The tables of abi.h as LLVM constants ------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C structs of abi.h are the source of the layout: a field goes to the
// offset that the C++ compiler gives it, in a packed LLVM struct with explicit
// padding. What cannot be derived, that this compiler's target and the
// artifact's are both x86-64 System V, is asserted.
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Artifact.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

#include <cstddef>

using namespace mlir;
using namespace pc::artifact;

static_assert(sizeof(void *) == 8 && alignof(double) == 8 &&
                  alignof(int64_t) == 8,
              "the artifact's tables have the layout of x86-64 System V");

/// Of a table of stages: the names of their tasks.
static constexpr llvm::StringLiteral kTasksMetadata = "pcx.tasks";

namespace {
/// One struct: constants at ascending offsets.
class Record {
public:
  Record(llvm::LLVMContext &context, size_t size)
      : context(context), size(size) {}

  void put(size_t offset, llvm::Constant *value, uint64_t bytes) {
    assert(offset >= end && "fields in order of their offsets");
    pad(offset);
    values.push_back(value);
    end = offset + bytes;
  }
  llvm::Constant *finish() {
    pad(size);
    return llvm::ConstantStruct::getAnon(context, values, /*Packed=*/true);
  }

private:
  void pad(size_t offset) {
    if (offset == end)
      return;
    values.push_back(llvm::ConstantAggregateZero::get(
        llvm::ArrayType::get(llvm::Type::getInt8Ty(context), offset - end)));
    end = offset;
  }

  llvm::LLVMContext &context;
  size_t size;
  size_t end = 0;
  SmallVector<llvm::Constant *> values;
};

class TableBuilder {
public:
  TableBuilder(llvm::Module &module,
               function_ref<InFlightDiagnostic()> emitError)
      : module(module), context(module.getContext()), emitError(emitError) {}

  LogicalResult build(const Description &description);

private:
  llvm::Constant *i32(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt32Ty(context), value);
  }
  llvm::Constant *i64(uint64_t value) {
    return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value);
  }
  llvm::Constant *f64(double value) {
    return llvm::ConstantFP::get(llvm::Type::getDoubleTy(context), value);
  }
  llvm::Constant *null() {
    return llvm::ConstantPointerNull::get(
        llvm::PointerType::getUnqual(context));
  }

  llvm::GlobalVariable *addGlobal(llvm::Constant *initializer, StringRef name,
                                  unsigned alignment) {
    auto *global = new llvm::GlobalVariable(
        module, initializer->getType(), /*isConstant=*/true,
        llvm::GlobalValue::PrivateLinkage, initializer, name);
    global->setAlignment(llvm::Align(alignment));
    return global;
  }

  /// A string, once.
  llvm::Constant *string(StringRef text) {
    llvm::Constant *&entry = strings[text];
    if (!entry) {
      auto *global = addGlobal(
          llvm::ConstantDataArray::getString(context, text), "pcx.str", 1);
      global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
      entry = global;
    }
    return entry;
  }

  /// An array of anything, null when it is empty.
  llvm::Constant *array(ArrayRef<llvm::Constant *> elements, StringRef name) {
    if (elements.empty())
      return null();
    auto *type =
        llvm::ArrayType::get(elements.front()->getType(), elements.size());
    return addGlobal(llvm::ConstantArray::get(type, elements), name, 8);
  }
  template <typename T>
  llvm::Constant *array(const std::vector<T> &elements, StringRef name) {
    SmallVector<llvm::Constant *> records;
    for (const T &element : elements)
      records.push_back(get(element));
    return array(records, name);
  }
  llvm::Constant *array(const std::vector<uint32_t> &elements, StringRef name) {
    SmallVector<llvm::Constant *> values;
    for (uint32_t element : elements)
      values.push_back(i32(element));
    return array(values, name);
  }

  /// The fixed-size arrays of dimensions and strides; the rest is zero.
  llvm::Constant *shape(ArrayRef<int64_t> dims) {
    assert(dims.size() <= PCX_MAX_RANK && "checked before");
    SmallVector<uint64_t> padded(dims.begin(), dims.end());
    padded.resize(PCX_MAX_RANK);
    return llvm::ConstantDataArray::get(context, padded);
  }

  llvm::Constant *get(const Storage &storage);
  llvm::Constant *get(const Hyper &hyper);
  llvm::Constant *get(const Port &port);
  llvm::Constant *get(const Kernel &kernel);
  llvm::Constant *get(const KernelUse &use);
  llvm::Constant *get(const Stage &stage);
  llvm::Constant *addStages(const std::vector<Stage> &stages);
  llvm::Constant *get(const Variant &variant);
  llvm::Constant *get(const Address &address);
  llvm::Constant *get(const Launch &launch);
  llvm::Constant *get(const DeviceVariant &variant);
  llvm::Constant *get(const Image &image);
  llvm::Constant *get(const Program &program);
  llvm::Constant *get(const Description &description);

  LogicalResult checkRank(StringRef what, StringRef name,
                          ArrayRef<int64_t> dims);
  LogicalResult checkRun(const Program &program, StringRef name);
  LogicalResult check(const Description &description);
  void addQuery(llvm::Constant *table);

  llvm::Module &module;
  llvm::LLVMContext &context;
  function_ref<InFlightDiagnostic()> emitError;
  llvm::StringMap<llvm::Constant *> strings;
};
} // namespace

/// Puts `value`, which has to fit the field, at the field's place.
#define FIELD(record, type, field, value)                                      \
  record.put(offsetof(type, field), value, sizeof(type::field))

llvm::Constant *TableBuilder::get(const Storage &storage) {
  // Row-major strides and their bytes are what most arrays have.
  std::vector<int64_t> strides = storage.strides;
  uint64_t bytes = storage.bytes;
  if (strides.empty()) {
    strides.assign(storage.dims.size(), 1);
    for (size_t d = storage.dims.size(); d-- > 1;)
      strides[d - 1] = strides[d] * storage.dims[d];
  }
  if (!bytes) {
    static constexpr uint64_t elementBytes[] = {4, 8, 4, 8, 1};
    bytes = elementBytes[storage.dtype];
    for (int64_t dim : storage.dims)
      bytes *= dim;
  }
  Record r(context, sizeof(pcx_storage_t));
  FIELD(r, pcx_storage_t, struct_size, i32(sizeof(pcx_storage_t)));
  FIELD(r, pcx_storage_t, name, string(storage.name));
  FIELD(r, pcx_storage_t, kind, i32(storage.kind));
  FIELD(r, pcx_storage_t, dtype, i32(storage.dtype));
  FIELD(r, pcx_storage_t, rank, i32(storage.dims.size()));
  FIELD(r, pcx_storage_t, dims, shape(storage.dims));
  FIELD(r, pcx_storage_t, strides, shape(strides));
  FIELD(r, pcx_storage_t, bytes, i64(bytes));
  FIELD(r, pcx_storage_t, init, i32(storage.init));
  FIELD(r, pcx_storage_t, init_arg0, f64(storage.initArg0));
  FIELD(r, pcx_storage_t, init_arg1, f64(storage.initArg1));
  FIELD(r, pcx_storage_t, init_stream, i64(storage.initStream));
  FIELD(r, pcx_storage_t, panel, i64(storage.panel));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Hyper &hyper) {
  Record r(context, sizeof(pcx_hyper_t));
  FIELD(r, pcx_hyper_t, struct_size, i32(sizeof(pcx_hyper_t)));
  FIELD(r, pcx_hyper_t, name, string(hyper.name));
  FIELD(r, pcx_hyper_t, value, f64(hyper.value));
  FIELD(r, pcx_hyper_t, min, f64(hyper.min));
  FIELD(r, pcx_hyper_t, max, f64(hyper.max));
  FIELD(r, pcx_hyper_t, integral, i32(hyper.integral));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Port &port) {
  Record r(context, sizeof(pcx_port_t));
  FIELD(r, pcx_port_t, struct_size, i32(sizeof(pcx_port_t)));
  FIELD(r, pcx_port_t, name, string(port.name));
  FIELD(r, pcx_port_t, dtype, i32(port.dtype));
  FIELD(r, pcx_port_t, per_sample, i32(port.perSample));
  FIELD(r, pcx_port_t, rank, i32(port.dims.size()));
  FIELD(r, pcx_port_t, dims, shape(port.dims));
  FIELD(r, pcx_port_t, reduce, i32(port.reduce));
  FIELD(r, pcx_port_t, flags, i32(port.flags));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Kernel &kernel) {
  Record r(context, sizeof(pcx_kernel_info_t));
  FIELD(r, pcx_kernel_info_t, struct_size, i32(sizeof(pcx_kernel_info_t)));
  FIELD(r, pcx_kernel_info_t, name, string(kernel.name));
  FIELD(r, pcx_kernel_info_t, flops_base, f64(kernel.flopsBase));
  FIELD(r, pcx_kernel_info_t, flops_per_sample, f64(kernel.flopsPerSample));
  FIELD(r, pcx_kernel_info_t, bytes_base, f64(kernel.bytesBase));
  FIELD(r, pcx_kernel_info_t, bytes_per_sample, f64(kernel.bytesPerSample));
  FIELD(r, pcx_kernel_info_t, rows, i64(kernel.rows));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const KernelUse &use) {
  Record r(context, sizeof(pcx_kernel_use_t));
  FIELD(r, pcx_kernel_use_t, struct_size, i32(sizeof(pcx_kernel_use_t)));
  FIELD(r, pcx_kernel_use_t, kernel, i32(use.kernel));
  FIELD(r, pcx_kernel_use_t, calls, f64(use.calls));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Stage &stage) {
  Record r(context, sizeof(pcx_stage_info_t));
  FIELD(r, pcx_stage_info_t, struct_size, i32(sizeof(pcx_stage_info_t)));
  FIELD(r, pcx_stage_info_t, name, string(stage.name));
  FIELD(r, pcx_stage_info_t, task, null());
  FIELD(r, pcx_stage_info_t, runs, f64(stage.runs));
  FIELD(r, pcx_stage_info_t, use_count, i32(stage.uses.size()));
  FIELD(r, pcx_stage_info_t, uses, array(stage.uses, "pcx.uses"));
  return r.finish();
}

/// Stages, with the names of their tasks for setStageTasks(). Until then the
/// optimiser must neither read nor merge them.
llvm::Constant *TableBuilder::addStages(const std::vector<Stage> &stages) {
  llvm::Constant *table = array(stages, "pcx.stages");
  auto *global = dyn_cast<llvm::GlobalVariable>(table);
  if (!global)
    return table;
  SmallVector<llvm::Metadata *> tasks;
  for (const Stage &stage : stages)
    tasks.push_back(llvm::MDString::get(context, stage.task));
  global->setMetadata(kTasksMetadata, llvm::MDNode::get(context, tasks));
  global->setExternallyInitialized(true);
  return global;
}

llvm::Constant *TableBuilder::get(const Variant &variant) {
  Record r(context, sizeof(pcx_variant_t));
  FIELD(r, pcx_variant_t, struct_size, i32(sizeof(pcx_variant_t)));
  FIELD(r, pcx_variant_t, cpu, string(variant.cpu));
  FIELD(r, pcx_variant_t, required, i64(variant.required));
  FIELD(r, pcx_variant_t, run, module.getFunction(variant.run));
  FIELD(r, pcx_variant_t, workspace_bytes, i64(variant.workspaceBytes));
  FIELD(r, pcx_variant_t, worker_bytes, i64(variant.workerBytes));
  FIELD(r, pcx_variant_t, sample_block, i64(variant.sampleBlock));
  FIELD(r, pcx_variant_t, kernel_count, i32(variant.kernels.size()));
  FIELD(r, pcx_variant_t, kernels, array(variant.kernels, "pcx.kernels"));
  FIELD(r, pcx_variant_t, marked, i32(variant.marked));
  FIELD(r, pcx_variant_t, stage_count, i32(variant.stages.size()));
  FIELD(r, pcx_variant_t, stages, addStages(variant.stages));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Address &address) {
  Record r(context, sizeof(pcx_address_t));
  FIELD(r, pcx_address_t, struct_size, i32(sizeof(pcx_address_t)));
  FIELD(r, pcx_address_t, array, i32(address.array));
  FIELD(r, pcx_address_t, offset, i64(address.offset));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Launch &launch) {
  Record r(context, sizeof(pcx_launch_t));
  FIELD(r, pcx_launch_t, struct_size, i32(sizeof(pcx_launch_t)));
  FIELD(r, pcx_launch_t, kernel, string(launch.kernel));
  FIELD(r, pcx_launch_t, threads, i32(launch.threads));
  FIELD(r, pcx_launch_t, shared_bytes, i32(launch.sharedBytes));
  FIELD(r, pcx_launch_t, cooperative, i32(launch.cooperative));
  FIELD(r, pcx_launch_t, cluster, i32(launch.cluster));
  FIELD(r, pcx_launch_t, blocks, i32(launch.blocks));
  FIELD(r, pcx_launch_t, samples_per_block, i32(launch.samplesPerBlock));
  FIELD(r, pcx_launch_t, runs, f64(launch.runs));
  FIELD(r, pcx_launch_t, use_count, i32(launch.uses.size()));
  FIELD(r, pcx_launch_t, uses, array(launch.uses, "pcx.uses"));
  FIELD(r, pcx_launch_t, address_count, i32(launch.addresses.size()));
  FIELD(r, pcx_launch_t, addresses, array(launch.addresses, "pcx.addresses"));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const DeviceVariant &variant) {
  Record r(context, sizeof(pcx_device_variant_t));
  FIELD(r, pcx_device_variant_t, struct_size,
        i32(sizeof(pcx_device_variant_t)));
  FIELD(r, pcx_device_variant_t, strategy, string(variant.strategy));
  FIELD(r, pcx_device_variant_t, run, module.getFunction(variant.run));
  FIELD(r, pcx_device_variant_t, workspace_bytes, i64(variant.workspaceBytes));
  FIELD(r, pcx_device_variant_t, block_bytes, i64(variant.blockBytes));
  FIELD(r, pcx_device_variant_t, launch_count, i32(variant.launches.size()));
  FIELD(r, pcx_device_variant_t, launches,
        array(variant.launches, "pcx.launches"));
  FIELD(r, pcx_device_variant_t, kernel_count, i32(variant.kernels.size()));
  FIELD(r, pcx_device_variant_t, kernels,
        array(variant.kernels, "pcx.kernels"));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Image &image) {
  bool text = image.kind == PCX_IMAGE_PTX;
  llvm::Constant *data = addGlobal(
      llvm::ConstantDataArray::getString(context, image.data, /*AddNull=*/text),
      "pcx.image", 8);
  Record r(context, sizeof(pcx_image_t));
  FIELD(r, pcx_image_t, struct_size, i32(sizeof(pcx_image_t)));
  FIELD(r, pcx_image_t, kind, i32(image.kind));
  FIELD(r, pcx_image_t, arch, i32(image.arch));
  FIELD(r, pcx_image_t, exact, i32(image.exact));
  FIELD(r, pcx_image_t, bytes, i64(image.data.size() + text));
  FIELD(r, pcx_image_t, data, data);
  FIELD(r, pcx_image_t, plan, i32(image.plan));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Program &program) {
  Record r(context, sizeof(pcx_program_t));
  FIELD(r, pcx_program_t, struct_size, i32(sizeof(pcx_program_t)));
  FIELD(r, pcx_program_t, name, string(program.name));
  FIELD(r, pcx_program_t, role, i32(program.role));
  FIELD(r, pcx_program_t, input_count, i32(program.inputs.size()));
  FIELD(r, pcx_program_t, inputs, array(program.inputs, "pcx.inputs"));
  FIELD(r, pcx_program_t, output_count, i32(program.outputs.size()));
  FIELD(r, pcx_program_t, outputs, array(program.outputs, "pcx.outputs"));
  FIELD(r, pcx_program_t, variant_count, i32(program.variants.size()));
  FIELD(r, pcx_program_t, variants, array(program.variants, "pcx.variants"));
  FIELD(r, pcx_program_t, weight_steps_per_call,
        i64(program.weightStepsPerCall));
  FIELD(r, pcx_program_t, storage_read_count, i32(program.storageReads.size()));
  FIELD(r, pcx_program_t, storage_reads,
        array(program.storageReads, "pcx.reads"));
  FIELD(r, pcx_program_t, storage_write_count,
        i32(program.storageWrites.size()));
  FIELD(r, pcx_program_t, storage_writes,
        array(program.storageWrites, "pcx.writes"));
  FIELD(r, pcx_program_t, devices, array(program.devices, "pcx.devices"));
  FIELD(r, pcx_program_t, device_count, i32(program.devices.size()));
  return r.finish();
}

llvm::Constant *TableBuilder::get(const Description &d) {
  Record r(context, sizeof(pcx_artifact_t));
  FIELD(r, pcx_artifact_t, struct_size, i32(sizeof(pcx_artifact_t)));
  FIELD(r, pcx_artifact_t, abi_version, i32(PCX_ABI_VERSION));
  FIELD(r, pcx_artifact_t, compiler, string(d.compiler));
  FIELD(r, pcx_artifact_t, model, string(d.model));
  FIELD(r, pcx_artifact_t, source_name, string(d.sourceName));
  FIELD(r, pcx_artifact_t, source_sha256, string(d.sourceSha256));
  FIELD(r, pcx_artifact_t, options, string(d.options));
  FIELD(r, pcx_artifact_t, dtype, i32(d.dtype));
  FIELD(r, pcx_artifact_t, reserved, i32(0));
  FIELD(r, pcx_artifact_t, max_batch, i64(d.maxBatch));
  FIELD(r, pcx_artifact_t, storage_count, i32(d.storage.size()));
  FIELD(r, pcx_artifact_t, storage, array(d.storage, "pcx.storage"));
  FIELD(r, pcx_artifact_t, hyper_count, i32(d.hypers.size()));
  FIELD(r, pcx_artifact_t, hypers, array(d.hypers, "pcx.hypers"));
  FIELD(r, pcx_artifact_t, program_count, i32(d.programs.size()));
  FIELD(r, pcx_artifact_t, programs, array(d.programs, "pcx.programs"));
  FIELD(r, pcx_artifact_t, image_count, i32(d.images.size()));
  FIELD(r, pcx_artifact_t, images, array(d.images, "pcx.images"));
  return r.finish();
}

#undef FIELD

LogicalResult TableBuilder::checkRank(StringRef what, StringRef name,
                                      ArrayRef<int64_t> dims) {
  if (dims.size() <= PCX_MAX_RANK)
    return success();
  return emitError() << what << " '" << name << "' has rank " << dims.size()
                     << ", expected at most " << PCX_MAX_RANK;
}

/// A function that the program runs is there and has the type.
LogicalResult TableBuilder::checkRun(const Program &program, StringRef name) {
  llvm::Function *run = module.getFunction(name);
  if (!run || run->isDeclaration())
    return emitError() << "program '" << program.name << "' runs function '"
                       << name << "', which the module does not define";
  llvm::FunctionType *type = run->getFunctionType();
  if (!type->getReturnType()->isIntegerTy(32) || type->getNumParams() != 1 ||
      !type->getParamType(0)->isPointerTy())
    return emitError() << "function '" << name << "' of program '"
                       << program.name
                       << "' must take one pointer and return i32";
  return success();
}

LogicalResult TableBuilder::check(const Description &description) {
  for (const Storage &storage : description.storage)
    if (failed(checkRank("array", storage.name, storage.dims)))
      return failure();
  for (const Program &program : description.programs) {
    for (const Port &port : program.inputs)
      if (failed(checkRank("input", port.name, port.dims)))
        return failure();
    for (const Port &port : program.outputs)
      if (failed(checkRank("output", port.name, port.dims)))
        return failure();
    if (program.variants.empty() && program.devices.empty())
      return emitError() << "program '" << program.name << "' has no variant";
    for (const Variant &variant : program.variants)
      if (failed(checkRun(program, variant.run)))
        return failure();
    for (const DeviceVariant &variant : program.devices)
      if (failed(checkRun(program, variant.run)))
        return failure();
  }
  return success();
}

/// const pcx_artifact_t *pcx_artifact_query(uint32_t max_abi)
void TableBuilder::addQuery(llvm::Constant *table) {
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *type = llvm::FunctionType::get(
      pointer, {llvm::Type::getInt32Ty(context)}, /*isVarArg=*/false);
  auto *query = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                       PCX_QUERY_SYMBOL, module);
  query->setDoesNotThrow();
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "entry", query));
  llvm::Value *serves = b.CreateICmpUGE(query->getArg(0), i32(PCX_ABI_VERSION));
  b.CreateRet(b.CreateSelect(serves, table, null()));
}

LogicalResult TableBuilder::build(const Description &description) {
  if (failed(check(description)))
    return failure();
  addQuery(addGlobal(get(description), "pcx.artifact", 8));
  return success();
}

LogicalResult
pc::artifact::emitTable(llvm::Module &module, const Description &description,
                        function_ref<InFlightDiagnostic()> emitError) {
  return TableBuilder(module, emitError).build(description);
}

void pc::artifact::setStageTasks(llvm::Module &module) {
  for (llvm::GlobalVariable &global : module.globals()) {
    llvm::MDNode *tasks = global.getMetadata(kTasksMetadata);
    if (!tasks)
      continue;
    auto *table = cast<llvm::ConstantArray>(global.getInitializer());
    SmallVector<llvm::Constant *> records;
    for (auto [record, name] :
         llvm::zip_equal(table->operands(), tasks->operands())) {
      auto *stage = cast<llvm::ConstantStruct>(record);
      // Another address of a function may change what is made of it.
      llvm::Function *task =
          module.getFunction(cast<llvm::MDString>(name)->getString());
      if (!task || !task->hasAddressTaken()) {
        records.push_back(stage);
        continue;
      }
      SmallVector<llvm::Constant *> fields;
      uint64_t offset = 0;
      for (llvm::Use &field : stage->operands()) {
        auto *value = cast<llvm::Constant>(field);
        fields.push_back(offset == offsetof(pcx_stage_info_t, task) ? task
                                                                    : value);
        offset += module.getDataLayout().getTypeStoreSize(value->getType());
      }
      records.push_back(llvm::ConstantStruct::get(stage->getType(), fields));
    }
    global.setInitializer(llvm::ConstantArray::get(table->getType(), records));
    global.setMetadata(kTasksMetadata, nullptr);
    global.setExternallyInitialized(false);
  }
}
