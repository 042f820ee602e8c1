//===- CompiledProgram.cpp - Runs programs that the tests compile ---------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompiledProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "pc/Codegen/CPU/Target.h"
#include "pc/Dialect/PC/Transforms/Passes.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <random>

using namespace mlir;
using namespace pc;
using namespace pc::test;

DialectRegistry &pc::test::getRegistry() {
  static DialectRegistry registry = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    DialectRegistry registry;
    registry
        .insert<PCDialect, arith::ArithDialect, func::FuncDialect,
                index::IndexDialect, LLVM::LLVMDialect, linalg::LinalgDialect,
                math::MathDialect, scf::SCFDialect, tensor::TensorDialect,
                ub::UBDialect, vector::VectorDialect>();
    registerScalarDifferentiableModels(registry);
    registerLLVMDialectTranslation(registry);
    registerBuiltinDialectTranslation(registry);
    return registry;
  }();
  return registry;
}

bool pc::test::canRun(StringRef cpu) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  bool v3 = features["avx2"] && features["fma"] && features["bmi2"];
  bool v4 = v3 && features["avx512f"] && features["avx512vl"] &&
            features["avx512bw"] && features["avx512dq"];
  if (cpu == "x86-64-v3")
    return v3;
  if (cpu == "x86-64-v4")
    return v4;
  FailureOr<CPUTarget> target = CPUTarget::parse(cpu, nullptr);
  if (!v4 || failed(target))
    return false;
  for (StringRef feature : target->features)
    if (feature.consume_front("+") && !features[feature])
      return false;
  // Linux lets a process use tiles that has asked for them, as the runtime
  // does: see lib/Runtime/CPU.cpp.
  constexpr long requestPermission = 0x1023, tileData = 18;
  return !(target->required & PCX_CPU_AMX_BF16) ||
         syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

std::unique_ptr<CompiledModule>
CompiledModule::create(StringRef source, const CompileOptions &options,
                       std::string &message) {
  std::unique_ptr<CompiledModule> result(new CompiledModule);
  result->context = std::make_unique<MLIRContext>(
      getRegistry(), MLIRContext::Threading::DISABLED);
  MLIRContext *context = result->context.get();
  context->loadAllAvailableDialects();
  context->printOpOnDiagnostic(false);
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    message += diagnostic.str() + "\n";
  });
  PipelineOptions pipeline;
  pipeline.floatType = options.floatType;
  pipeline.precision = options.precision;
  pipeline.batch = options.batch;
  pipeline.sampleBlock = options.sampleBlock;
  pipeline.trace = options.trace;
  pipeline.algorithm = options.algorithm;
  pipeline.optLevel = options.optLevel;
  for (const std::string &definition : options.define)
    pipeline.define.push_back(definition);
  pipeline.cpus = {options.cpu};

  result->lowered = parseSourceString<ModuleOp>(source, context);
  if (!result->lowered)
    return nullptr;
  auto run = [&](Phase first, Phase last) {
    PassManager manager(context);
    for (const PhaseInfo &info : getPhases())
      if (info.phase >= first && info.phase <= last &&
          isPhaseOf(info.phase, pipeline.target))
        buildPhase(manager, info.phase, pipeline);
    return succeeded(manager.run(*result->lowered));
  };
  // A source that is functional already skips the first phases.
  bool functional = !result->lowered->getBody()->getOps<func::FuncOp>().empty();
  if (!functional && !run(Phase::Model, Phase::Functional))
    return nullptr;
  result->functional = result->lowered->clone();
  if (options.precision == "bf16") {
    PassManager narrow(context);
    auto &functions = narrow.nest<func::FuncOp>();
    functions.addPass(createDifferenceProductsPass());
    functions.addPass(createNarrowProductsPass());
    if (failed(narrow.run(*result->functional)))
      return nullptr;
  }
  if (!run(Phase::Simplified, Phase::LLVM))
    return nullptr;
  result->info = getModuleInfo(*result->lowered);
  for (const PortInfo &port : result->info.storage) {
    auto type = cast<RankedTensorType>(port.type);
    std::vector<int64_t> shape = type.getShape().vec();
    if (!shape.empty() && ShapedType::isDynamic(shape[0]))
      shape[0] = options.batch;
    result->storage[port.port.getName().str()] = Tensor::splat(shape, 0.0);
  }
  for (PortAttr port : result->info.hypers)
    result->hypers[port.getName().str()] =
        cast<FloatAttr>(port.getDetail("value")).getValueAsDouble();

  ExecutionEngineOptions jit;
  auto transformer = makeOptimizingTransformer(options.optLevel, 0, nullptr);
  jit.transformer = transformer;
  jit.jitCodeGenOptLevel = llvm::CodeGenOpt::getLevel(options.optLevel).value();
  auto engine = ExecutionEngine::create(*result->lowered, jit);
  if (!engine) {
    message += llvm::toString(engine.takeError());
    return nullptr;
  }
  result->engine = std::move(*engine);
  return result;
}

