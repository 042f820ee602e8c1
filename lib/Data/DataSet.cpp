//===- DataSet.cpp - Data sets by name, folder or file --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/DataSet.h"
#include "pcx/Data/Csv.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Idx.h"
#include "pcx/Data/Npy.h"
#include "pcx/Data/Text.h"

#include "Digits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <regex>

using namespace pcx::data;
namespace fs = std::filesystem;

const Column *Split::find(const std::string &name) const {
  for (const Column &column : columns)
    if (column.name == name)
      return &column;
  return nullptr;
}

const Column *Split::find(ColumnKind kind) const {
  for (const Column &column : columns)
    if (column.kind == kind)
      return &column;
  return nullptr;
}

std::vector<std::string> pcx::data::dataSetNames() {
  return {"digits", "fashion-mnist"};
}

/// The predictive coding literature's normalisation of grey images.
static constexpr double imageMean = 0.5, imageStd = 0.5;

/// Labels as i32, less the offset; the offset must leave none below zero,
/// which checkLabels() finds.
static Result<Array> labelsFrom(const Array &raw, int64_t offset,
                                const std::string &file) {
  auto wide = convert(raw, DType::I64, file);
  if (!wide)
    return wide.error();
  for (int64_t &label : wide->as<int64_t>())
    if (__builtin_sub_overflow(label, offset, &label))
      return Error{fmt::format("{}: label offset {} overflows", file, offset)};
  wide->dims = {wide->rows()};
  return convert(*wide, DType::I32, file);
}

Status pcx::data::checkLabels(const Column &labels, int64_t classes) {
  auto values = labels.array.as<int32_t>();
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (values.empty() || (*low >= 0 && *high < classes))
    return success();
  auto bad = std::find_if(values.begin(), values.end(), [&](int32_t label) {
    return label < 0 || label >= classes;
  });
  std::string cure;
  // A data set that counts from 1 uses one number too many and never 0.
  if (*low > 0 && *high - *low < classes)
    cure = fmt::format("; the labels start at {}, pass --label-offset {}", *low,
                       *low);
  return Error{fmt::format(
      "{}: label out of range: expected 0 to {}, found {} at row {}{}",
      labels.file, classes - 1, *bad, bad - values.begin(), cure)};
}

Result<DataSet> pcx::data::openDigits() {
  const std::string name = "the embedded digits";
  auto images = parseIdx(digitsImages(), name);
  if (!images)
    return images.error();
  auto labels = parseIdx(digitsLabels(), name);
  if (!labels)
    return labels.error();
  DataSet out;
  out.name = "digits";
  out.mean = imageMean;
  out.std = imageStd;

  size_t rowBytes = static_cast<size_t>(images->rowElements());
  std::vector<std::byte> pixels[2];
  std::vector<int32_t> classes[2];
  for (int64_t i = 0; i < images->rows(); ++i) {
    // Tens, not single samples: the writers wrote 0 to 9 in turn, so every
    // fifth sample would be a 4 or a 9.
    bool test = i / 10 % 5 == 4;
    auto row = images->bytes.begin() +
               static_cast<ptrdiff_t>(static_cast<size_t>(i) * rowBytes);
    pixels[test].insert(pixels[test].end(), row,
                        row + static_cast<ptrdiff_t>(rowBytes));
    classes[test].push_back(
        std::to_integer<int32_t>(labels->bytes[static_cast<size_t>(i)]));
  }
  for (int test : {0, 1}) {
    Split &split = test ? out.test : out.train;
    split.samples = static_cast<int64_t>(classes[test].size());
    Array image, label;
    image.dims = {split.samples, images->dims[1], images->dims[2]};
    image.bytes = std::move(pixels[test]);
    label = Array::zeros(DType::I32, {split.samples});
    std::memcpy(label.bytes.data(), classes[test].data(), label.bytes.size());
    split.columns.push_back(
        {"images", name, ColumnKind::Features, std::move(image), 1.0 / 16});
    split.columns.push_back(
        {"labels", name, ColumnKind::Labels, std::move(label), 1.0});
  }
  return out;
}

