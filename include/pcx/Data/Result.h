//===- Result.h - A value or a message --------------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How lib/Data and lib/Experiment report a user's mistake: as a value. The
// message names the file or the argument, what was expected, what was found
// and, where there is one, the cure; lower case, no full stop.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_DATA_RESULT_H
#define PCX_DATA_RESULT_H

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace pcx::data {

/// Why something could not be done, as one line for the user.
struct Error {
  std::string message;
};

/// A T, or the Error that stood in its way.
template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : storage(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : storage(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return storage.index() == 0; }

  T &operator*() {
    assert(*this && "no value");
    return *std::get_if<0>(&storage);
  }
  const T &operator*() const {
    assert(*this && "no value");
    return *std::get_if<0>(&storage);
  }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }

  const Error &error() const {
    assert(!*this && "no error");
    return *std::get_if<1>(&storage);
  }

private:
  std::variant<T, Error> storage;
};

/// Result of something that has no value.
using Status = Result<std::monostate>;
/// The Status that is no error.
inline Status success() { return std::monostate(); }

} // namespace pcx::data

#endif // PCX_DATA_RESULT_H