namespace {
/// Memory with the ABI's alignment, and a guard behind it that a write past the
/// end would change.
class Memory {
public:
  explicit Memory(size_t bytes) : bytes(bytes) {
    size_t all = (bytes + 63) / 64 * 64 + guard;
    data = static_cast<char *>(std::aligned_alloc(64, all));
    std::memset(data, 0, all);
    std::memset(data + bytes, 0x5a, all - bytes);
  }
  ~Memory() { std::free(data); }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  bool isIntact() const {
    for (size_t i = bytes; i < (bytes + 63) / 64 * 64 + guard; ++i)
      if (data[i] != 0x5a)
        return false;
    return true;
  }
  char *data;
  size_t bytes;

private:
  static constexpr size_t guard = 256;
};

/// One array as compiled code sees it.
struct Array {
  Type element;
  std::unique_ptr<Memory> memory;
  /// Of a matrix whose transpose or panels lie in memory; 0 for all others.
  int64_t rows = 0, columns = 0;
  bool transposed = false;
  /// Columns of a panel of what lies in memory.
  int64_t panel = 0;

  Array(const PortInfo &info, int64_t paddedRows) {
    auto tensor = cast<RankedTensorType>(info.type);
    element = tensor.getElementType();
    if (auto strides = dyn_cast_or_null<DenseI64ArrayAttr>(
            info.port.getDetail("strides"))) {
      rows = tensor.getDimSize(0);
      columns = tensor.getDimSize(1);
      assert(strides.asArrayRef() == ArrayRef<int64_t>({1, rows}));
      transposed = true;
    }
    if (auto columnsOfPanel =
            dyn_cast_or_null<IntegerAttr>(info.port.getDetail("panel"))) {
      rows = tensor.getDimSize(0);
      columns = tensor.getDimSize(1);
      panel = columnsOfPanel.getInt();
    }
    int64_t elements = 1;
    for (int64_t dim : tensor.getShape())
      elements *= ShapedType::isDynamic(dim) ? paddedRows : dim;
    memory = std::make_unique<Memory>(elements *
                                      element.getIntOrFloatBitWidth() / 8);
  }
  template <typename F>
  void visit(F callback) {
    if (element.isF32())
      callback(reinterpret_cast<float *>(memory->data));
    else if (element.isF64())
      callback(reinterpret_cast<double *>(memory->data));
    else
      callback(reinterpret_cast<int64_t *>(memory->data));
  }
  /// Where element i of the dense array lies.
  int64_t at(int64_t i) const {
    if (!columns)
      return i;
    int64_t r = i / columns, c = i % columns;
    int64_t height = rows, width = columns;
    if (transposed) {
      std::swap(r, c);
      std::swap(height, width);
    }
    if (!panel)
      return r * width + c;
    int64_t first = c - c % panel;
    return first * height + r * std::min(panel, width - first) + c - first;
  }
  void set(const Tensor &values) {
    visit([&](auto *data) {
      for (int64_t i = 0; i < values.size(); ++i)
        data[at(i)] = values.data[i];
    });
  }
  void get(Tensor &values) {
    visit([&](auto *data) {
      for (int64_t i = 0; i < values.size(); ++i)
        values.data[i] = static_cast<double>(data[at(i)]);
    });
  }
};
} // namespace

