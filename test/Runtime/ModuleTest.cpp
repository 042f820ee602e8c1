//===- ModuleTest.cpp - Loaded artifacts and their tables -----------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Module.h"
#include "Fixtures.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace pcx;
using namespace pcx::test;

TEST(Module, DescribesTheArtifact) {
  Module module = loadModule(toyArtifact());
  const pcx_artifact_t *info = pcx_module_info(module.get());
  EXPECT_STREQ(info->model, "toy");
  EXPECT_EQ(info->max_batch, 8);
  ASSERT_EQ(info->storage_count, 6u);
  EXPECT_STREQ(info->storage[1].name, "fc2.weight");
  ASSERT_EQ(info->program_count, 4u);
  EXPECT_STREQ(info->programs[0].outputs[3].name, "rows");
  EXPECT_EQ(info->programs[0].variants[1].kernels[0].flops_per_sample, 6);
  EXPECT_EQ(pcx_module_find_program(module.get(), "spoil"), 2);
  EXPECT_EQ(pcx_module_find_storage(module.get(), "mask"), 5);
  EXPECT_EQ(pcx_module_find_hyper(module.get(), "w_lr"), 0);
}

TEST(Module, TakesTheFirstVariantThatThisCpuRuns) {
  Module module = loadModule(toyArtifact());
  EXPECT_STREQ(pcx_module_variant(module.get(), 0)->cpu, "x86-64");
  EXPECT_EQ(pcx_module_variant(module.get(), 99), nullptr);
  EXPECT_THAT(pcx_last_error(), testing::HasSubstr("4 programs"));
  // Where the first one's feature exists, that one.
  pcx_module_t richer(toyArtifact(), "toy.pcx", ~uint64_t(0));
  EXPECT_STREQ(richer.variant(0).cpu, "unheard-of");
}

TEST(Module, UnknownNamesGetTheNearestMatch) {
  Module module = loadModule(toyArtifact());
  EXPECT_EQ(pcx_module_find_program(module.get(), "trian"), -1);
  EXPECT_THAT(pcx_last_error(),
              testing::HasSubstr("'toy.pcx' has no program 'trian', did you "
                                 "mean 'train'?"));
  EXPECT_EQ(pcx_module_find_hyper(module.get(), "wlr"), -1);
  EXPECT_THAT(pcx_last_error(), testing::HasSubstr("did you mean 'w_lr'?"));
  EXPECT_EQ(pcx_module_find_storage(module.get(), "fc1.wieght"), -1);
  EXPECT_THAT(pcx_last_error(),
              testing::HasSubstr("did you mean 'fc1.weight'?"));
  EXPECT_EQ(pcx_module_find_program(module.get(), "xyzzy"), -1);
  EXPECT_THAT(pcx_last_error(),
              testing::HasSubstr("expected one of 'train', "
                                 "'arguments', 'spoil', 'wide'"));
}

TEST(Module, NullArgumentsAreNamed) {
  pcx_module_t *module = nullptr;
  EXPECT_TRUE(failedWith(pcx_module_load(nullptr, &module), PCX_ERROR_ARGUMENT,
                         {"'path' is NULL"}));
  EXPECT_TRUE(failedWith(pcx_module_load("toy.pcx", nullptr),
                         PCX_ERROR_ARGUMENT, {"'module' is NULL"}));
  EXPECT_EQ(pcx_module_find_program(nullptr, "train"), -1);
  pcx_module_destroy(nullptr);
}

TEST(Module, TwoArtifactsAreTwoLibraries) {
  // One is loaded while the other is, and again after one has gone, so that
  // descriptors' numbers come round.
  for (int round = 0; round < 3; ++round) {
    Module first = loadModule(toyArtifact());
    Module second = loadModule(secondArtifact());
    EXPECT_STREQ(pcx_module_info(first.get())->model, "toy");
    EXPECT_STREQ(pcx_module_info(second.get())->model, "second");
    first.reset();
    Module third = loadModule(secondArtifact());
    EXPECT_STREQ(pcx_module_info(third.get())->model, "second");
    // Each copy has static data of its own.
    for (const Module *module : {&second, &third}) {
      Session session = makeSession(*module, 1);
      double calls = 0;
      pcx_array_t out = {&calls, sizeof(calls), PCX_F64};
      ASSERT_EQ(pcx_run(session.get(), 0, 1, nullptr, 0, &out, 1), PCX_OK)
          << pcx_last_error();
      EXPECT_EQ(calls, 1);
    }
  }
}

