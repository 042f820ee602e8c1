//===- Text.h - Small helpers for messages ---------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_TEXT_H
#define PCX_DATA_TEXT_H

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pcx::data {

/// The candidate with the smallest edit distance to `name` (the first of
/// equals), if that distance is at most a third of the longer one's length,
/// rounded up.
std::optional<std::string> nearestName(std::string_view name,
                                       std::span<const std::string> candidates);

/// "; did you mean 'x'?" or "" when nothing is near.
std::string didYouMean(std::string_view name,
                       std::span<const std::string> candidates);

/// A whole number in decimal, nothing before or after it.
std::optional<long long> parseInteger(std::string_view text);
/// A number as strtod reads it in the C locale ("nan" and "inf" included),
/// spaces around it allowed.
std::optional<double> parseNumber(std::string_view text);

} // namespace pcx::data

#endif // PCX_DATA_TEXT_H
