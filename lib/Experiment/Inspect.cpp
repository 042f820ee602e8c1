//===- Inspect.cpp - pcx-run inspect --------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "Profile.h"
#include "pcx/Support/Descriptors.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>

using namespace pcx;
using namespace pcx::experiment;
using Json = nlohmann::ordered_json;

static const char *kindName(uint32_t kind) {
  switch (kind) {
  case PCX_PARAMETER:
    return "parameter";
  case PCX_BUFFER:
    return "buffer";
  case PCX_STATE:
    return "state";
  case PCX_OPTIMISER:
    return "optimiser";
  }
  return "unknown";
}

static const char *reduceName(uint32_t reduce) {
  switch (reduce) {
  case PCX_REDUCE_MEAN:
    return "mean";
  case PCX_REDUCE_SUM:
    return "sum";
  case PCX_REDUCE_LAST:
    return "last";
  }
  return "none";
}

static std::string initName(const pcx_storage_t &storage) {
  switch (storage.init) {
  case PCX_INIT_CONSTANT:
    return fmt::format("constant {:.6g}", storage.init_arg0);
  case PCX_INIT_UNIFORM:
    return fmt::format("uniform [{:.6g}, {:.6g})", storage.init_arg0,
                       storage.init_arg1);
  case PCX_INIT_NORMAL:
    return fmt::format("normal({:.6g}, {:.6g})", storage.init_arg0,
                       storage.init_arg1);
  }
  return "zero";
}