TEST(Module, ObjectsWithoutAUsableTableAreRefused) {
  pcx_module_t *module = nullptr;
  Bytes bytes = makeArtifact(readFile(PCX_TEST_NO_QUERY));
  EXPECT_TRUE(failedWith(
      pcx_module_load_bytes(bytes.data(), bytes.size(), "a.pcx", &module),
      PCX_ERROR_FORMAT, {"'a.pcx'", PCX_QUERY_SYMBOL}));
  bytes = makeArtifact(readFile(PCX_TEST_REFUSES));
  EXPECT_TRUE(failedWith(
      pcx_module_load_bytes(bytes.data(), bytes.size(), "a.pcx", &module),
      PCX_ERROR_VERSION,
      {"'a.pcx'",
       "does not serve ABI version " + std::to_string(PCX_ABI_VERSION)}));
}

TEST(Module, AnObjectThatTheLinkerRefusesIsNamed) {
  // Whole by its hash, but its program headers lead nowhere.
  Bytes object = readFile(PCX_TEST_TOY);
  std::fill(object.begin() + 32, object.begin() + 40, 0xff);
  Bytes bytes = makeArtifact(object);
  pcx_module_t *module = nullptr;
  EXPECT_TRUE(failedWith(
      pcx_module_load_bytes(bytes.data(), bytes.size(), "a.pcx", &module),
      PCX_ERROR_FORMAT, {"cannot load 'a.pcx'"}));
}

TEST(Module, TheObjectCanBeKeptForAProfiler) {
  TemporaryFolder folder;
  setenv("PCX_OBJECT_DIR", (folder / "").c_str(), 1);
  {
    Module module = loadModule(toyArtifact(), "models/toy.pcx");
  }
  auto names = folder.names();
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names[0].substr(0, 8), "toy.pcx.");
  EXPECT_EQ(readFile(folder / names[0]).size(), readFile(PCX_TEST_TOY).size());

  setenv("PCX_OBJECT_DIR", (folder / "missing").c_str(), 1);
  Bytes bytes = toyArtifact();
  pcx_module_t *module = nullptr;
  EXPECT_TRUE(failedWith(
      pcx_module_load_bytes(bytes.data(), bytes.size(), "toy.pcx", &module),
      PCX_ERROR_IO, {"PCX_OBJECT_DIR", "missing"}));
  unsetenv("PCX_OBJECT_DIR");
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

