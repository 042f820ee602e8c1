//===- Names.h - Nearest match for an unknown name ----------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Diagnostics about unknown names offer the one that was probably meant.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_SUPPORT_NAMES_H
#define PCX_SUPPORT_NAMES_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pcx {

/// Number of insertions, deletions and substitutions of one byte that turn `a`
/// into `b` (Levenshtein 1966).
size_t editDistance(std::string_view a, std::string_view b);

/// The candidate nearest to `name`, the first of several; "" when none shares
/// enough with it to be worth naming (more than half of the longer name would
/// change).
std::string_view nearestName(std::string_view name,
                             const std::vector<std::string_view> &candidates);

/// What to append to "unknown ...": ", did you mean 'x'?" or, without a near
/// match, "; expected one of 'a', 'b', ..." (at most eight), or
/// "; there are none".
std::string suggestName(std::string_view name,
                        const std::vector<std::string_view> &candidates);

} // namespace pcx

#endif // PCX_SUPPORT_NAMES_H
