//===- Inputs.cpp - Arrays and data sets that a verb was given ------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Inputs.h"
#include "pcx/Data/Npy.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <unistd.h>

using namespace pcx;
using namespace pcx::experiment;

Result<data::Split>
experiment::readInputs(const std::vector<std::string> &inputs) {
  data::Split split;
  // Several arrays usually come from one archive.
  std::map<std::string, data::NpzFile> archives;
  for (const std::string &input : inputs) {
    size_t equals = input.find('=');
    if (equals == std::string::npos || equals == 0 ||
        equals + 1 == input.size())
      return Error{fmt::format(
          "--input {}: expected NAME=FILE.npy or NAME=FILE.npz:ARRAY", input)};
    std::string name = input.substr(0, equals), file = input.substr(equals + 1);
    if (split.find(name))
      return Error{fmt::format("--input {}: '{}' is given twice", input, name)};
    std::string array = name;
    size_t colon = file.rfind(".npz:");
    if (colon != std::string::npos) {
      array = file.substr(colon + 5);
      file.resize(colon + 4);
    }
    data::Column column{name, file, data::ColumnKind::Named, {}, 1.0};
    if (file.ends_with(".npz")) {
      auto archive = archives.find(file);
      if (archive == archives.end()) {
        auto opened = data::NpzFile::open(file);
        if (!opened)
          return opened.error();
        archive = archives.emplace(file, std::move(*opened)).first;
      }
      auto read = archive->second.read(array);
      if (!read)
        return read.error();
      column.file = fmt::format("{}: array '{}'", file, array);
      column.array = std::move(*read);
    } else {
      auto read = data::readNpy(file);
      if (!read)
        return read.error();
      column.array = std::move(*read);
    }
    split.columns.push_back(std::move(column));
  }
  return split;
}

Result<data::DataSet> experiment::openChosen(const DataChoice &choice,
                                             const Module &module,
                                             uint32_t program) {
  if (choice.data) {
    data::DataOptions options;
    options.labelOffset = choice.labelOffset.value_or(0);
    options.labelColumn = choice.labelColumn;
    return data::openDataSet(*choice.data, options);
  }
  const pcx_artifact_t *artifact = pcx_module_info(module.get());
  const pcx_program_t &info = artifact->programs[program];
  // What a data set would have to offer: values for the input that is no
  // target, and no more classes than the target is wide.
  std::optional<int64_t> features;
  int64_t classes = INT64_MAX;
  std::string shapes;
  for (uint32_t i = 0; i < info.input_count; ++i) {
    const pcx_port_t &port = info.inputs[i];
    shapes += fmt::format("{}{} {}", shapes.empty() ? "" : ", ", port.name,
                          portShape(port));
    if (port.flags & PCX_PORT_TARGET)
      classes = std::min(classes, portElements(port));
    else if (!features)
      features = portElements(port);
  }
  std::vector<std::string> fitting;
  if (features)
    fitting = fittingDataSets(*features, classes);
  for (const std::string &name : fitting)
    if (name == "digits")
      return data::openDigits();
  return Error{fmt::format(
      "no --data given, and the embedded digits (8x8 = 64 values, 10 classes) "
      "do not fit the inputs of program '{}' ({}); {}",
      info.name, shapes,
      fitting.empty()
          ? "pass --data with a folder of IDX files, an .npz or a .csv file"
          : fmt::format("pass --data {}, which would",
                        fmt::join(fitting, " or ")))};
}

Normalisation experiment::chosenNormalisation(const DataChoice &choice,
                                              const data::DataSet &set) {
  return choice.normalise.value_or(Normalisation{set.mean, set.std});
}

Result<int64_t> experiment::chosenBatch(const std::optional<int64_t> &batch,
                                        const Module &module) {
  int64_t largest = pcx_module_info(module.get())->max_batch;
  if (batch && (*batch < 1 || *batch > largest))
    return Error{fmt::format("--batch {}: expected 1 to {}, the largest that "
                             "the artifact was compiled for; compile it with "
                             "`pcc --batch {}`",
                             *batch, largest, std::max<int64_t>(*batch, 1))};
  return batch.value_or(largest);
}

Status experiment::checkWritable(const std::string &path, const char *flag) {
  namespace fs = std::filesystem;
  std::error_code code;
  fs::path parent = fs::path(path).parent_path();
  std::string folder = parent.empty() ? "." : parent.string();
  if (fs::is_directory(path, code))
    return Error{
        fmt::format("{} {}: expected a file, found a folder", flag, path)};
  // The file is replaced as a whole, which needs a writable folder; what is no
  // regular file is written to directly.
  bool special = fs::exists(path, code) && !fs::is_regular_file(path, code);
  const std::string &target = special ? path : folder;
  if (::access(target.c_str(), W_OK) != 0)
    return Error{fmt::format("{} {}: cannot write to '{}': {}", flag, path,
                             target, std::strerror(errno))};
  return success();
}
