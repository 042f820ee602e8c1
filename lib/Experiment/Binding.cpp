//===- Binding.cpp - From a data set's columns to a program's inputs ------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Experiment/Binding.h"
#include "pcx/Data/Text.h"
#include "pcx/Experiment/Metrics.h"

#include <fmt/format.h>

#include <algorithm>

using namespace pcx;
using namespace pcx::experiment;
using data::Column;
using data::ColumnKind;
using data::DType;

static bool isFloat(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F64;
}

/// Whether a column holds class indices that the port takes one-hot.
static bool isClasses(const Column &column, const pcx_port_t &port) {
  return !isFloat(column.array.dtype) && column.array.dtype != DType::Text &&
         column.array.dims.size() == 1 && port.per_sample &&
         portElements(port) > 1 && isFloat(toDType(port.dtype));
}

static Error wrongShape(const Column &column, const pcx_port_t &port,
                        const std::string &more = "") {
  const data::Array &array = column.array;
  std::string found = array.describe();
  if (port.per_sample && !array.dims.empty())
    found =
        fmt::format("{} {} a sample",
                    array.dims.size() == 1
                        ? "one"
                        : data::formatDims(std::span(array.dims).subspan(1)),
                    data::dtypeName(array.dtype));
  return Error{fmt::format(
      "{}: wrong shape: input '{}' expects {} ({} {}) {}, found {}{}",
      column.file, port.name, portShape(port), portElements(port),
      portElements(port) == 1 ? "value" : "values",
      port.per_sample ? "a sample" : "in all", found, more)};
}

/// Checks the elements of a column against a port.
static Status checkShape(const Column &column, const pcx_port_t &port) {
  if (column.array.dtype == DType::Text)
    return Error{fmt::format("{}: expected numbers, found text", column.file)};
  if (!port.per_sample) {
    if (column.array.dims !=
        std::vector<int64_t>(port.dims, port.dims + port.rank))
      return wrongShape(column, port);
    return success();
  }
  if (column.array.dims.empty() ||
      column.array.rowElements() != portElements(port))
    return wrongShape(column, port);
  return success();
}

/// A copy of a column of class indices as i32.
static Result<Column> classColumn(const Column &column) {
  auto classes = data::convert(column.array, DType::I32, column.file);
  if (!classes)
    return classes.error();
  return Column{column.name, column.file, ColumnKind::Labels,
                std::move(*classes), 1.0};
}

Result<data::Array> experiment::denseInput(const Column &column,
                                           const pcx_port_t &port) {
  DType dtype = toDType(port.dtype);
  if (!isClasses(column, port)) {
    if (auto status = checkShape(column, port); !status)
      return status.error();
    return data::convert(column.array, dtype, column.file);
  }
  auto classes = classColumn(column);
  if (!classes)
    return classes.error();
  if (auto status = data::checkLabels(*classes, portElements(port)); !status)
    return status.error();
  std::vector<int64_t> dims = {column.array.rows()};
  dims.insert(dims.end(), port.dims, port.dims + port.rank);
  data::Array rows = data::Array::zeros(dtype, dims);
  auto indices = classes->array.as<int32_t>();
  size_t width = static_cast<size_t>(portElements(port));
  for (size_t row = 0; row < indices.size(); ++row) {
    size_t at = row * width + static_cast<size_t>(indices[row]);
    if (dtype == DType::F32)
      rows.as<float>()[at] = 1.0f;
    else
      rows.as<double>()[at] = 1.0;
  }
  return rows;
}

Result<const Column *> experiment::featureColumn(const data::Split &split,
                                                 const pcx_port_t &port,
                                                 const pcx_program_t &program,
                                                 const std::string &setName) {
  const Column *features = split.find(ColumnKind::Features);
  if (features && split.find(ColumnKind::Labels))
    return features;
  if (const Column *column = split.find(port.name))
    return column;
  std::vector<std::string> names;
  for (const Column &column : split.columns)
    names.push_back(column.name);
  return Error{fmt::format(
      "data set '{}': no array '{}' for the input of program '{}'{}", setName,
      port.name, program.name, data::suggest(port.name, names))};
}

Affine experiment::columnAffine(const Column &column, const pcx_port_t &port,
                                const Normalisation &normalisation) {
  // Labels and targets are in the units of the energy, whatever the images are.
  if (column.kind == ColumnKind::Labels ||
      (column.kind == ColumnKind::Named && port.flags & PCX_PORT_TARGET))
    return {};
  return {column.scale, normalisation.mean, normalisation.std};
}

