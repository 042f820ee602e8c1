//===- Names.cpp - Nearest match for an unknown name ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Support/Names.h"

#include <algorithm>
#include <numeric>

size_t pcx::editDistance(std::string_view a, std::string_view b) {
  // One row of the usual table; `diagonal` is the entry up and to the left.
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string_view
pcx::nearestName(std::string_view name,
                 const std::vector<std::string_view> &candidates) {
  // A name of absurd length is no misspelling, and the table is quadratic.
  constexpr size_t longestName = 1000;
  std::string_view best;
  size_t bestDistance = std::string_view::npos;
  if (name.size() > longestName)
    return best;
  for (std::string_view candidate : candidates) {
    size_t longer = std::max(name.size(), candidate.size());
    if (longer > longestName)
      continue;
    size_t distance = editDistance(name, candidate);
    if (distance * 2 <= longer && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

std::string pcx::suggestName(std::string_view name,
                             const std::vector<std::string_view> &candidates) {
  std::string_view nearest = nearestName(name, candidates);
  if (!nearest.empty())
    return ", did you mean '" + std::string(nearest) + "'?";
  if (candidates.empty())
    return "; there are none";
  constexpr size_t most = 8;
  std::string list = "; expected one of ";
  for (size_t i = 0; i < std::min(most, candidates.size()); ++i)
    list += (i ? ", '" : "'") + std::string(candidates[i]) + "'";
  if (candidates.size() > most)
    list += ", ...";
  return list;
}
