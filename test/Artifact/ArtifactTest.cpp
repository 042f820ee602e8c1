//===- ArtifactTest.cpp - Artifacts, from the LLVM dialect to a run -------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Programs written by hand in the LLVM dialect are compiled and linked, loaded
// by the runtime through its C API, and run.
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Artifact.h"
#include "pc/Codegen/CPU/Target.h"
#include "pcx/pcx.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SHA256.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>

using namespace mlir;
using namespace pc::artifact;

namespace {
/// run(args): output[i] = 2 input[i] for the n rows of four floats, one row a
/// task of the host's parallel loop.
constexpr const char *doubling = R"(
  llvm.func @double_task(%context: !llvm.ptr, %index: i64, %worker: i64) {
    %pin = llvm.getelementptr %context[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %pout = llvm.getelementptr %context[24] : (!llvm.ptr) -> !llvm.ptr, i8
    %ins = llvm.load %pin : !llvm.ptr -> !llvm.ptr
    %outs = llvm.load %pout : !llvm.ptr -> !llvm.ptr
    %in = llvm.load %ins : !llvm.ptr -> !llvm.ptr
    %out = llvm.load %outs : !llvm.ptr -> !llvm.ptr
    %from = llvm.getelementptr %in[%index] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<4 x f32>
    %to = llvm.getelementptr %out[%index] : (!llvm.ptr, i64) -> !llvm.ptr, !llvm.array<4 x f32>
    %x = llvm.load %from {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %y = llvm.fadd %x, %x : vector<4xf32>
    llvm.store %y, %to {alignment = 4 : i64} : vector<4xf32>, !llvm.ptr
    llvm.return
  }
  llvm.func @double(%args: !llvm.ptr) -> i32 {
    %zero = llvm.mlir.constant(0 : i32) : i32
    %task = llvm.mlir.addressof @double_task : !llvm.ptr
    %pn = llvm.getelementptr %args[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %n = llvm.load %pn : !llvm.ptr -> i64
    %phost = llvm.getelementptr %args[56] : (!llvm.ptr) -> !llvm.ptr, i8
    %host = llvm.load %phost : !llvm.ptr -> !llvm.ptr
    %pself = llvm.getelementptr %host[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %self = llvm.load %pself : !llvm.ptr -> !llvm.ptr
    %pfor = llvm.getelementptr %host[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %for = llvm.load %pfor : !llvm.ptr -> !llvm.ptr
    llvm.call %for(%self, %task, %args, %n) : !llvm.ptr, (!llvm.ptr, !llvm.ptr, !llvm.ptr, i64) -> ()
    llvm.return %zero : i32
  }
)";
static_assert(offsetof(pcx_run_args_t, n) == 8 &&
              offsetof(pcx_run_args_t, inputs) == 16 &&
              offsetof(pcx_run_args_t, outputs) == 24 &&
              offsetof(pcx_run_args_t, host) == 56 &&
              offsetof(pcx_host_t, self) == 8 &&
              offsetof(pcx_host_t, parallel_for) == 16 &&
              offsetof(pcx_host_t, mark) == 24);

/// The bytes of all rows, and where input and output are.
constexpr const char *arguments = R"(
    %pn = llvm.getelementptr %args[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %n = llvm.load %pn : !llvm.ptr -> i64
    %row = llvm.mlir.constant(16 : i64) : i64
    %bytes = llvm.mul %n, %row : i64
    %pin = llvm.getelementptr %args[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %pout = llvm.getelementptr %args[24] : (!llvm.ptr) -> !llvm.ptr, i8
    %ins = llvm.load %pin : !llvm.ptr -> !llvm.ptr
    %outs = llvm.load %pout : !llvm.ptr -> !llvm.ptr
    %in = llvm.load %ins : !llvm.ptr -> !llvm.ptr
    %out = llvm.load %outs : !llvm.ptr -> !llvm.ptr
  )";

class ArtifactTest : public ::testing::Test {
protected:
  ArtifactTest() {
    context.loadDialect<LLVM::LLVMDialect>();
    context.getDiagEngine().registerHandler([&](Diagnostic &diag) {
      messages += diag.str() + "\n";
      for (Diagnostic &note : diag.getNotes())
        messages += "note: " + note.str() + "\n";
      return success();
    });
  }
  ~ArtifactTest() override { pcx_module_destroy(loaded); }

  OwningOpRef<ModuleOp> parse(const std::string &text) {
    return parseSourceString<ModuleOp>(text, &context);
  }

  /// A description with one program per function.
  static Description describe(std::initializer_list<const char *> functions) {
    Description d;
    d.compiler = getCompilerName();
    d.model = "toy";
    d.sourceName = "toy.pcir";
    d.sourceSha256 = std::string(64, 'a');
    d.options = "-O3";
    d.maxBatch = 8;
    for (const char *function : functions) {
      Program p;
      p.name = function;
      Port x;
      x.name = "x";
      x.dims = {4};
      p.inputs = {x};
      x.name = "y";
      p.outputs = {x};
      Variant v;
      v.cpu = "x86-64";
      v.run = function;
      p.variants = {v};
      d.programs.push_back(p);
    }
    return d;
  }

  std::string emitTo(const std::string &text, const Description &description,
                     Emit kind = Emit::Artifact, EmitOptions options = {}) {
    OwningOpRef<ModuleOp> module = parse(text);
    if (!module)
      return "";
    SmallVector<char, 0> bytes;
    if (failed(emit(*module, description, kind, options, bytes)))
      return "";
    return std::string(bytes.begin(), bytes.end());
  }

  /// Loads an artifact with the runtime and runs program `index` on the rows.
  std::vector<float> run(const std::string &bytes, uint32_t index,
                         std::vector<float> x) {
    pcx_module_destroy(loaded);
    loaded = nullptr;
    if (pcx_module_load_bytes(bytes.data(), bytes.size(), "toy.pcx", &loaded)) {
      ADD_FAILURE() << pcx_last_error();
      return {};
    }
    pcx_session_t *session = nullptr;
    if (pcx_session_create(loaded, nullptr, &session)) {
      ADD_FAILURE() << pcx_last_error();
      return {};
    }
    std::vector<float> y(x.size());
    uint64_t size = x.size() * sizeof(float);
    pcx_array_t in = {x.data(), size, PCX_F32}, out = {y.data(), size, PCX_F32};
    if (pcx_run(session, index, x.size() / 4, &in, 1, &out, 1))
      ADD_FAILURE() << pcx_last_error();
    pcx_session_destroy(session);
    return y;
  }

  MLIRContext context;
  std::string messages;
  pcx_module_t *loaded = nullptr;
};

std::vector<float> iota(size_t count) {
  std::vector<float> result(count);
  std::iota(result.begin(), result.end(), 1.0f);
  return result;
}
} // namespace

TEST_F(ArtifactTest, RunsAtEveryLevel) {
  std::vector<float> x = iota(20), expected = x;
  for (float &value : expected)
    value *= 2;
  for (unsigned level = 0; level <= 3; ++level) {
    EmitOptions options;
    options.optLevel = level;
    std::string bytes =
        emitTo(doubling, describe({"double"}), Emit::Artifact, options);
    ASSERT_FALSE(bytes.empty()) << messages;
    EXPECT_EQ(run(bytes, 0, x), expected) << "-O" << level;
  }
}

TEST_F(ArtifactTest, VariantsHaveTheirOwnInstructions) {
  // The same function for two CPUs in one module.
  std::string text;
  Description d = describe({"double"});
  d.programs[0].variants.clear();
  for (const char *cpu : {"x86-64-v4", "x86-64-v3"}) {
    std::string copy = doubling;
    std::string suffix = cpu[8] == '4' ? "_v4" : "_v3";
    for (size_t at = 0; (at = copy.find("@double", at)) != std::string::npos;) {
      size_t end = copy.find('(', at);
      end = std::min(end, copy.find(' ', at));
      copy.insert(end, suffix);
      at = end;
    }
    text += copy;
    auto target = pc::CPUTarget::parse(
        cpu, [&] { return mlir::emitError(UnknownLoc::get(&context)); });
    ASSERT_TRUE(succeeded(target));
    Variant v;
    v.cpu = target->name;
    v.required = target->required;
    v.run = "double" + suffix;
    d.programs[0].variants.push_back(v);
  }
  OwningOpRef<ModuleOp> module = parse(text);
  ASSERT_TRUE(module) << messages;
  module->walk([&](LLVM::LLVMFuncOp func) {
    auto target = pc::CPUTarget::parse(
        func.getName().ends_with("_v4") ? "x86-64-v4" : "x86-64-v3",
        [&] { return mlir::emitError(UnknownLoc::get(&context)); });
    target->setAttributes(func);
  });
  SmallVector<char, 0> assembly, bytes;
  ASSERT_TRUE(succeeded(emit(*module, d, Emit::Assembly, {}, assembly)));
  EXPECT_NE(StringRef(assembly.data(), assembly.size()).find("vaddps"),
            StringRef::npos);
  ASSERT_TRUE(succeeded(emit(*module, d, Emit::Artifact, {}, bytes)));
  pcx_trailer_t trailer;
  std::memcpy(&trailer, bytes.end() - sizeof(trailer), sizeof(trailer));
  EXPECT_STREQ(trailer.isa, "x86-64-v3");
  EXPECT_EQ(trailer.required_cpu,
            uint64_t(PCX_CPU_AVX2 | PCX_CPU_FMA | PCX_CPU_BMI2));
}

TEST_F(ArtifactTest, RequiresWhatAllVariantsNeed) {
  // Of the two CPUs none has all that the other has.
  Description d = describe({"double"});
  Variant wide = d.programs[0].variants[0], narrow = wide;
  wide.required = PCX_CPU_AVX2 | PCX_CPU_AVX512;
  narrow.required = PCX_CPU_AVX2 | PCX_CPU_AVX_VNNI | PCX_CPU_GFNI;
  d.programs[0].variants = {narrow, wide};
  EXPECT_EQ(d.getRequiredFeatures(), uint64_t(PCX_CPU_AVX2));
  // Both programs must run.
  d.programs.push_back(d.programs[0]);
  d.programs[1].variants = {wide};
  EXPECT_EQ(d.getRequiredFeatures(), wide.required);
  d.programs[1].variants.clear();
  EXPECT_EQ(d.getRequiredFeatures(), uint64_t(PCX_CPU_AVX2));
}

TEST_F(ArtifactTest, BytesDependOnTheInputAlone) {
  Description d = describe({"double"});
  for (Emit kind :
       {Emit::LLVMIR, Emit::Assembly, Emit::Object, Emit::Artifact}) {
    std::string first = emitTo(doubling, d, kind);
    std::filesystem::path folder =
        std::filesystem::temp_directory_path() / "pc-artifact-other-folder";
    std::filesystem::create_directories(folder);
    setenv("TMPDIR", folder.c_str(), 1);
    std::string second = emitTo(doubling, d, kind);
    unsetenv("TMPDIR");
    EXPECT_FALSE(first.empty()) << messages;
    EXPECT_EQ(first, second);
    EXPECT_EQ(first.find("/tmp"), std::string::npos);
    // And the folder of the linker is gone.
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    std::filesystem::remove_all(folder);
  }
}

TEST_F(ArtifactTest, ObjectIsHermetic) {
  // The description's strings alone keep this from being trivial.
  std::string bytes = emitTo(doubling, describe({"double"}));
  ASSERT_FALSE(bytes.empty()) << messages;
  EXPECT_EQ(bytes.substr(PCX_IDENT_OFFSET, 4), std::string("PCX\0", 4));
  std::string payload = bytes.substr(0, bytes.size() - PCX_TRAILER_BYTES);
  std::memset(payload.data() + PCX_IDENT_OFFSET, 0, 4);
  auto object = llvm::object::ObjectFile::createELFObjectFile(
      llvm::MemoryBufferRef(payload, "toy"));
  ASSERT_TRUE(static_cast<bool>(object));
  auto *elf = cast<llvm::object::ELF64LEObjectFile>(object->get());
  std::vector<std::string> exported;
  for (const auto &symbol : elf->getDynamicSymbolIterators()) {
    auto flags = symbol.getFlags();
    ASSERT_TRUE(static_cast<bool>(flags));
    auto name = symbol.getName();
    ASSERT_TRUE(static_cast<bool>(name));
    EXPECT_FALSE(*flags & llvm::object::SymbolRef::SF_Undefined)
        << "undefined symbol " << name->str();
    exported.push_back(name->str());
  }
  EXPECT_EQ(exported, std::vector<std::string>{PCX_QUERY_SYMBOL});
  auto dynamic = elf->getELFFile().dynamicEntries();
  ASSERT_TRUE(static_cast<bool>(dynamic));
  for (const auto &entry : *dynamic) {
    EXPECT_NE(entry.d_tag, int64_t(llvm::ELF::DT_NEEDED));
    EXPECT_NE(entry.d_tag, int64_t(llvm::ELF::DT_TEXTREL));
    EXPECT_NE(entry.d_tag, int64_t(llvm::ELF::DT_INIT_ARRAY));
  }
}

TEST_F(ArtifactTest, TrailerHoldsTheHash) {
  std::string bytes = emitTo(doubling, describe({"double"}));
  ASSERT_GT(bytes.size(), PCX_TRAILER_BYTES);
  pcx_trailer_t trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof(trailer),
              sizeof(trailer));
  EXPECT_EQ(std::string(trailer.magic, 8), PCX_TRAILER_MAGIC);
  EXPECT_EQ(trailer.payload_bytes, bytes.size() - PCX_TRAILER_BYTES);
  EXPECT_EQ(trailer.abi_version, PCX_ABI_VERSION);
  EXPECT_EQ(trailer.compiler, getCompilerName());
  auto hash = llvm::SHA256::hash(ArrayRef(
      reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size() - 32));
  EXPECT_EQ(0, std::memcmp(hash.data(), trailer.sha256, 32));
}

TEST_F(ArtifactTest, TablesReachTheRuntime) {
  Description d = describe({"double"});
  d.dtype = PCX_F32;
  Storage w;
  w.name = "fc1.weight";
  w.dims = {10, 5};
  w.strides = {16, 1};
  w.bytes = 10 * 16 * 4;
  w.init = PCX_INIT_UNIFORM;
  w.initArg0 = -0.25;
  w.initArg1 = 0.5;
  w.initStream = 77;
  Storage count;
  count.name = "weight_step";
  count.kind = PCX_OPTIMISER;
  count.dtype = PCX_I64;
  d.storage = {w, count};
  Storage dense;
  dense.name = "h1";
  dense.kind = PCX_BUFFER;
  dense.dtype = PCX_F64;
  dense.dims = {2, 3, 4};
  d.storage.push_back(dense);
  Hyper lr;
  lr.name = "w_lr";
  lr.value = 1e-3;
  lr.min = 0;
  Hyper steps;
  steps.name = "T";
  steps.value = 8;
  steps.integral = true;
  d.hypers = {lr, steps};
  Program &p = d.programs[0];
  p.role = PCX_ROLE_TRAIN;
  p.weightStepsPerCall = 5;
  p.storageReads = {0, 1};
  p.storageWrites = {0};
  Port energy;
  energy.name = "energy";
  energy.perSample = false;
  energy.reduce = PCX_REDUCE_MEAN;
  energy.flags = PCX_PORT_REPORT;
  p.outputs.push_back(energy);
  Variant &v = p.variants[0];
  v.workspaceBytes = 4096;
  v.workerBytes = 128;
  v.sampleBlock = 4;
  Kernel k;
  k.name = "fc1";
  k.flopsBase = 1;
  k.flopsPerSample = 2;
  k.bytesBase = 3;
  k.bytesPerSample = 4;
  k.rows = 5;
  v.kernels = {k};
  v.marked = true;
  // The code takes the address of the first one's function; the other one's was
  // inlined, say.
  v.stages = {{"samples1", "double_task", 1, {{0, 7}}},
              {"params2_0", "inlined", 2, {}}};

  std::string bytes = emitTo(doubling, d);
  ASSERT_FALSE(bytes.empty()) << messages;
  ASSERT_EQ(pcx_module_load_bytes(bytes.data(), bytes.size(), "toy", &loaded),
            PCX_OK)
      << pcx_last_error();
  const pcx_artifact_t *a = pcx_module_info(loaded);
  EXPECT_EQ(a->struct_size, sizeof(pcx_artifact_t));
  EXPECT_EQ(a->abi_version, PCX_ABI_VERSION);
  EXPECT_STREQ(a->compiler, getCompilerName().c_str());
  EXPECT_STREQ(a->model, "toy");
  EXPECT_STREQ(a->source_name, "toy.pcir");
  EXPECT_STREQ(a->source_sha256, d.sourceSha256.c_str());
  EXPECT_STREQ(a->options, "-O3");
  EXPECT_EQ(a->dtype, uint32_t(PCX_F32));
  EXPECT_EQ(a->max_batch, 8);

  ASSERT_EQ(a->storage_count, 3u);
  const pcx_storage_t &s0 = a->storage[0], &s1 = a->storage[1],
                      &s2 = a->storage[2];
  EXPECT_EQ(s0.struct_size, sizeof(pcx_storage_t));
  EXPECT_STREQ(s0.name, "fc1.weight");
  EXPECT_EQ(s0.kind, uint32_t(PCX_PARAMETER));
  EXPECT_EQ(s0.rank, 2u);
  EXPECT_EQ(s0.dims[0], 10);
  EXPECT_EQ(s0.dims[1], 5);
  EXPECT_EQ(s0.strides[0], 16);
  EXPECT_EQ(s0.strides[1], 1);
  EXPECT_EQ(s0.bytes, 640u);
  EXPECT_EQ(s0.panel, 0);
  EXPECT_EQ(s0.init, uint32_t(PCX_INIT_UNIFORM));
  EXPECT_EQ(s0.init_arg0, -0.25);
  EXPECT_EQ(s0.init_arg1, 0.5);
  EXPECT_EQ(s0.init_stream, 77u);
  EXPECT_STREQ(s1.name, "weight_step");
  EXPECT_EQ(s1.kind, uint32_t(PCX_OPTIMISER));
  EXPECT_EQ(s1.dtype, uint32_t(PCX_I64));
  EXPECT_EQ(s1.rank, 0u);
  EXPECT_EQ(s1.bytes, 8u);
  EXPECT_EQ(s2.bytes, 2u * 3 * 4 * 8);
  EXPECT_EQ(s2.strides[0], 12);
  EXPECT_EQ(s2.strides[1], 4);
  EXPECT_EQ(s2.strides[2], 1);

  ASSERT_EQ(a->hyper_count, 2u);
  EXPECT_EQ(a->hypers[0].struct_size, sizeof(pcx_hyper_t));
  EXPECT_STREQ(a->hypers[0].name, "w_lr");
  EXPECT_EQ(a->hypers[0].value, 1e-3);
  EXPECT_EQ(a->hypers[0].min, 0);
  EXPECT_EQ(a->hypers[0].max, std::numeric_limits<double>::infinity());
  EXPECT_EQ(a->hypers[0].integral, 0u);
  EXPECT_EQ(a->hypers[1].integral, 1u);

  ASSERT_EQ(a->program_count, 1u);
  const pcx_program_t &program = a->programs[0];
  EXPECT_EQ(program.struct_size, sizeof(pcx_program_t));
  EXPECT_STREQ(program.name, "double");
  EXPECT_EQ(program.role, uint32_t(PCX_ROLE_TRAIN));
  EXPECT_EQ(program.weight_steps_per_call, 5);
  ASSERT_EQ(program.input_count, 1u);
  EXPECT_EQ(program.inputs[0].struct_size, sizeof(pcx_port_t));
  EXPECT_STREQ(program.inputs[0].name, "x");
  EXPECT_EQ(program.inputs[0].per_sample, 1u);
  EXPECT_EQ(program.inputs[0].rank, 1u);
  EXPECT_EQ(program.inputs[0].dims[0], 4);
  ASSERT_EQ(program.output_count, 2u);
  EXPECT_STREQ(program.outputs[1].name, "energy");
  EXPECT_EQ(program.outputs[1].per_sample, 0u);
  EXPECT_EQ(program.outputs[1].reduce, uint32_t(PCX_REDUCE_MEAN));
  EXPECT_EQ(program.outputs[1].flags, uint32_t(PCX_PORT_REPORT));
  ASSERT_EQ(program.storage_read_count, 2u);
  EXPECT_EQ(program.storage_reads[1], 1u);
  ASSERT_EQ(program.storage_write_count, 1u);
  EXPECT_EQ(program.storage_writes[0], 0u);
  ASSERT_EQ(program.variant_count, 1u);
  const pcx_variant_t &variant = program.variants[0];
  EXPECT_EQ(variant.struct_size, sizeof(pcx_variant_t));
  EXPECT_STREQ(variant.cpu, "x86-64");
  EXPECT_NE(variant.run, nullptr);
  EXPECT_EQ(variant.workspace_bytes, 4096u);
  EXPECT_EQ(variant.worker_bytes, 128u);
  EXPECT_EQ(variant.sample_block, 4);
  ASSERT_EQ(variant.kernel_count, 1u);
  EXPECT_EQ(variant.kernels[0].struct_size, sizeof(pcx_kernel_info_t));
  EXPECT_STREQ(variant.kernels[0].name, "fc1");
  EXPECT_EQ(variant.kernels[0].flops_base, 1);
  EXPECT_EQ(variant.kernels[0].flops_per_sample, 2);
  EXPECT_EQ(variant.kernels[0].bytes_base, 3);
  EXPECT_EQ(variant.kernels[0].bytes_per_sample, 4);
  EXPECT_EQ(variant.kernels[0].rows, 5);
  EXPECT_EQ(variant.marked, 1u);
  ASSERT_EQ(variant.stage_count, 2u);
  EXPECT_EQ(variant.stages[0].struct_size, sizeof(pcx_stage_info_t));
  EXPECT_STREQ(variant.stages[0].name, "samples1");
  EXPECT_NE(variant.stages[0].task, nullptr);
  EXPECT_EQ(variant.stages[0].runs, 1);
  ASSERT_EQ(variant.stages[0].use_count, 1u);
  EXPECT_EQ(variant.stages[0].uses[0].struct_size, sizeof(pcx_kernel_use_t));
  EXPECT_EQ(variant.stages[0].uses[0].kernel, 0u);
  EXPECT_EQ(variant.stages[0].uses[0].calls, 7);
  EXPECT_EQ(variant.stages[1].task, nullptr);
  EXPECT_EQ(variant.stages[1].runs, 2);
  EXPECT_EQ(variant.stages[1].use_count, 0u);
}

TEST_F(ArtifactTest, PanelsReachTheRuntime) {
  Description d = describe({"double"});
  Storage weight;
  weight.name = "fc1.weight";
  weight.dims = {3, 10};
  weight.panel = 4;
  d.storage = {weight};
  std::string bytes = emitTo(doubling, d);
  ASSERT_FALSE(bytes.empty()) << messages;
  ASSERT_EQ(pcx_module_load_bytes(bytes.data(), bytes.size(), "toy", &loaded),
            PCX_OK)
      << pcx_last_error();
  EXPECT_EQ(pcx_module_info(loaded)->storage[0].panel, 4);
}

/// Copies and fills whose size nobody knows: the back end calls memcpy and its
/// kin, which the artifact brings along.
TEST_F(ArtifactTest, BringsItsOwnMemoryFunctions) {
  std::string text = llvm::formatv(R"(
  llvm.func @copy(%args: !llvm.ptr) -> i32 {{
    {0}
    "llvm.intr.memcpy"(%out, %in, %bytes) <{{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
    %zero = llvm.mlir.constant(0 : i32) : i32
    llvm.return %zero : i32
  }
  llvm.func @shift(%args: !llvm.ptr) -> i32 {{
    {0}
    // Down by a row, up by two, in place: both directions of an overlap.
    "llvm.intr.memcpy"(%out, %in, %bytes) <{{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
    %second = llvm.getelementptr %out[16] : (!llvm.ptr) -> !llvm.ptr, i8
    %third = llvm.getelementptr %out[32] : (!llvm.ptr) -> !llvm.ptr, i8
    %less = llvm.sub %bytes, %row : i64
    %least = llvm.sub %less, %row : i64
    "llvm.intr.memmove"(%out, %second, %less) <{{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
    "llvm.intr.memmove"(%third, %out, %least) <{{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
    %zero = llvm.mlir.constant(0 : i32) : i32
    llvm.return %zero : i32
  }
  llvm.func @fill(%args: !llvm.ptr) -> i32 {{
    {0}
    %value = llvm.mlir.constant(63 : i8) : i8
    "llvm.intr.memset"(%out, %value, %bytes) <{{isVolatile = false}> : (!llvm.ptr, i8, i64) -> ()
    %zero = llvm.mlir.constant(0 : i32) : i32
    llvm.return %zero : i32
  })",
                                   arguments)
                         .str();
  for (unsigned level : {0, 3}) {
    EmitOptions options;
    options.optLevel = level;
    std::string bytes = emitTo(text, describe({"copy", "shift", "fill"}),
                               Emit::Artifact, options);
    ASSERT_FALSE(bytes.empty()) << messages;
    std::vector<float> x = iota(5 * 4);
    EXPECT_EQ(run(bytes, 0, x), x);
    std::vector<float> expected = {5, 6, 7, 8,  9,  10, 11, 12, 5,  6,
                                   7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    EXPECT_EQ(run(bytes, 1, x), expected);
    float filled;
    std::memset(&filled, 63, sizeof(filled));
    EXPECT_EQ(run(bytes, 2, x), std::vector<float>(20, filled));
  }
}

/// Functions that are not inlined are compiled in modules of their own; they
/// still meet in variables, and in the functions that the artifact brings
/// along.
TEST_F(ArtifactTest, PartsAreOneProgram) {
  std::string text = R"(
  llvm.mlir.global internal @row(dense<0.0> : vector<4xf32>) : vector<4xf32>
  llvm.func internal @copy(%out: !llvm.ptr, %in: !llvm.ptr, %bytes: i64) attributes {no_inline} {
    "llvm.intr.memcpy"(%out, %in, %bytes) <{isVolatile = false}> : (!llvm.ptr, !llvm.ptr, i64) -> ()
    llvm.return
  }
)";
  constexpr int kernels = 4, additions = 1200;
  std::string calls;
  for (int kernel = 0; kernel < kernels; ++kernel) {
    std::string body, last = "%x";
    for (int i = 0; i < additions; ++i) {
      std::string next = "%s" + std::to_string(i);
      body += "    " + next + " = llvm.fadd " + last + ", %y : vector<4xf32>\n";
      last = next;
    }
    std::string name = "@add" + std::to_string(kernel);
    text += "  llvm.func internal " + name +
            R"((%out: !llvm.ptr) attributes {no_inline} {
    %from = llvm.mlir.addressof @row : !llvm.ptr
    %y = llvm.load %from : !llvm.ptr -> vector<4xf32>
    %x = llvm.load %out {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
)" + body + "    llvm.store " +
            last + R"(, %out {alignment = 4 : i64} : vector<4xf32>, !llvm.ptr
    llvm.return
  }
)";
    calls += "    llvm.call " + name + "(%out) : (!llvm.ptr) -> ()\n";
  }
  text += R"(
  llvm.func @sum(%args: !llvm.ptr) -> i32 {
    %zero = llvm.mlir.constant(0 : i32) : i32
)" + std::string(arguments) +
          R"(
    %x = llvm.load %in {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %held = llvm.mlir.addressof @row : !llvm.ptr
    llvm.store %x, %held : vector<4xf32>, !llvm.ptr
    llvm.call @copy(%out, %in, %bytes) : (!llvm.ptr, !llvm.ptr, i64) -> ()
)" + calls +
          "    llvm.return %zero : i32\n  }\n";

  std::vector<float> x = iota(12), expected = x;
  for (size_t i = 0; i < 4; ++i)
    expected[i] *= kernels * additions + 1;
  for (unsigned level : {0, 3}) {
    EmitOptions options;
    options.optLevel = level;
    std::string bytes =
        emitTo(text, describe({"sum"}), Emit::Artifact, options);
    ASSERT_FALSE(bytes.empty()) << messages;
    EXPECT_EQ(run(bytes, 0, x), expected) << "-O" << level;
  }
  // As text they are one module, in the order of the source.
  std::string ir = emitTo(text, describe({"sum"}), Emit::LLVMIR);
  SmallVector<StringRef> defined, lines;
  StringRef(ir).split(lines, '\n');
  for (StringRef line : lines)
    if (line.consume_front("define internal "))
      defined.push_back(line.split('@').second.split('(').first);
  EXPECT_EQ(defined, (SmallVector<StringRef>{"copy", "add0", "add1", "add2",
                                             "add3", "sum"}));
  EXPECT_EQ(ir.find("hidden"), std::string::npos);
}

/// LLVM would like to make memset of this loop, and one multiplication of the
/// call below; without a library it may not.
TEST_F(ArtifactTest, LoopsStayLoops) {
  std::string text = R"(
  llvm.func @fill(%args: !llvm.ptr) -> i32 {
    %zero = llvm.mlir.constant(0 : i32) : i32
    %first = llvm.mlir.constant(0 : i64) : i64
    %one = llvm.mlir.constant(1 : i64) : i64
    %value = llvm.mlir.constant(0.0 : f32) : f32
    %pn = llvm.getelementptr %args[8] : (!llvm.ptr) -> !llvm.ptr, i8
    %n = llvm.load %pn : !llvm.ptr -> i64
    %pout = llvm.getelementptr %args[24] : (!llvm.ptr) -> !llvm.ptr, i8
    %outs = llvm.load %pout : !llvm.ptr -> !llvm.ptr
    %out = llvm.load %outs : !llvm.ptr -> !llvm.ptr
    llvm.br ^loop(%first : i64)
  ^loop(%i: i64):
    %p = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    llvm.store %value, %p : f32, !llvm.ptr
    %next = llvm.add %i, %one : i64
    %more = llvm.icmp "slt" %next, %n : i64
    llvm.cond_br %more, ^loop(%next : i64), ^done
  ^done:
    llvm.return %zero : i32
  })";
  std::string ir = emitTo(text, describe({"fill"}), Emit::LLVMIR);
  ASSERT_FALSE(ir.empty()) << messages;
  EXPECT_EQ(ir.find("memset"), std::string::npos) << ir;
}

/// A product and a sum are one instruction where the IR asks for it and nowhere
/// else.
TEST_F(ArtifactTest, OnlyMultiplyAddIsFused) {
  std::string text = R"(
  llvm.func @fused(%args: !llvm.ptr) -> i32 attributes {target_cpu = "x86-64-v3"} {
    %zero = llvm.mlir.constant(0 : i32) : i32
    %x = llvm.load %args {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
    %y = llvm.intr.fmuladd(%x, %x, %x) : (vector<8xf32>, vector<8xf32>, vector<8xf32>) -> vector<8xf32>
    llvm.store %y, %args {alignment = 4 : i64} : vector<8xf32>, !llvm.ptr
    llvm.return %zero : i32
  }
  llvm.func @apart(%args: !llvm.ptr) -> i32 attributes {target_cpu = "x86-64-v3"} {
    %zero = llvm.mlir.constant(0 : i32) : i32
    %x = llvm.load %args {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
    %m = llvm.fmul %x, %x : vector<8xf32>
    %y = llvm.fadd %m, %x : vector<8xf32>
    llvm.store %y, %args {alignment = 4 : i64} : vector<8xf32>, !llvm.ptr
    llvm.return %zero : i32
  })";
  std::string assembly =
      emitTo(text, describe({"fused", "apart"}), Emit::Assembly);
  size_t fused = assembly.find("\nfused:"), apart = assembly.find("\napart:");
  ASSERT_LT(fused, apart) << messages;
  ASSERT_NE(apart, std::string::npos);
  std::string first = assembly.substr(fused, apart - fused),
              second = assembly.substr(apart);
  EXPECT_NE(first.find("vfmadd"), std::string::npos) << first;
  EXPECT_EQ(second.find("vfmadd"), std::string::npos) << second;
  EXPECT_NE(second.find("vmulps"), std::string::npos) << second;
}

TEST_F(ArtifactTest, CallOfALibraryIsAnError) {
  std::string text = R"(
  llvm.func @expf(f32) -> f32
  llvm.func @f(%args: !llvm.ptr) -> i32 {
    %zero = llvm.mlir.constant(0 : i32) : i32
    %x = llvm.load %args : !llvm.ptr -> f32
    %y = llvm.call @expf(%x) : (f32) -> f32
    llvm.store %y, %args : f32, !llvm.ptr
    llvm.return %zero : i32
  })";
  EXPECT_EQ(emitTo(text, describe({"f"})), "");
  EXPECT_NE(messages.find("cannot link the artifact"), std::string::npos)
      << messages;
  EXPECT_NE(messages.find("undefined symbol: expf"), std::string::npos)
      << messages;
  // An error of lld leaves it usable.
  messages.clear();
  EXPECT_NE(emitTo(doubling, describe({"double"})), "") << messages;
}

TEST_F(ArtifactTest, DescriptionMustFitTheModule) {
  EXPECT_EQ(emitTo(doubling, describe({"treble"})), "");
  EXPECT_EQ(messages, "program 'treble' runs function 'treble', which the "
                      "module does not define\n");
  messages.clear();
  EXPECT_EQ(emitTo(doubling, describe({"double_task"})), "");
  EXPECT_EQ(messages, "function 'double_task' of program 'double_task' must "
                      "take one pointer and return i32\n");
  messages.clear();
  Description d = describe({"double"});
  d.programs[0].inputs[0].dims = std::vector<int64_t>(9, 1);
  EXPECT_EQ(emitTo(doubling, d), "");
  EXPECT_EQ(messages, "input 'x' has rank 9, expected at most 8\n");
}

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

TEST_F(ArtifactTest, TargetNames) {
  auto parse = [&](StringRef name) {
    messages.clear();
    return pc::CPUTarget::parse(
        name, [&] { return mlir::emitError(UnknownLoc::get(&context)); });
  };
  constexpr uint64_t v3 = PCX_CPU_AVX2 | PCX_CPU_FMA | PCX_CPU_BMI2;
  auto target = parse("x86-64-v3");
  ASSERT_TRUE(succeeded(target));
  EXPECT_EQ(target->required, v3);
  EXPECT_EQ(target->vectorBits, 256u);
  EXPECT_EQ(target->vectorRegisters, 16u);
  EXPECT_EQ(target->getLanes(32), 8u);
  EXPECT_TRUE(target->features.empty());
  target = parse("x86-64-v4");
  ASSERT_TRUE(succeeded(target));
  EXPECT_EQ(target->required, v3 | PCX_CPU_AVX512);
  EXPECT_EQ(target->vectorBits, 512u);
  target = parse("sapphirerapids");
  ASSERT_TRUE(succeeded(target));
  EXPECT_EQ(target->llvmCPU, "x86-64-v4");
  EXPECT_EQ(target->tuneCPU, "sapphirerapids");
  EXPECT_TRUE(target->required & PCX_CPU_AMX_BF16);
  EXPECT_TRUE(target->required & PCX_CPU_AVX512_FP16);
  target = parse("znver3");
  ASSERT_TRUE(succeeded(target));
  EXPECT_EQ(target->llvmCPU, "x86-64-v3");
  EXPECT_EQ(target->required & ~v3, 0u);
  // The name of a CPU promises all that the CPU has: where a virtual machine
  // masks some of it, the native target is of another name.
  target = parse("native");
  ASSERT_TRUE(succeeded(target));
  EXPECT_TRUE(target->required & PCX_CPU_NATIVE);
  auto named = parse(target->name);
  if (succeeded(named))
    EXPECT_EQ(named->required & ~target->required, 0u);
  else
    EXPECT_EQ(target->name, target->tuneCPU + target->llvmCPU.substr(6));
  EXPECT_TRUE(failed(parse("x86-64-v5")));
  EXPECT_EQ(messages, "unknown CPU 'x86-64-v5', did you mean 'x86-64-v4'?\n");
  EXPECT_TRUE(failed(parse("nativ")));
  EXPECT_EQ(messages, "unknown CPU 'nativ', did you mean 'native'?\n");
  EXPECT_TRUE(failed(parse("cortex-a76-of-some-kind")));
  EXPECT_TRUE(StringRef(messages).contains("expected 'native'")) << messages;
  EXPECT_TRUE(failed(parse("sandybridge")));
  EXPECT_EQ(messages,
            "CPU 'sandybridge' is older than 'x86-64-v3', the least that code "
            "is generated for: it lacks avx2, fma, bmi, bmi2, lzcnt, movbe, "
            "f16c\n");
  if (succeeded(target = parse("native"))) {
    EXPECT_TRUE(target->required & PCX_CPU_NATIVE);
    EXPECT_GT(target->l2Bytes, target->l1Bytes);
  }
}