namespace {

int32_t doNothing(const pcx_run_args_t *) { return PCX_RUN_OK; }

int32_t doNothingOnDevice(const pcx_device_args_t *) { return PCX_RUN_OK; }

/// A small correct table whose parts a test may spoil.
struct Table {
  pcx_storage_t storage[2] = {
      {sizeof(pcx_storage_t),
       "w",
       PCX_PARAMETER,
       PCX_F32,
       2,
       {3, 4},
       {4, 1},
       48,
       PCX_INIT_ZERO,
       0,
       0,
       0,
       0},
      {sizeof(pcx_storage_t),
       "b",
       PCX_PARAMETER,
       PCX_F32,
       1,
       {3},
       {1},
       12,
       PCX_INIT_ZERO,
       0,
       0,
       0,
       0},
  };
  pcx_hyper_t hyper = {sizeof(pcx_hyper_t), "lr", 0.5, 0, 1, 0};
  pcx_port_t input = {sizeof(pcx_port_t), "x", PCX_F32, 1, 1, {3}, 0, 0};
  pcx_port_t output = {sizeof(pcx_port_t), "e", PCX_F32, 0, 0, {},
                       PCX_REDUCE_MEAN,    0};
  pcx_kernel_info_t kernel = {sizeof(pcx_kernel_info_t), "k", 0, 0, 0, 0, 3};
  pcx_kernel_use_t use = {sizeof(pcx_kernel_use_t), 0, 2};
  pcx_stage_info_t stage = {sizeof(pcx_stage_info_t), "s", nullptr, 1, 1, &use};
  pcx_variant_t variant = {sizeof(pcx_variant_t),
                           "x86-64",
                           0,
                           doNothing,
                           0,
                           0,
                           4,
                           1,
                           &kernel,
                           1,
                           1,
                           &stage};
  pcx_kernel_info_t deviceKernel = {
      sizeof(pcx_kernel_info_t), "d", 0, 0, 0, 0, 0};
  pcx_kernel_use_t deviceUse = {sizeof(pcx_kernel_use_t), 0, 2};
  pcx_address_t address = {sizeof(pcx_address_t), 4, 64};
  pcx_launch_t launch = {
      sizeof(pcx_launch_t), "go", 256,     1024, 0, 1, 8, 0, 1, 1,
      &deviceUse,           1,    &address};
  pcx_device_variant_t device = {sizeof(pcx_device_variant_t),
                                 "graph",
                                 doNothingOnDevice,
                                 64,
                                 16,
                                 1,
                                 &launch,
                                 1,
                                 &deviceKernel};
  pcx_image_t image = {sizeof(pcx_image_t), PCX_IMAGE_PTX, 80, 0, 4, "ptx", 0};
  uint32_t writes[1] = {1};
  pcx_program_t program = {sizeof(pcx_program_t),
                           "train",
                           PCX_ROLE_TRAIN,
                           1,
                           &input,
                           1,
                           &output,
                           1,
                           &variant,
                           1,
                           0,
                           nullptr,
                           1,
                           writes,
                           &device,
                           1};
  pcx_artifact_t artifact = {sizeof(pcx_artifact_t),
                             PCX_ABI_VERSION,
                             "pcc",
                             "m",
                             "m.pcir",
                             nullptr,
                             nullptr,
                             PCX_F32,
                             0,
                             16,
                             2,
                             storage,
                             1,
                             &hyper,
                             1,
                             &program,
                             1,
                             &image};
  Table() = default;
  Table(const Table &) = delete;
};

/// Whether the table is refused, with this in the message.
template <typename Spoil>
testing::AssertionResult refusedTable(const char *word, Spoil spoil) {
  Table table;
  spoil(table);
  try {
    Description description(&table.artifact, "m.pcx");
  } catch (const Error &error) {
    if (error.status() == PCX_ERROR_FORMAT &&
        std::string(error.what()).find(word) != std::string::npos &&
        std::string(error.what()).find("'m.pcx'") != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << error.what();
  }
  return testing::AssertionFailure() << "it was accepted";
}

} // namespace

TEST(Table, ACorrectOneIsAccepted) {
  Table table;
  Description description(&table.artifact, "m.pcx");
  EXPECT_STREQ(description.artifact.source_sha256, "");
  EXPECT_STREQ(description.artifact.storage[1].name, "b");
}

TEST(Table, StructsFromBeforeTheProfileAreAccepted) {
  Table table;
  Description whole(&table.artifact, "m.pcx");
  const pcx_variant_t &variant = whole.artifact.programs[0].variants[0];
  EXPECT_EQ(variant.kernels[0].rows, 3);
  ASSERT_EQ(variant.stage_count, 1u);
  EXPECT_STREQ(variant.stages[0].name, "s");
  EXPECT_EQ(variant.stages[0].uses[0].calls, 2);
  table.variant.struct_size = offsetof(pcx_variant_t, marked);
  table.kernel.struct_size = offsetof(pcx_kernel_info_t, rows);
  Description older(&table.artifact, "m.pcx");
  const pcx_variant_t &first = older.artifact.programs[0].variants[0];
  EXPECT_EQ(first.struct_size, sizeof(pcx_variant_t));
  EXPECT_EQ(first.marked, 0u);
  EXPECT_EQ(first.stage_count, 0u);
  EXPECT_STREQ(first.kernels[0].name, "k");
  EXPECT_EQ(first.kernels[0].rows, 0);
}

TEST(Table, WrongOnesAreRefused) {
  EXPECT_TRUE(refusedTable("a stage of program 'train' has no name",
                           [](Table &t) { t.stage.name = nullptr; }));
  EXPECT_TRUE(refusedTable("expected 1 entries of kernel use, found NULL",
                           [](Table &t) { t.stage.uses = nullptr; }));
  EXPECT_TRUE(refusedTable("stage 's' of program 'train' uses kernel 1 of 1",
                           [](Table &t) { t.use.kernel = 1; }));
  EXPECT_TRUE(refusedTable("kernel of at least 48 bytes", [](Table &t) {
    t.kernel.struct_size = offsetof(pcx_kernel_info_t, bytes_per_sample);
  }));
  EXPECT_TRUE(refusedTable("artifact of at least",
                           [](Table &t) { t.artifact.struct_size = 8; }));
  EXPECT_TRUE(refusedTable("ABI version", [](Table &t) {
    t.artifact.abi_version = PCX_ABI_VERSION + 1;
  }));
  EXPECT_TRUE(
      refusedTable("dtype", [](Table &t) { t.artifact.dtype = PCX_I32; }));
  EXPECT_TRUE(refusedTable("largest batch",
                           [](Table &t) { t.artifact.max_batch = 0; }));
  EXPECT_TRUE(
      refusedTable("NULL", [](Table &t) { t.artifact.storage = nullptr; }));
  EXPECT_TRUE(refusedTable(
      "at most", [](Table &t) { t.artifact.storage_count = 0xffffffff; }));
  EXPECT_TRUE(refusedTable("storage of at least",
                           [](Table &t) { t.storage[1].struct_size = 4; }));
  EXPECT_TRUE(
      refusedTable("no name", [](Table &t) { t.storage[1].name = nullptr; }));
  EXPECT_TRUE(
      refusedTable("are named 'w'", [](Table &t) { t.storage[1].name = "w"; }));
  EXPECT_TRUE(
      refusedTable("unknown dtype", [](Table &t) { t.storage[0].dtype = 77; }));
  EXPECT_TRUE(refusedTable("rank 9", [](Table &t) { t.storage[0].rank = 9; }));
  EXPECT_TRUE(
      refusedTable("dimension 1", [](Table &t) { t.storage[0].dims[1] = 0; }));
  EXPECT_TRUE(refusedTable("more than", [](Table &t) {
    t.storage[0].dims[0] = t.storage[0].dims[1] = int64_t(1) << 40;
  }));
  EXPECT_TRUE(
      refusedTable("unknown kind", [](Table &t) { t.storage[0].kind = 4; }));
  EXPECT_TRUE(refusedTable("unknown initialiser",
                           [](Table &t) { t.storage[0].init = 4; }));
  EXPECT_TRUE(refusedTable("random initialiser", [](Table &t) {
    t.storage[0].dtype = PCX_I32;
    t.storage[0].init = PCX_INIT_NORMAL;
  }));
  EXPECT_TRUE(refusedTable("not finite", [](Table &t) {
    t.storage[0].init_arg1 = std::numeric_limits<double>::infinity();
  }));
  EXPECT_TRUE(refusedTable("whole number from 0 to 255", [](Table &t) {
    t.storage[0].dtype = PCX_U8;
    t.storage[0].init = PCX_INIT_CONSTANT;
    t.storage[0].init_arg0 = 256;
  }));
  EXPECT_TRUE(refusedTable("overlapping",
                           [](Table &t) { t.storage[0].strides[0] = 3; }));
  EXPECT_TRUE(refusedTable("overlapping",
                           [](Table &t) { t.storage[0].strides[1] = 0; }));
  EXPECT_TRUE(refusedTable("overlapping",
                           [](Table &t) { t.storage[0].strides[1] = -1; }));
  EXPECT_TRUE(refusedTable("expected at least 48",
                           [](Table &t) { t.storage[0].bytes = 47; }));
  EXPECT_TRUE(refusedTable("more than", [](Table &t) {
    t.storage[0].strides[0] = int64_t(1) << 62;
  }));
  EXPECT_TRUE(refusedTable("'w' lies in panels of -4 columns",
                           [](Table &t) { t.storage[0].panel = -4; }));
  EXPECT_TRUE(refusedTable("expected a dense matrix", [](Table &t) {
    t.storage[0].panel = 2;
    t.storage[0].strides[0] = 8;
    t.storage[0].bytes = 96;
  }));
  EXPECT_TRUE(refusedTable("'b' lies in panels",
                           [](Table &t) { t.storage[1].panel = 2; }));
  EXPECT_TRUE(refusedTable("'lr' is 2", [](Table &t) { t.hyper.value = 2; }));
  EXPECT_TRUE(refusedTable("'lr'", [](Table &t) { t.hyper.value = NAN; }));
  EXPECT_TRUE(
      refusedTable("unknown role", [](Table &t) { t.program.role = 9; }));
  EXPECT_TRUE(
      refusedTable("per_sample", [](Table &t) { t.input.per_sample = 2; }));
  EXPECT_TRUE(
      refusedTable("unknown reduction", [](Table &t) { t.output.reduce = 4; }));
  EXPECT_TRUE(refusedTable("no code", [](Table &t) {
    t.program.variant_count = 0;
    t.program.device_count = 0;
  }));
  EXPECT_TRUE(
      refusedTable("no code", [](Table &t) { t.variant.run = nullptr; }));
  EXPECT_TRUE(
      refusedTable("no CPU", [](Table &t) { t.variant.cpu = nullptr; }));
  EXPECT_TRUE(refusedTable("sample block 0",
                           [](Table &t) { t.variant.sample_block = 0; }));
  EXPECT_TRUE(refusedTable("workspace", [](Table &t) {
    t.variant.worker_bytes = uint64_t(1) << 60;
  }));
  EXPECT_TRUE(refusedTable(
      "a batch", [](Table &t) { t.input.dims[0] = int64_t(1) << 43; }));
  EXPECT_TRUE(
      refusedTable("a kernel", [](Table &t) { t.kernel.name = nullptr; }));
  EXPECT_TRUE(
      refusedTable("storage entry 2 of 2", [](Table &t) { t.writes[0] = 2; }));
  EXPECT_TRUE(refusedTable("3 storage entries", [](Table &t) {
    t.program.storage_write_count = 3;
  }));
}

TEST(Table, WrongOnesOfDevicesAreRefused) {
  EXPECT_TRUE(
      refusedTable("unknown kind 3", [](Table &t) { t.image.kind = 3; }));
  EXPECT_TRUE(
      refusedTable("architecture 9", [](Table &t) { t.image.arch = 9; }));
  EXPECT_TRUE(refusedTable("exact 2", [](Table &t) { t.image.exact = 2; }));
  EXPECT_TRUE(
      refusedTable("has 0 bytes", [](Table &t) { t.image.data = nullptr; }));
  EXPECT_TRUE(refusedTable("has 0 bytes", [](Table &t) { t.image.bytes = 0; }));
  EXPECT_TRUE(refusedTable("does not end with a NUL",
                           [](Table &t) { t.image.bytes = 3; }));
  EXPECT_TRUE(refusedTable("expected 1 entries of image, found NULL",
                           [](Table &t) { t.artifact.images = nullptr; }));
  EXPECT_TRUE(refusedTable("there is no image with kernels",
                           [](Table &t) { t.artifact.image_count = 0; }));
  EXPECT_TRUE(refusedTable("the ptx image of sm_80 is of plan 1, but program "
                           "'train' has 1",
                           [](Table &t) { t.image.plan = 1; }));
  EXPECT_TRUE(refusedTable("no strategy",
                           [](Table &t) { t.device.strategy = nullptr; }));
  EXPECT_TRUE(
      refusedTable("no host's part", [](Table &t) { t.device.run = nullptr; }));
  EXPECT_TRUE(refusedTable(
      "workspace", [](Table &t) { t.device.block_bytes = uint64_t(1) << 60; }));
  EXPECT_TRUE(refusedTable("expected 1 entries of launch, found NULL",
                           [](Table &t) { t.device.launches = nullptr; }));
  EXPECT_TRUE(refusedTable("a kernel of program 'train' has no name",
                           [](Table &t) { t.deviceKernel.name = nullptr; }));
  EXPECT_TRUE(
      refusedTable("names no kernel", [](Table &t) { t.launch.kernel = ""; }));
  EXPECT_TRUE(refusedTable("names no kernel",
                           [](Table &t) { t.launch.kernel = nullptr; }));
  EXPECT_TRUE(refusedTable("blocks of 0 threads",
                           [](Table &t) { t.launch.threads = 0; }));
  EXPECT_TRUE(refusedTable("blocks of 1025 threads",
                           [](Table &t) { t.launch.threads = 1025; }));
  EXPECT_TRUE(refusedTable("232449 bytes of shared memory", [](Table &t) {
    t.launch.shared_bytes = 227 * 1024 + 1;
  }));
  EXPECT_TRUE(refusedTable("cooperative 2",
                           [](Table &t) { t.launch.cooperative = 2; }));
  EXPECT_TRUE(refusedTable("clusters of 0 blocks",
                           [](Table &t) { t.launch.cluster = 0; }));
  EXPECT_TRUE(refusedTable("neither blocks nor samples",
                           [](Table &t) { t.launch.blocks = 0; }));
  EXPECT_TRUE(refusedTable("at most 2147483647", [](Table &t) {
    t.launch.samples_per_block = 1u << 31;
  }));
  EXPECT_TRUE(refusedTable("a launch of 'go' of program 'train' uses kernel 1",
                           [](Table &t) { t.deviceUse.kernel = 1; }));
  EXPECT_TRUE(refusedTable("expected 1 entries of address, found NULL",
                           [](Table &t) { t.launch.addresses = nullptr; }));
  EXPECT_TRUE(refusedTable("takes 481 addresses, expected at most 480",
                           [](Table &t) { t.launch.address_count = 481; }));
  // The input, the output, two of storage, the workspace.
  EXPECT_TRUE(refusedTable("'go' of program 'train' takes array 5 of 5",
                           [](Table &t) { t.address.array = 5; }));
  EXPECT_TRUE(refusedTable("takes array 3, which is of integers", [](Table &t) {
    t.address.array = 3;
    t.storage[1].dtype = PCX_I32;
  }));
  EXPECT_TRUE(refusedTable("81 bytes behind the beginning of array 4, expected "
                           "at most 80",
                           [](Table &t) { t.address.offset = 81; }));
  EXPECT_TRUE(refusedTable("64 bytes behind the beginning of array 0, expected "
                           "at most 0",
                           [](Table &t) { t.address.array = 0; }));
  EXPECT_TRUE(refusedTable("launches of kernel 'go' of program 'train' hand it "
                           "1 and 0 addresses",
                           [](Table &t) {
                             static pcx_launch_t launches[2];
                             launches[0] = launches[1] = t.launch;
                             launches[1].address_count = 0;
                             t.device.launches = launches;
                             t.device.launch_count = 2;
                           }));
}

TEST(Table, ProgramsForDevicesAloneAreAccepted) {
  Table table;
  table.program.variant_count = 0;
  Description only(&table.artifact, "m.pcx");
  const pcx_program_t &program = only.artifact.programs[0];
  ASSERT_EQ(program.device_count, 1u);
  EXPECT_STREQ(program.devices->launches[0].kernel, "go");
  EXPECT_EQ(program.devices->launches[0].uses[0].calls, 2);
  EXPECT_EQ(program.devices->launches[0].addresses[0].array, 4u);
  EXPECT_EQ(program.devices->launches[0].addresses[0].offset, 64u);
  EXPECT_STREQ(program.devices->kernels[0].name, "d");
  EXPECT_EQ(only.artifact.images[0].arch, 80u);
  EXPECT_EQ(describeImages(only.artifact), "ptx sm_80");
}

TEST(Table, ArtifactsFromBeforeDevicesAreAccepted) {
  Table table;
  table.artifact.abi_version = 3;
  table.program.struct_size = offsetof(pcx_program_t, devices);
  table.artifact.struct_size = offsetof(pcx_artifact_t, image_count);
  Description older(&table.artifact, "m.pcx");
  EXPECT_EQ(older.artifact.programs[0].device_count, 0u);
  EXPECT_EQ(older.artifact.image_count, 0u);
  EXPECT_FALSE(hasDeviceCode(older.artifact));
}

TEST(Table, LaunchesFromBeforeAddressesAreAccepted) {
  Table table;
  table.artifact.abi_version = 4;
  table.launch.struct_size = offsetof(pcx_launch_t, address_count);
  // What lies behind is none of its.
  Description older(&table.artifact, "m.pcx");
  const pcx_launch_t &launch = older.artifact.programs[0].devices->launches[0];
  EXPECT_EQ(launch.uses[0].calls, 2);
  EXPECT_EQ(launch.address_count, 0u);
}

TEST(Table, ArtifactsFromBeforePlansHaveOne) {
  Table table;
  table.artifact.abi_version = 5;
  table.image.struct_size = offsetof(pcx_image_t, plan);
  table.program.struct_size = offsetof(pcx_program_t, device_count);
  // What lies behind is none of theirs.
  table.image.plan = 7;
  table.program.device_count = 9;
  Description older(&table.artifact, "m.pcx");
  EXPECT_EQ(older.artifact.images[0].plan, 0u);
  ASSERT_EQ(older.artifact.programs[0].device_count, 1u);
  EXPECT_STREQ(older.artifact.programs[0].devices[0].launches[0].kernel, "go");
}

TEST(Table, PlansAreReadOneByOne) {
  Table table;
  pcx_launch_t launches[] = {table.launch, table.launch};
  launches[1].kernel = "again";
  pcx_device_variant_t devices[] = {table.device, table.device};
  devices[1].launches = launches;
  devices[1].launch_count = 2;
  pcx_image_t images[] = {table.image, table.image};
  images[1].arch = 90;
  images[1].plan = 1;
  table.program.devices = devices;
  table.program.device_count = 2;
  table.artifact.images = images;
  table.artifact.image_count = 2;
  Description plans(&table.artifact, "m.pcx");
  const pcx_program_t &program = plans.artifact.programs[0];
  ASSERT_EQ(program.device_count, 2u);
  EXPECT_EQ(program.devices[0].launch_count, 1u);
  ASSERT_EQ(program.devices[1].launch_count, 2u);
  EXPECT_STREQ(program.devices[1].launches[1].kernel, "again");
  EXPECT_EQ(plans.artifact.images[1].plan, 1u);
}

TEST(Table, StructsThatGrewAreReadByTheirOwnSize) {
  // What a later compiler of the same ABI version would write.
  struct Longer {
    pcx_storage_t known;
    double added;
  };
  Table table;
  Longer longer[2] = {{table.storage[0], 1}, {table.storage[1], 2}};
  longer[0].known.struct_size = longer[1].known.struct_size = sizeof(Longer);
  table.artifact.storage = &longer[0].known;
  Description description(&table.artifact, "m.pcx");
  EXPECT_STREQ(description.artifact.storage[0].name, "w");
  EXPECT_STREQ(description.artifact.storage[1].name, "b");
  EXPECT_EQ(description.artifact.storage[1].struct_size, sizeof(pcx_storage_t));
}

TEST(Table, PaddedAndPermutedStridesAreAccepted) {
  Table table;
  table.storage[0].strides[0] = 1;
  table.storage[0].strides[1] = 16;
  table.storage[0].bytes = (2 + 3 * 16 + 1) * 4;
  Description padded(&table.artifact, "m.pcx");
  // A dimension of one may have any stride.
  table.storage[0].dims[0] = 1;
  table.storage[0].strides[0] = 0;
  Description single(&table.artifact, "m.pcx");
}
