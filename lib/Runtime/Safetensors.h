//===- Safetensors.h - The safetensors file format ----------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// https://github.com/huggingface/safetensors, "Format": eight bytes with the
// header's length (little endian), the header (a JSON object: for each tensor
// its dtype, shape and byte range, and "__metadata__" from strings to strings),
// then the data, which the ranges cover without gaps or overlaps.
//
//===----------------------------------------------------------------------===//

#ifndef PCX_LIB_RUNTIME_SAFETENSORS_H
#define PCX_LIB_RUNTIME_SAFETENSORS_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pcx {

using Metadata = std::map<std::string, std::string, std::less<>>;

/// One tensor of a file in memory: dense, row major, at any address.
struct TensorView {
  std::string dtype; ///< "F32", "F64", "I32", "I64", "U8" or another of the
                     ///< format's
  std::vector<int64_t> shape;
  std::span<const uint8_t> data; ///< checked against dtype and shape
};

struct Safetensors {
  Metadata metadata;
  std::map<std::string, TensorView, std::less<>> tensors;
};

/// Reads a file's bytes, which must outlive the result. `name` is the file in
/// messages. Throws Error(PCX_ERROR_FORMAT).
Safetensors parseSafetensors(std::span<const uint8_t> bytes,
                             const std::string &name);

/// A tensor to write. `fill` stores its dense bytes.
struct TensorSource {
  std::string name;
  std::string dtype; ///< one of the format's
  std::vector<int64_t> shape;
  std::function<void(void *)> fill;
};

/// Writes a file, all of it or nothing (AtomicFile). Equal arguments make equal
/// bytes. Throws Error: PCX_ERROR_IO, PCX_ERROR_ARGUMENT for text that is not
/// UTF-8.
void writeSafetensors(const std::string &path, const Metadata &metadata,
                      const std::vector<TensorSource> &tensors);

/// Bytes of one element of a dtype of the format; 0 for an unknown one.
size_t safetensorsDtypeBytes(const std::string &dtype);

} // namespace pcx

#endif // PCX_LIB_RUNTIME_SAFETENSORS_H