/// A JSON number, or null for an infinite bound.
static Json bound(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

static Json dimsOf(const int64_t *dims, uint32_t rank) {
  return Json(std::vector<int64_t>(dims, dims + rank));
}

static Json portJson(const pcx_port_t &port, bool output) {
  Json json;
  json["name"] = port.name;
  json["dtype"] = data::dtypeName(toDType(port.dtype));
  json["dims"] = dimsOf(port.dims, port.rank);
  json["per_sample"] = port.per_sample != 0;
  if (output) {
    json["reduce"] = reduceName(port.reduce);
    json["trace"] = (port.flags & PCX_PORT_TRACE) != 0;
    json["report"] = (port.flags & PCX_PORT_REPORT) != 0;
    json["warning"] = (port.flags & PCX_PORT_WARNING) != 0;
  } else {
    json["target"] = (port.flags & PCX_PORT_TARGET) != 0;
  }
  return json;
}

/// Every kernel as often as a call of the program runs it, or once where that
/// is not known.
static Work workOf(const pcx_variant_t &variant, int64_t batch) {
  if (auto work = workOfCall(variant, batch))
    return *work;
  Work sum;
  for (uint32_t i = 0; i < variant.kernel_count; ++i) {
    Work work = workOf(variant.kernels[i], batch);
    sum.flops += work.flops;
    sum.bytes += work.bytes;
  }
  return sum;
}

/// Blocks of a launch: "4" or "one for 16 samples".
static std::string gridName(const pcx_launch_t &launch) {
  std::string text =
      launch.samples_per_block
          ? fmt::format("one for {} samples", launch.samples_per_block)
          : fmt::format("{}", launch.blocks);
  if (launch.cooperative)
    text += ", as many as fit";
  if (launch.cluster > 1)
    text += fmt::format(", in clusters of {}", launch.cluster);
  return text;
}

/// What a plan is for: "sm_86, sm_89", and "sim".
static std::vector<std::string> archsOf(const pcx_artifact_t &artifact,
                                        uint32_t plan) {
  std::vector<std::string> archs;
  for (uint32_t i = 0; i < artifact.image_count; ++i) {
    const pcx_image_t &image = artifact.images[i];
    std::string arch =
        image.kind == PCX_IMAGE_LLVM ? "sim" : imageArchName(image);
    if (image.plan == plan &&
        std::find(archs.begin(), archs.end(), arch) == archs.end())
      archs.push_back(arch);
  }
  return archs;
}

static Json deviceJson(const pcx_artifact_t &artifact, uint32_t plan,
                       const pcx_device_variant_t &variant, int64_t batch) {
  Json json;
  json["archs"] = archsOf(artifact, plan);
  json["strategy"] = variant.strategy;
  json["workspace_bytes"] = variant.workspace_bytes;
  json["block_bytes"] = variant.block_bytes;
  auto work = workOfCall(variant, batch);
  json["flops"] = work ? Json(work->flops) : Json(nullptr);
  json["bytes"] = work ? Json(work->bytes) : Json(nullptr);
  json["launches"] = Json::array();
  std::vector<std::string> names = launchNames(variant);
  for (uint32_t l = 0; l < variant.launch_count; ++l) {
    const pcx_launch_t &launch = variant.launches[l];
    json["launches"].push_back({{"name", names[l]},
                                {"kernel", launch.kernel},
                                {"threads", launch.threads},
                                {"shared_bytes", launch.shared_bytes},
                                {"cooperative", launch.cooperative != 0},
                                {"cluster", launch.cluster},
                                {"blocks", launch.blocks},
                                {"samples_per_block", launch.samples_per_block},
                                {"runs", launch.runs}});
  }
  return json;
}

static Json toJson(const Module &module, int64_t batch) {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  Json json;
  json["model"] = info->model;
  json["compiler"] = info->compiler;
  json["options"] = info->options;
  json["source"] = info->source_name;
  json["source_sha256"] = info->source_sha256;
  json["abi_version"] = info->abi_version;
  json["dtype"] = data::dtypeName(toDType(info->dtype));
  json["max_batch"] = info->max_batch;
  json["batch"] = batch;
  json["programs"] = Json::array();
  for (uint32_t i = 0; i < info->program_count; ++i) {
    const pcx_program_t &program = info->programs[i];
    const pcx_variant_t *used = pcx_module_variant(module.get(), i);
    Json out;
    out["name"] = program.name;
    out["role"] = roleName(program.role);
    out["weight_steps_per_call"] = program.weight_steps_per_call;
    out["inputs"] = Json::array();
    for (uint32_t p = 0; p < program.input_count; ++p)
      out["inputs"].push_back(portJson(program.inputs[p], false));
    out["outputs"] = Json::array();
    for (uint32_t p = 0; p < program.output_count; ++p)
      out["outputs"].push_back(portJson(program.outputs[p], true));
    out["variants"] = Json::array();
    for (uint32_t v = 0; v < program.variant_count; ++v) {
      const pcx_variant_t &variant = program.variants[v];
      Json one;
      one["cpu"] = variant.cpu;
      one["used_here"] = used && std::string_view(used->cpu) == variant.cpu;
      one["sample_block"] = variant.sample_block;
      one["workspace_bytes"] = variant.workspace_bytes;
      one["worker_bytes"] = variant.worker_bytes;
      Work work = workOf(variant, batch);
      one["flops"] = work.flops;
      one["bytes"] = work.bytes;
      one["kernels"] = Json::array();
      for (uint32_t k = 0; k < variant.kernel_count; ++k) {
        Work part = workOf(variant.kernels[k], batch);
        one["kernels"].push_back({{"name", variant.kernels[k].name},
                                  {"flops", part.flops},
                                  {"bytes", part.bytes}});
      }
      out["variants"].push_back(std::move(one));
    }
    out["devices"] = Json::array();
    for (uint32_t d = 0; d < program.device_count; ++d)
      out["devices"].push_back(deviceJson(*info, d, program.devices[d], batch));
    json["programs"].push_back(std::move(out));
  }
  json["images"] = Json::array();
  for (uint32_t i = 0; i < info->image_count; ++i)
    json["images"].push_back({{"kind", imageKindName(info->images[i].kind)},
                              {"arch", imageArchName(info->images[i])},
                              {"plan", info->images[i].plan},
                              {"bytes", info->images[i].bytes}});
  json["storage"] = Json::array();
  for (uint32_t i = 0; i < info->storage_count; ++i) {
    const pcx_storage_t &storage = info->storage[i];
    json["storage"].push_back(
        {{"name", storage.name},
         {"kind", kindName(storage.kind)},
         {"dtype", data::dtypeName(toDType(storage.dtype))},
         {"dims", dimsOf(storage.dims, storage.rank)},
         {"bytes", storage.bytes},
         {"init", initName(storage)}});
  }
  json["hypers"] = Json::array();
  for (uint32_t i = 0; i < info->hyper_count; ++i) {
    const pcx_hyper_t &hyper = info->hypers[i];
    json["hypers"].push_back({{"name", hyper.name},
                              {"default", hyper.value},
                              {"min", bound(hyper.min)},
                              {"max", bound(hyper.max)},
                              {"integral", hyper.integral != 0}});
  }
  return json;
}

/// "1.23 M" and the like.
static std::string scaled(double value) {
  static constexpr const char *units[] = {"", " k", " M", " G", " T", " P"};
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(units); ++unit)
    value /= 1000;
  return unit == 0 ? fmt::format("{:.0f} ", value)
                   : fmt::format("{:.3g}{}", value, units[unit]);
}

static std::string portText(const pcx_port_t &port) {
  std::string text = fmt::format("{} {} {}", port.name, portShape(port),
                                 data::dtypeName(toDType(port.dtype)));
  if (port.per_sample)
    text += " a sample";
  if (port.reduce == PCX_REDUCE_MEAN || port.reduce == PCX_REDUCE_SUM)
    text += fmt::format(", {} over the batch", reduceName(port.reduce));
  if (port.flags & PCX_PORT_TARGET)
    text += ", target";
  return text;
}

/// A program's code for devices in one plan.
static void printDevice(const pcx_artifact_t &artifact, uint32_t plan,
                        const pcx_device_variant_t &variant, int64_t batch,
                        std::FILE *out) {
  std::string work = "work that depends on the call";
  if (auto known = workOfCall(variant, batch))
    work = fmt::format("{}FLOP and {}B a call at batch {}",
                       scaled(known->flops), scaled(known->bytes), batch);
  fmt::print(out, "  code      {} ({}): {}, workspace {}B + {}B a block\n",
             fmt::join(archsOf(artifact, plan), ", "), variant.strategy, work,
             scaled(static_cast<double>(variant.workspace_bytes)),
             scaled(static_cast<double>(variant.block_bytes)));
  std::vector<std::string> names = launchNames(variant);
  for (uint32_t l = 0; l < variant.launch_count; ++l) {
    const pcx_launch_t &launch = variant.launches[l];
    std::string runs = launch.runs > 0 ? fmt::format("{:g} a call", launch.runs)
                                       : "as often as the call says";
    fmt::print(out, "    launch  {}: {}, {} threads, {}B shared, blocks: {}\n",
               names[l], runs, launch.threads,
               scaled(static_cast<double>(launch.shared_bytes)),
               gridName(launch));
  }
}