/// One split of a folder of IDX files.
static Result<Split> openIdxSplit(const std::string &images,
                                  const std::string &labels,
                                  const DataOptions &options) {
  Split split;
  auto pixels = readIdx(images);
  if (!pixels)
    return pixels.error();
  if (pixels->dims.empty())
    return Error{
        fmt::format("{}: expected one array a sample, found a scalar", images)};
  auto raw = readIdx(labels);
  if (!raw)
    return raw.error();
  if (raw->dims.size() != 1)
    return Error{fmt::format("{}: expected one label a sample, found {}",
                             labels, raw->describe())};
  if (raw->rows() != pixels->rows())
    return Error{fmt::format("{}: expected {} labels, as many as {} has "
                             "images, found {}",
                             labels, pixels->rows(), images, raw->rows())};
  auto classes = labelsFrom(*raw, options.labelOffset, labels);
  if (!classes)
    return classes.error();
  split.samples = pixels->rows();
  double scale = pixels->dtype == DType::U8 ? 1.0 / 255 : 1.0;
  split.columns.push_back(
      {"images", images, ColumnKind::Features, std::move(*pixels), scale});
  split.columns.push_back(
      {"labels", labels, ColumnKind::Labels, std::move(*classes), 1.0});
  return split;
}

/// The normalisation that fits the features of a data set.
static void setDefaultNormalisation(DataSet &set) {
  for (const Split *split : {&set.train, &set.test})
    if (const Column *features = split->find(ColumnKind::Features))
      if (features->array.dtype == DType::U8) {
        set.mean = imageMean;
        set.std = imageStd;
      }
}

static Result<DataSet> openFolder(const std::string &folder,
                                  const DataOptions &options) {
  // [split][0 images, 1 labels]
  std::string found[2][2];
  static const std::regex pattern(
      "(.*[-_])?(train|t10k|test)[-_](images|labels)[-.]idx[0-9]+-ubyte"
      "(\\.gz)?");
  std::error_code code;
  std::vector<std::string> entries;
  for (fs::directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code))
    entries.push_back(it->path().filename().string());
  if (code)
    return Error{
        fmt::format("cannot read folder '{}': {}", folder, code.message())};
  std::sort(entries.begin(), entries.end());
  for (const std::string &entry : entries) {
    std::smatch match;
    if (!std::regex_match(entry, match, pattern))
      continue;
    std::string &slot = found[match[2] != "train"][match[3] == "labels"];
    // The packed and the unpacked form of one file may lie side by side.
    if (slot + ".gz" == entry)
      continue;
    if (!slot.empty())
      return Error{fmt::format("{}: expected one data set in the folder, found "
                               "both '{}' and '{}'",
                               folder, slot, entry)};
    slot = entry;
  }
  DataSet out;
  out.name = folder;
  bool any = false;
  for (int test : {0, 1}) {
    auto &[images, labels] = found[test];
    if (images.empty() && labels.empty())
      continue;
    if (images.empty() || labels.empty())
      return Error{fmt::format("{}: found '{}' but no {} of the same split",
                               folder, images.empty() ? labels : images,
                               images.empty() ? "images-idx3-ubyte"
                                              : "labels-idx1-ubyte")};
    auto split = openIdxSplit((fs::path(folder) / images).string(),
                              (fs::path(folder) / labels).string(), options);
    if (!split)
      return split.error();
    (test ? out.test : out.train) = std::move(*split);
    any = true;
  }
  if (!any)
    return Error{fmt::format(
        "{}: expected IDX files ({{train,t10k}}-images-idx3-ubyte[.gz] and "
        "-labels-idx1-ubyte[.gz]), found none in the folder",
        folder)};
  setDefaultNormalisation(out);
  return out;
}

