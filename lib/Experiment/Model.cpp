//===- Model.cpp - A loaded artifact and its sessions ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Model.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"

#include <fmt/format.h>

#include <span>
#include <string_view>

using namespace pcx;
using namespace pcx::experiment;

Error experiment::lastError() { return Error{pcx_last_error()}; }

Status experiment::check(pcx_status_t status) {
  if (status != PCX_OK)
    return lastError();
  return success();
}

Result<Module> experiment::loadModule(const std::string &path) {
  pcx_module_t *module = nullptr;
  if (pcx_module_load(path.c_str(), &module) != PCX_OK)
    return lastError();
  return Module(module);
}

Result<Session> experiment::createSession(const Module &module,
                                          uint32_t threads,
                                          const std::string &device) {
  pcx_session_options_t options = {};
  options.struct_size = sizeof(options);
  options.threads = threads;
  options.device = device.c_str();
  pcx_session_t *session = nullptr;
  if (pcx_session_create(module.get(), &options, &session) != PCX_OK)
    return lastError();
  return Session(session);
}

bool experiment::isOnDevice(const pcx_session_t *session) {
  return std::string_view(pcx_session_device(session)) != "cpu";
}

std::string experiment::deviceName(const pcx_session_t *session) {
  std::string name = pcx_session_device(session);
  return name.substr(0, name.find(' '));
}

const char *experiment::roleName(uint32_t role) {
  switch (role) {
  case PCX_ROLE_TRAIN:
    return "train";
  case PCX_ROLE_EVALUATE:
    return "evaluate";
  case PCX_ROLE_SAMPLE:
    return "sample";
  }
  return "other";
}

Result<uint32_t> experiment::findProgram(const Module &module,
                                         const std::optional<std::string> &name,
                                         pcx_role_t role, const char *flag) {
  if (name) {
    int32_t index = pcx_module_find_program(module.get(), name->c_str());
    if (index < 0)
      return lastError();
    return static_cast<uint32_t>(index);
  }
  const pcx_artifact_t *info = pcx_module_info(module.get());
  std::optional<uint32_t> found;
  std::string all, candidates;
  bool several = false;
  for (uint32_t i = 0; i < info->program_count; ++i) {
    const pcx_program_t &program = info->programs[i];
    all += fmt::format("{}'{}'", all.empty() ? "" : ", ", program.name);
    if (program.role != static_cast<uint32_t>(role))
      continue;
    candidates +=
        fmt::format("{}'{}'", candidates.empty() ? "" : ", ", program.name);
    several = several || found;
    found = found.value_or(i);
  }
  if (!found)
    return Error{fmt::format("model '{}' has no program with the role {}; "
                             "choose one with {}: {}",
                             info->model, roleName(role), flag, all)};
  if (several)
    return Error{fmt::format("model '{}' has several programs with the role "
                             "{}; choose one with {}: {}",
                             info->model, roleName(role), flag, candidates)};
  return *found;
}

static int64_t product(const int64_t *dims, uint32_t rank) {
  int64_t elements = 1;
  for (uint32_t d = 0; d < rank; ++d)
    elements *= dims[d];
  return elements;
}

int64_t experiment::portElements(const pcx_port_t &port) {
  return product(port.dims, port.rank);
}
int64_t experiment::storageElements(const pcx_storage_t &storage) {
  return product(storage.dims, storage.rank);
}
std::string experiment::portShape(const pcx_port_t &port) {
  return data::formatDims(std::span(port.dims, port.rank));
}
std::string experiment::storageShape(const pcx_storage_t &storage) {
  return data::formatDims(std::span(storage.dims, storage.rank));
}

data::DType experiment::toDType(uint32_t dtype) {
  switch (dtype) {
  case PCX_F32:
    return data::DType::F32;
  case PCX_F64:
    return data::DType::F64;
  case PCX_I32:
    return data::DType::I32;
  case PCX_I64:
    return data::DType::I64;
  }
  assert(dtype == PCX_U8 && "the runtime checks the types of an artifact");
  return data::DType::U8;
}

std::optional<uint32_t> experiment::fromDType(data::DType dtype) {
  switch (dtype) {
  case data::DType::F32:
    return PCX_F32;
  case data::DType::F64:
    return PCX_F64;
  case data::DType::I32:
    return PCX_I32;
  case data::DType::I64:
    return PCX_I64;
  case data::DType::U8:
    return PCX_U8;
  case data::DType::I8:
  case data::DType::I16:
  case data::DType::Bool:
  case data::DType::Text:
    break;
  }
  return std::nullopt;
}

Status experiment::setHypers(pcx_session_t *session,
                             const std::vector<std::string> &assignments) {
  for (const std::string &assignment : assignments) {
    size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{fmt::format("--set {}: expected NAME=VALUE", assignment)};
    std::string name = assignment.substr(0, equals);
    auto value = data::parseNumber(assignment.substr(equals + 1));
    if (!value)
      return Error{fmt::format("--set {}: expected a number, found '{}'",
                               assignment, assignment.substr(equals + 1))};
    if (auto status = check(pcx_set_hyper(session, name.c_str(), *value));
        !status)
      return status;
  }
  return success();
}

Result<data::Array> experiment::readStorage(const pcx_session_t *session,
                                            const pcx_storage_t &storage) {
  data::Array array = data::Array::zeros(
      toDType(storage.dtype), {storage.dims, storage.dims + storage.rank});
  if (pcx_read_storage(session, storage.name, array.bytes.data(),
                       array.bytes.size()) != PCX_OK)
    return lastError();
  return array;
}

static bool isFloat(data::DType dtype) {
  return dtype == data::DType::F32 || dtype == data::DType::F64;
}

Status experiment::loadArrays(pcx_session_t *session, const Module &module,
                              const std::string &path, LoadScope scope) {
  if (!path.ends_with(".npz"))
    return check(pcx_load(session, path.c_str(), PCX_LOAD_PARAMETERS));
  auto npz = data::NpzFile::open(path);
  if (!npz)
    return npz.error();
  const pcx_artifact_t *info = pcx_module_info(module.get());
  std::vector<std::pair<const char *, data::Array>> changes;
  for (uint32_t i = 0; i < info->storage_count; ++i) {
    const pcx_storage_t &storage = info->storage[i];
    bool needed = storage.kind == PCX_PARAMETER || storage.kind == PCX_BUFFER;
    std::string prefixed = std::string("params/") + storage.name;
    bool hasPrefixed = npz->contains(prefixed);
    if (!needed && (scope == LoadScope::Parameters ||
                    (!hasPrefixed && !npz->contains(storage.name))))
      continue;
    auto array = npz->read(hasPrefixed ? prefixed : storage.name);
    if (!array)
      return Error{fmt::format("{}; model '{}' needs it", array.error().message,
                               info->model)};
    data::DType dtype = toDType(storage.dtype);
    std::vector<int64_t> dims(storage.dims, storage.dims + storage.rank);
    if (array->dims != dims ||
        (array->dtype != dtype && !(isFloat(dtype) && isFloat(array->dtype))))
      return Error{fmt::format(
          "'{}' does not fit model '{}': array '{}' is {}, expected {} {}",
          path, info->model, storage.name, array->describe(),
          storageShape(storage), data::dtypeName(dtype))};
    auto converted = data::convert(*array, dtype, path);
    if (!converted)
      return converted.error();
    changes.emplace_back(storage.name, std::move(*converted));
  }
  for (const auto &[name, array] : changes)
    if (auto status = check(pcx_write_storage(session, name, array.bytes.data(),
                                              array.bytes.size()));
        !status)
      return status;
  return success();
}
