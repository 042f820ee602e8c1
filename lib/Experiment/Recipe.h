//===- Recipe.h - Recipes: command lines as TOML files ----------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_EXPERIMENT_RECIPE_H
#define PCX_LIB_EXPERIMENT_RECIPE_H

#include "pcx/Data/Result.h"

#include <CLI/CLI.hpp>

#include <string>

namespace pcx::experiment {

/// Gives the options of `verb` that the command line left out the values of a
/// TOML file, whose keys are the long flags without the dashes. `set` may be a
/// table; the command line's --set win over it name by name. Errors carry the
/// line: syntax, unknown key (with the nearest match), a value that the flag
/// does not take.
data::Status applyRecipe(CLI::App &verb, const std::string &path);

} // namespace pcx::experiment

#endif // PCX_LIB_EXPERIMENT_RECIPE_H
