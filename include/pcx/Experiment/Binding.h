//===- Binding.h - From a data set's columns to a program's inputs *- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_EXPERIMENT_BINDING_H
#define PCX_EXPERIMENT_BINDING_H

#include "pcx/Data/DataSet.h"
#include "pcx/Experiment/Model.h"

#include <string>
#include <vector>

namespace pcx::experiment {

/// (x * scale - mean) / std, where the column says the scale.
struct Normalisation {
  double mean = 0.0, std = 1.0;
};

/// A split that is ready to be fed to a program. It refers to the split's
/// columns, which must outlive it.
struct Binding {
  ResidentData data;
  int64_t samples = 0;
  /// Class of each sample; empty when the data set has no classes.
  std::vector<int32_t> labels;
  /// Arrays that had to be converted.
  std::vector<data::Array> owned;
};

/// Feeds the columns of `split` to the inputs of a program.
///
/// A split with named columns (NPZ) feeds each input the column of its name:
/// floats as they are, u8 images scaled by 1/255, a vector of whole numbers as
/// classes if the input is wider than one. A split with features and labels
/// (IDX, CSV, digits) feeds the features to the input that has as many
/// elements, and the labels to the other one, one-hot, or as a number if that
/// input has a single element; of two inputs that would fit the features, the
/// one that clamps a vode with a prediction and is as wide as there are classes
/// gets the labels.
///
/// The normalisation applies to every input but the labels and the inputs that
/// clamp a vode with a prediction.
///
/// Errors: no column for an input (with the nearest match), wrong shape (both
/// shapes), labels out of range, different numbers of rows.
Result<Binding> bindData(const pcx_session_t *session, const Module &module,
                         uint32_t program, const data::Split &split,
                         const std::string &setName,
                         const Normalisation &normalisation);

/// The column of `split` that bindData() feeds to an input for features: the
/// features, or the column of its name.
Result<const data::Column *> featureColumn(const data::Split &split,
                                           const pcx_port_t &port,
                                           const pcx_program_t &program,
                                           const std::string &setName);

/// How bindData() feeds a column that is not one-hot: (x * scale - mean) / std.
struct Affine {
  double scale = 1.0, mean = 0.0, std = 1.0;
};
Affine columnAffine(const data::Column &column, const pcx_port_t &port,
                    const Normalisation &normalisation);

/// Rows 0 to `count` - 1 of a column, count x the port's dimensions, as
/// bindData() feeds them to a per-sample input of a float type. Shapes are
/// checked; `count` is at most the rows that there are.
Result<data::Array> inputRows(const data::Column &column,
                              const pcx_port_t &port,
                              const Normalisation &normalisation,
                              int64_t count);

/// One array for one call: the column as the port's dtype, whole numbers
/// one-hot where the port is wider than one. Shapes are checked; a per-sample
/// port takes any number of rows.
Result<data::Array> denseInput(const data::Column &column,
                               const pcx_port_t &port);

/// The data sets that are known by name and have `features` values a sample
/// and at most `classes` classes: "digits", "fashion-mnist".
std::vector<std::string> fittingDataSets(int64_t features, int64_t classes);

} // namespace pcx::experiment

#endif // PCX_EXPERIMENT_BINDING_H