static void print(const Module &module, int64_t batch, std::FILE *out) {
  const pcx_artifact_t *info = pcx_module_info(module.get());
  fmt::print(out, "model       {}\n", info->model);
  fmt::print(out, "compiler    {} {}\n", info->compiler, info->options);
  fmt::print(out, "source      {} (sha256 {})\n", info->source_name,
             info->source_sha256);
  fmt::print(out, "numbers     {}\n", data::dtypeName(toDType(info->dtype)));
  fmt::print(out, "batch       1 to {}\n", info->max_batch);
  for (uint32_t i = 0; i < info->image_count; ++i)
    fmt::print(out, "image       {}, {}B\n", imageName(info->images[i]),
               scaled(static_cast<double>(info->images[i].bytes)));
  for (uint32_t i = 0; i < info->program_count; ++i) {
    const pcx_program_t &program = info->programs[i];
    fmt::print(out, "\nprogram {} ({})\n", program.name,
               roleName(program.role));
    for (uint32_t p = 0; p < program.input_count; ++p)
      fmt::print(out, "  input     {}\n", portText(program.inputs[p]));
    uint32_t traces = 0;
    for (uint32_t p = 0; p < program.output_count; ++p) {
      if (program.outputs[p].flags & PCX_PORT_TRACE)
        ++traces;
      else if (program.outputs[p].flags & PCX_PORT_WARNING)
        fmt::print(out, "  warning   {}\n", program.outputs[p].name);
      else
        fmt::print(out, "  output    {}\n", portText(program.outputs[p]));
    }
    if (traces)
      fmt::print(out, "  traces    {} outputs (--json lists them)\n", traces);
    const pcx_variant_t *used = pcx_module_variant(module.get(), i);
    for (uint32_t v = 0; v < program.variant_count; ++v) {
      const pcx_variant_t &variant = program.variants[v];
      Work work = workOf(variant, batch);
      fmt::print(out,
                 "  code      {}{}: {}FLOP and {}B a call at batch {}, "
                 "workspace {}B + {}B a thread\n",
                 variant.cpu,
                 used && std::string_view(used->cpu) == variant.cpu
                     ? " (used here)"
                     : "",
                 scaled(work.flops), scaled(work.bytes), batch,
                 scaled(static_cast<double>(variant.workspace_bytes)),
                 scaled(static_cast<double>(variant.worker_bytes)));
      if (used != &variant)
        continue;
      for (uint32_t k = 0; k < variant.kernel_count; ++k) {
        Work part = workOf(variant.kernels[k], batch);
        fmt::print(out, "    kernel  {}: {}FLOP, {}B\n",
                   variant.kernels[k].name, scaled(part.flops),
                   scaled(part.bytes));
      }
    }
    for (uint32_t d = 0; d < program.device_count; ++d)
      printDevice(*info, d, program.devices[d], batch, out);
  }
  fmt::print(out, "\nstorage\n");
  int64_t parameters = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < info->storage_count; ++i) {
    const pcx_storage_t &storage = info->storage[i];
    fmt::print(out, "  {:<9} {} {} {}, {}\n", kindName(storage.kind),
               storage.name, storageShape(storage),
               data::dtypeName(toDType(storage.dtype)), initName(storage));
    if (storage.kind == PCX_PARAMETER)
      parameters += storageElements(storage);
    bytes += storage.bytes;
  }
  fmt::print(out, "  in all    {} parameters, {}B\n", parameters,
             scaled(static_cast<double>(bytes)));
  if (info->hyper_count > 0)
    fmt::print(out, "\nhyper-parameters (--set NAME=VALUE)\n");
  for (uint32_t i = 0; i < info->hyper_count; ++i) {
    const pcx_hyper_t &hyper = info->hypers[i];
    std::string range;
    if (std::isfinite(hyper.min) || std::isfinite(hyper.max))
      range = fmt::format(", {} to {}", hyper.min, hyper.max);
    fmt::print(out, "  {} = {}{}{}\n", hyper.name, hyper.value, range,
               hyper.integral ? ", whole" : "");
  }
}

Result<int> experiment::inspect(const InspectOptions &options,
                                const Console &console) {
  auto module = loadModule(options.artifact);
  if (!module)
    return module.error();
  auto batch = chosenBatch(options.batch, *module);
  if (!batch)
    return batch.error();
  if (options.json)
    fmt::print(console.out, "{}\n", toJson(*module, *batch).dump(2));
  else
    print(*module, *batch, console.out);
  return int(ExitOk);
}
