//===- Suggest.h - Nearest match for a misspelt name ------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_DIALECT_PC_IR_SUGGEST_H
#define PC_DIALECT_PC_IR_SUGGEST_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace pc {

/// Of `candidates`, the one nearest to `name` when it is close enough to be
/// meant (edit distance at most a third of the name, and at least one edit
/// allowed); otherwise an empty string.
template <typename Range>
std::string findNearest(llvm::StringRef name, Range &&candidates) {
  unsigned best = name.size() / 3 + 2;
  std::string nearest;
  for (llvm::StringRef candidate : candidates) {
    unsigned distance = name.edit_distance(candidate, true, best);
    if (distance < best) {
      best = distance;
      nearest = candidate.str();
    }
  }
  return nearest;
}

/// "; did you mean 'x'?" or nothing.
template <typename Range>
std::string suggest(llvm::StringRef name, Range &&candidates) {
  std::string nearest = findNearest(name, candidates);
  return nearest.empty() ? nearest : "; did you mean '" + nearest + "'?";
}

} // namespace pc

#endif // PC_DIALECT_PC_IR_SUGGEST_H