Result<data::Array> experiment::inputRows(const Column &column,
                                          const pcx_port_t &port,
                                          const Normalisation &normalisation,
                                          int64_t count) {
  assert(port.per_sample && isFloat(toDType(port.dtype)) && "no such input");
  if (auto status = checkShape(column, port); !status)
    return status.error();
  assert(count <= column.array.rows() && "more rows than there are");
  std::vector<int64_t> dims = {count};
  dims.insert(dims.end(), port.dims, port.dims + port.rank);
  data::Array out = data::Array::zeros(toDType(port.dtype), dims);
  Affine affine = columnAffine(column, port, normalisation);
  // As the runtime does it: in double, rounded once.
  for (int64_t i = 0; i < out.elements(); ++i) {
    double value =
        (column.array.at(i) * affine.scale - affine.mean) / affine.std;
    if (out.dtype == DType::F32)
      out.as<float>()[static_cast<size_t>(i)] = static_cast<float>(value);
    else
      out.as<double>()[static_cast<size_t>(i)] = value;
  }
  return out;
}

namespace {

/// Builds a Binding input by input.
class Binder {
public:
  Binder(const pcx_session_t *session, const Module &module, uint32_t program,
         const data::Split &split, const std::string &setName,
         const Normalisation &normalisation)
      : session(session),
        program(pcx_module_info(module.get())->programs[program]),
        index(program), split(split), setName(setName),
        normalisation(normalisation) {}

  Result<Binding> bind();

private:
  Result<const Column *> columnFor(const pcx_port_t &port) const;
  bool takesLabels(const pcx_port_t &port, const Column &features,
                   const Column &labels) const;
  Status feed(const pcx_port_t &port, const Column &column);
  Status feedClasses(const pcx_port_t &port, const Column &column);
  void noteLabels(const pcx_port_t &port, const Column &column);
  void push(const pcx_port_t &port, const data::Array &array,
            pcx_encoding_t encoding, double scale, double mean, double std);
  const data::Array &keep(data::Array array) {
    binding.owned.push_back(std::move(array));
    return binding.owned.back();
  }

  const pcx_session_t *session;
  const pcx_program_t &program;
  uint32_t index;
  const data::Split &split;
  const std::string &setName;
  const Normalisation &normalisation;

  Binding binding;
  std::vector<pcx_column_t> columns;
  const Column *firstRows = nullptr; ///< whose rows count the samples
};

} // namespace

/// Whether the port of a data set with features and labels takes the labels.
bool Binder::takesLabels(const pcx_port_t &port, const Column &features,
                         const Column &labels) const {
  int64_t wanted = features.array.rowElements();
  auto fits = [&](const pcx_port_t &other) {
    return portElements(other) == wanted;
  };
  auto isTarget = [](const pcx_port_t &other) {
    return (other.flags & PCX_PORT_TARGET) != 0;
  };
  std::span ports(program.inputs, program.input_count);
  if (fits(port)) {
    if (std::count_if(ports.begin(), ports.end(), fits) < 2 || !isTarget(port))
      return false;
    auto classes = labels.array.as<int32_t>();
    return !classes.empty() &&
           *std::max_element(classes.begin(), classes.end()) + 1 ==
               portElements(port);
  }
  // Something else must be there to take the features, or this port was meant
  // to and has the wrong shape.
  if (std::any_of(ports.begin(), ports.end(), fits))
    return true;
  return isTarget(port) && program.input_count > 1;
}

Result<const Column *> Binder::columnFor(const pcx_port_t &port) const {
  const Column *features = split.find(ColumnKind::Features);
  const Column *labels = split.find(ColumnKind::Labels);
  if (features && labels)
    return takesLabels(port, *features, *labels) ? labels : features;
  return featureColumn(split, port, program, setName);
}

void Binder::push(const pcx_port_t &port, const data::Array &array,
                  pcx_encoding_t encoding, double scale, double mean,
                  double std) {
  pcx_column_t column = {};
  column.struct_size = sizeof(column);
  column.name = port.name;
  column.data = array.bytes.data();
  column.bytes = array.bytes.size();
  column.dtype = *fromDType(array.dtype);
  column.encoding = encoding;
  column.scale = scale;
  column.mean = mean;
  column.std = std;
  columns.push_back(column);
}

Status Binder::feedClasses(const pcx_port_t &port, const Column &column) {
  auto classes = classColumn(column);
  if (!classes)
    return classes.error();
  if (auto status = data::checkLabels(*classes, portElements(port)); !status)
    return status;
  push(port, keep(std::move(classes->array)), PCX_ENCODE_ONE_HOT, 1, 0, 1);
  return success();
}

