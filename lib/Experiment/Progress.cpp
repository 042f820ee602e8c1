//===- Progress.cpp - A progress bar on a terminal ------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace pcx::experiment;

std::string pcx::experiment::formatDuration(double seconds) {
  int64_t whole = static_cast<int64_t>(std::ceil(seconds));
  if (whole < 60)
    return fmt::format("{} s", whole);
  if (whole < 3600)
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60,
                     whole % 60);
}

ProgressBar::ProgressBar(std::FILE *stream, bool quiet) : stream(stream) {
  const char *terminal = std::getenv("TERM");
  active = !quiet && ::isatty(::fileno(stream)) &&
           !(terminal && std::strcmp(terminal, "dumb") == 0);
}

bool ProgressBar::due() const {
  return active && std::chrono::steady_clock::now() >= next;
}

void ProgressBar::update(const std::string &before, int64_t done, int64_t total,
                         const std::string &after, double secondsLeft) {
  if (!due())
    return;
  constexpr int64_t width = 24;
  size_t filled = static_cast<size_t>(std::clamp<int64_t>(
      done * width / std::max<int64_t>(total, 1), 0, width));
  std::string bar(filled, '=');
  if (filled < width)
    bar += '>';
  bar.resize(width, ' ');
  fmt::print(
      stream, "\r{} [{}] {}/{}  {}{}\x1b[K", before, bar, done, total, after,
      secondsLeft < 0 ? ""
                      : fmt::format("  {} left", formatDuration(secondsLeft)));
  std::fflush(stream);
  drawn = true;
  next = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
}

void ProgressBar::clear() {
  if (!drawn)
    return;
  fmt::print(stream, "\r\x1b[K");
  std::fflush(stream);
  drawn = false;
}