static Result<DataSet> openNpz(const std::string &path) {
  auto npz = NpzFile::open(path);
  if (!npz)
    return npz.error();
  DataSet out;
  out.name = path;
  for (const std::string &member : npz->names()) {
    auto array = npz->read(member);
    // What cannot be an input is no reason to refuse the file.
    if (!array || array->dtype == DType::Text || array->dims.empty())
      continue;
    bool test = member.starts_with("test_");
    bool train = member.starts_with("train_");
    std::string name = test    ? member.substr(5)
                       : train ? member.substr(6)
                               : member;
    Split &split = test ? out.test : out.train;
    if (split.find(name))
      return Error{fmt::format("{}: arrays '{}' and 'train_{}' mean the same",
                               path, name, name)};
    double scale =
        array->dtype == DType::U8 && array->dims.size() > 1 ? 1.0 / 255 : 1.0;
    split.columns.push_back({name, fmt::format("{}: array '{}'", path, member),
                             ColumnKind::Named, std::move(*array), scale});
  }
  if (out.train.columns.empty() && out.test.columns.empty())
    return Error{fmt::format("{}: expected arrays named after the program's "
                             "inputs, found none",
                             path)};
  // Whether all arrays have as many rows is only known once the program says
  // which of them it reads: a split counts those of its first array.
  for (Split *split : {&out.train, &out.test})
    if (!split->columns.empty())
      split->samples = split->columns.front().array.rows();
  return out;
}

static Result<DataSet> openCsv(const std::string &path,
                               const DataOptions &options) {
  auto table = readCsv(path);
  if (!table)
    return table.error();
  int64_t label = table->columns() - 1;
  if (options.labelColumn) {
    auto column = table->column(*options.labelColumn, path);
    if (!column)
      return column.error();
    label = *column;
  } else {
    for (const char *usual : {"label", "class", "target"})
      for (size_t i = 0; i < table->names.size(); ++i)
        if (table->names[i] == usual)
          label = static_cast<int64_t>(i);
  }
  int64_t rows = table->values.rows(), columns = table->columns();
  if (columns < 2)
    return Error{fmt::format("{}: expected features and a label column, found "
                             "{} column",
                             path, columns)};
  Array features = Array::zeros(DType::F64, {rows, columns - 1});
  Array raw = Array::zeros(DType::F64, {rows});
  auto in = table->values.as<double>();
  auto out = features.as<double>(), classes = raw.as<double>();
  size_t from = 0, to = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column, ++from) {
      if (column == label)
        classes[static_cast<size_t>(row)] = in[from];
      else
        out[to++] = in[from];
    }
  auto labels = labelsFrom(
      raw, options.labelOffset,
      fmt::format("{}: label column {}", path,
                  table->names.empty()
                      ? std::to_string(label)
                      : "'" + table->names[static_cast<size_t>(label)] + "'"));
  if (!labels)
    return labels.error();
  DataSet set;
  set.name = path;
  set.train.samples = rows;
  set.train.columns.push_back(
      {"images", path, ColumnKind::Features, std::move(features), 1.0});
  set.train.columns.push_back(
      {"labels", path, ColumnKind::Labels, std::move(*labels), 1.0});
  return set;
}

Result<DataSet> pcx::data::openDataSet(const std::string &nameOrPath,
                                       const DataOptions &options) {
  if (nameOrPath == "digits")
    return openDigits();
  if (nameOrPath == "fashion-mnist") {
    const char *folder = "/usr/share/datasets/fashion-mnist";
    if (!fs::is_directory(folder))
      return Error{fmt::format(
          "data set 'fashion-mnist': expected its files in {}, found no such "
          "folder; install it with `sudo apt-get install "
          "dataset-fashion-mnist`, or pass a folder of IDX files",
          folder)};
    auto set = openFolder(folder, options);
    if (set)
      set->name = nameOrPath;
    return set;
  }
  std::error_code code;
  auto status = fs::status(nameOrPath, code);
  if (fs::is_directory(status))
    return openFolder(nameOrPath, options);
  if (!fs::exists(status)) {
    std::vector<std::string> names = dataSetNames();
    return Error{fmt::format("data set '{}': expected a name ({}), a folder of "
                             "IDX files, an .npz or "
                             "a .csv file, found no such file{}",
                             nameOrPath, fmt::join(names, ", "),
                             didYouMean(nameOrPath, names))};
  }
  std::string extension = fs::path(nameOrPath).extension().string();
  if (extension == ".npz")
    return openNpz(nameOrPath);
  if (extension == ".csv")
    return openCsv(nameOrPath, options);
  return Error{fmt::format("data set '{}': expected a folder of IDX files, an "
                           ".npz or a .csv file, found '{}'",
                           nameOrPath,
                           extension.empty() ? "no extension" : extension)};
}
