//===- Inputs.h - Arrays and data sets that a verb was given ----*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_INPUTS_H
#define PCX_LIB_EXPERIMENT_INPUTS_H

#include "pcx/Experiment/Commands.h"

namespace pcx::experiment {

/// Reads `name=x.npy` or `name=file.npz:array` (the array's name may be left
/// out when it is the input's) into named columns.
Result<data::Split> readInputs(const std::vector<std::string> &inputs);

/// Opens the chosen data set; without a choice the embedded digits, if they fit
/// `program`, else a message with the data sets that would.
Result<data::DataSet> openChosen(const DataChoice &choice, const Module &module,
                                 uint32_t program);

/// The normalisation to use: the user's, else the data set's.
Normalisation chosenNormalisation(const DataChoice &choice,
                                  const data::DataSet &set);

/// The batch size: the user's, which must be 1 to the artifact's largest, else
/// that.
Result<int64_t> chosenBatch(const std::optional<int64_t> &batch,
                            const Module &module);

/// Fails unless a file can be made at `path`, before time is spent on what
/// should go there; `flag` names it.
Status checkWritable(const std::string &path, const char *flag);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_INPUTS_H
