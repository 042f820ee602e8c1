//===- DataSet.h - Data sets by name, folder or file ------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A data set has a training and a test split, either of which may be empty. A
// split is a set of columns with one row a sample. Values stay as the file has
// them (u8 images as u8); the normalisation is applied by whoever feeds them
// to a program: (x * scale - mean) / std.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_DATASET_H
#define PCX_DATA_DATASET_H

#include "pcx/Data/Array.h"

#include <optional>
#include <string>
#include <vector>

namespace pcx::data {

/// What a column holds.
enum class ColumnKind {
  Features, ///< images or measurements: the model's input
  Labels,   ///< class indices, i32, one a sample
  Named     ///< an array of an NPZ, matched to an input by its name
};

/// One array of a split.
struct Column {
  std::string name; ///< "images", "labels", or the array's name
  std::string file; ///< where it came from, for messages
  ColumnKind kind = ColumnKind::Features;
  Array array; ///< [samples, ...]
  /// Brings raw values into the unit that mean and std are given in; 1/255 for
  /// u8 images.
  double scale = 1.0;
};

/// Training or test data.
struct Split {
  int64_t samples = 0;
  std::vector<Column> columns;

  const Column *find(const std::string &name) const;
  const Column *find(ColumnKind kind) const;
};

struct DataSet {
  std::string name; ///< as the user gave it
  Split train, test;
  /// Default normalisation after scaling.
  double mean = 0.0, std = 1.0;
};

/// How to read a data set.
struct DataOptions {
  /// Subtracted from every label of an IDX or CSV data set (emnist-letters
  /// counts from 1).
  int64_t labelOffset = 0;
  /// Name or index of the label column of a CSV file; without it the column
  /// called "label", "class" or "target", else the last.
  std::optional<std::string> labelColumn;
};

/// Names that openDataSet() knows.
std::vector<std::string> dataSetNames();

/// Opens a data set:
///
///   digits           the 8x8 digits that are built in (1797 samples, 0..16);
///                    of every fifty samples the last ten are the test split
///   fashion-mnist    Debian's package dataset-fashion-mnist
///   FOLDER           IDX files called *{train,t10k,test}-images-idx3-ubyte and
///                    *{train,t10k,test}-labels-idx1-ubyte, .gz or not; either
///                    split may be missing
///   FILE.npz         arrays named after the program's inputs. With a prefix
///                    "train_" or "test_" they belong to that split, without
///                    one to the training split
///   FILE.csv         a table of numbers with a label column; training split
///
/// u8 images have scale 1/255 and, as the digits (scale 1/16), the default
/// normalisation mean 0.5, std 0.5 of the predictive coding literature; float
/// columns are taken as they are.
Result<DataSet> openDataSet(const std::string &nameOrPath,
                            const DataOptions &options = {});

/// The embedded digits.
Result<DataSet> openDigits();

/// Checks that every label is in [0, classes). The message names the file, the
/// row and the label, and `--label-offset` where that would cure it.
Status checkLabels(const Column &labels, int64_t classes);

} // namespace pcx::data

#endif // PCX_DATA_DATASET_H
