//===- Text.h - Small helpers for messages ----------------------*- C++ -*-===//
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

/// What to append to a message about an unknown name: the nearest candidate, or
/// all of them (suggestName() of pcx/Support/Names.h).
std::string suggest(std::string_view name,
                    std::span<const std::string> candidates);

/// The same where the message lists the candidates anyway: ", did you mean
/// 'x'?" or "".
std::string didYouMean(std::string_view name,
                       std::span<const std::string> candidates);

/// A whole number in decimal, nothing before or after it.
std::optional<long long> parseInteger(std::string_view text);
/// A number as strtod reads it in the C locale ("nan" and "inf" included),
/// spaces around it allowed.
std::optional<double> parseNumber(std::string_view text);

} // namespace pcx::data

#endif // PCX_DATA_TEXT_H
