//===- Text.cpp - Small helpers for messages ------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pcx/Data/Text.h"
#include "pcx/Support/Names.h"

#include <charconv>

using namespace pcx::data;

std::string pcx::data::suggest(std::string_view name,
                               std::span<const std::string> candidates) {
  return suggestName(name, {candidates.begin(), candidates.end()});
}

std::string pcx::data::didYouMean(std::string_view name,
                                  std::span<const std::string> candidates) {
  std::string_view nearest =
      nearestName(name, {candidates.begin(), candidates.end()});
  return nearest.empty() ? ""
                         : ", did you mean '" + std::string(nearest) + "'?";
}

std::optional<long long> pcx::data::parseInteger(std::string_view text) {
  long long value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<double> pcx::data::parseNumber(std::string_view text) {
  auto isSpace = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && isSpace(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && isSpace(text.back()))
    text.remove_suffix(1);
  if (text.size() > 1 && text.front() == '+' && text[1] != '-')
    text.remove_prefix(1);
  double value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}