/// Runs the tasks in a shuffled order, on changing workers.
static void shuffledFor(void *self, pcx_task_fn task, void *context,
                        int64_t count) {
  auto *module = static_cast<CompiledModule *>(self);
  std::vector<int64_t> indices(count);
  for (int64_t i = 0; i < count; ++i)
    indices[i] = i;
  std::mt19937 random(module->order);
  if (module->order)
    std::shuffle(indices.begin(), indices.end(), random);
  for (int64_t index : indices)
    task(context, index, random() % module->workers);
}

Arrays CompiledModule::run(StringRef program, int64_t n, const Arrays &inputs,
                           int32_t *status) {
  const EntryInfo *entry = nullptr;
  for (const EntryInfo &candidate : info.entries)
    if (candidate.program.getValue() == program)
      entry = &candidate;
  assert(entry && "no such program");
  auto found = engine->lookup(entry->symbol.getValue());
  assert(found && "a program has a function");
  auto fn = reinterpret_cast<pcx_run_fn>(*found);

  int64_t padded = llvm::alignTo(std::max<int64_t>(n, 1), entry->sampleBlock);
  std::vector<Array> arrays;
  std::vector<void *> inputPointers, outputPointers, storagePointers;
  std::vector<double> numbers;
  arrays.reserve(inputs.size() + entry->outputs.size() + info.storage.size() +
                 8);
  auto make = [&](const PortInfo &port, int64_t rows,
                  std::vector<void *> &pointers) {
    arrays.emplace_back(port, rows);
    pointers.push_back(arrays.back().memory->data);
    return arrays.size() - 1;
  };
  for (const PortInfo &port : entry->inputs)
    arrays[make(port, padded, inputPointers)].set(
        inputs.at(port.port.getName().str()));
  std::vector<size_t> outputArrays, storageArrays;
  for (const PortInfo &port : entry->outputs)
    outputArrays.push_back(make(port, padded, outputPointers));
  int64_t most = llvm::alignTo(entry->maxBatch, entry->sampleBlock);
  for (const PortInfo &port : info.storage) {
    storageArrays.push_back(make(port, most, storagePointers));
    arrays.back().set(storage.at(port.port.getName().str()));
  }
  for (PortAttr port : info.hypers)
    numbers.push_back(hypers.at(port.getName().str()));
  Memory workspace(entry->workspaceBytes + workers * entry->workerBytes);
  // What stands in memory before a call must not matter.
  for (size_t i = 0; i + 4 <= workspace.bytes; i += 4)
    std::memcpy(workspace.data + i, "\xff\xff\xff\x7f", 4);

  pcx_host_t host{};
  host.struct_size = sizeof host;
  host.workers = workers;
  host.self = this;
  host.parallel_for = shuffledFor;
  pcx_run_args_t args{};
  args.struct_size = sizeof args;
  args.n = n;
  args.inputs = inputPointers.data();
  args.outputs = outputPointers.data();
  args.storage = storagePointers.data();
  args.hypers = numbers.data();
  args.workspace = workspace.data;
  args.host = &host;
  args.seed = counters.seed;
  args.call = counters.call;
  args.total_steps = counters.totalSteps;
  args.epoch = counters.epoch;
  int32_t code = fn(&args);
  if (status)
    *status = code;

  bool intact = workspace.isIntact();
  for (const Array &array : arrays)
    intact &= array.memory->isIntact();
  if (!intact) {
    llvm::errs() << "compiled code wrote past the end of an array\n";
    std::abort();
  }
  for (auto [index, port] : llvm::enumerate(info.storage)) {
    Tensor &values = storage.at(port.port.getName().str());
    Tensor before = values;
    arrays[storageArrays[index]].get(values);
    // As the runtime does: a call leaves rows of states past n alone.
    if (port.port.getKind() == PortKind::State)
      std::copy(before.data.begin() + n * (before.size() / before.shape[0]),
                before.data.end(),
                values.data.begin() + n * (before.size() / before.shape[0]));
  }
  Arrays outputs;
  for (auto [index, port] : llvm::enumerate(entry->outputs)) {
    auto type = cast<RankedTensorType>(port.type);
    std::vector<int64_t> shape = type.getShape().vec();
    if (!shape.empty() && ShapedType::isDynamic(shape[0]))
      shape[0] = n;
    Tensor values = Tensor::splat(shape, 0.0);
    arrays[outputArrays[index]].get(values);
    outputs[port.port.getName().str()] = std::move(values);
  }
  return outputs;
}