/// Classes that a column of a named data set holds, for the accuracy: indices,
/// or the largest element of each row of a target as wide as an output.
void Binder::noteLabels(const pcx_port_t &port, const Column &column) {
  if (!binding.labels.empty())
    return;
  if (isClasses(column, port)) {
    auto classes = binding.owned.back().as<int32_t>();
    binding.labels.assign(classes.begin(), classes.end());
  } else if (!(port.flags & PCX_PORT_TARGET)) {
    return;
  } else if (isFloat(column.array.dtype) && portElements(port) > 1) {
    // An image that is clamped has no class: something must predict as wide.
    std::span outputs(program.outputs, program.output_count);
    if (std::any_of(outputs.begin(), outputs.end(), [&](const auto &output) {
          return output.per_sample &&
                 portElements(output) == portElements(port);
        }))
      binding.labels = rowArgmax(column.array);
  } else if (!isFloat(column.array.dtype) && portElements(port) == 1) {
    // The program makes the one-hot rows itself.
    if (auto classes = data::convert(column.array, DType::I32, column.file)) {
      auto values = classes->as<int32_t>();
      binding.labels.assign(values.begin(), values.end());
    }
  }
}

Status Binder::feed(const pcx_port_t &port, const Column &column) {
  if (port.per_sample) {
    int64_t rows = column.array.rows();
    if (!firstRows) {
      firstRows = &column;
      binding.samples = rows;
    } else if (rows != binding.samples) {
      return Error{fmt::format("{}: expected {} rows, as many as {}, found {}",
                               column.file, binding.samples, firstRows->file,
                               rows)};
    }
  }
  if (isClasses(column, port)) {
    if (auto status = feedClasses(port, column); !status)
      return status;
    noteLabels(port, column);
    return success();
  }
  if (auto status = checkShape(column, port); !status)
    return status;
  noteLabels(port, column);

  DType portType = toDType(port.dtype);
  if (!port.per_sample || !isFloat(portType)) {
    const data::Array *array = &column.array;
    if (array->dtype != portType) {
      auto converted = data::convert(*array, portType, column.file);
      if (!converted)
        return converted.error();
      array = &keep(std::move(*converted));
    }
    push(port, *array, PCX_ENCODE_NONE, 1, 0, 1);
    return success();
  }
  const data::Array *array = &column.array;
  if (array->dtype != DType::U8 && !isFloat(array->dtype)) {
    auto converted = data::convert(*array, portType, column.file);
    if (!converted)
      return converted.error();
    array = &keep(std::move(*converted));
  }
  Affine affine = columnAffine(column, port, normalisation);
  push(port, *array, PCX_ENCODE_AFFINE, affine.scale, affine.mean, affine.std);
  return success();
}

Result<Binding> Binder::bind() {
  // Converted arrays must not move once the runtime has their addresses.
  binding.owned.reserve(program.input_count);
  for (uint32_t i = 0; i < program.input_count; ++i) {
    const pcx_port_t &port = program.inputs[i];
    auto column = columnFor(port);
    if (!column)
      return column.error();
    if (auto status = feed(port, **column); !status)
      return status.error();
  }
  // An evaluating program need not read the labels that judge it.
  if (const Column *labels = split.find(ColumnKind::Labels)) {
    auto classes = labels->array.as<int32_t>();
    binding.labels.assign(classes.begin(), classes.end());
  } else if (binding.labels.empty()) {
    for (const Column &column : split.columns)
      if (column.name == "label" || column.name == "labels") {
        auto classes = column.array.dims.size() == 1
                           ? data::convert(column.array, DType::I32, "")
                           : Result<data::Array>(Error{});
        if (classes) {
          auto values = classes->as<int32_t>();
          binding.labels.assign(values.begin(), values.end());
        } else if (column.array.dims.size() == 2 &&
                   isFloat(column.array.dtype)) {
          binding.labels = rowArgmax(column.array);
        }
      }
  }
  if (binding.samples == 0)
    return Error{fmt::format(
        "data set '{}': expected samples for the inputs of program '{}', found "
        "none",
        setName, program.name)};
  if (static_cast<int64_t>(binding.labels.size()) != binding.samples)
    binding.labels.clear();
  pcx_data_t *made = nullptr;
  if (pcx_data_create(session, index, binding.samples, columns.data(),
                      static_cast<uint32_t>(columns.size()), &made) != PCX_OK)
    return Error{fmt::format("data set '{}': {}", setName, pcx_last_error())};
  binding.data.reset(made);
  return std::move(binding);
}

Result<Binding> experiment::bindData(const pcx_session_t *session,
                                     const Module &module, uint32_t program,
                                     const data::Split &split,
                                     const std::string &setName,
                                     const Normalisation &normalisation) {
  return Binder(session, module, program, split, setName, normalisation).bind();
}

std::vector<std::string> experiment::fittingDataSets(int64_t features,
                                                     int64_t classes) {
  struct Known {
    const char *name;
    int64_t features, classes;
  };
  static constexpr Known known[] = {{"digits", 64, 10},
                                    {"fashion-mnist", 784, 10}};
  std::vector<std::string> names;
  for (const Known &set : known)
    if (set.features == features && set.classes <= classes)
      names.push_back(set.name);
  return names;
}
