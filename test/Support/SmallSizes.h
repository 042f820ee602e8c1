//===- SmallSizes.h - Models small enough to interpret --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PC_TEST_SUPPORT_SMALLSIZES_H
#define PC_TEST_SUPPORT_SMALLSIZES_H

#include <filesystem>
#include <string>
#include <vector>

namespace pc::test {

/// Constants for the models whose own are too much for an interpreter. No size
/// is a multiple of anything.
inline std::vector<std::string> smallSizes(const std::string &path) {
  if (!path.starts_with(PC_MODELS_DIR))
    return {};
  std::string name = std::filesystem::path(path).stem().string();
  if (name == "memory")
    return {"in=19", "width=7", "latent=5", "steps=4"};
  if (name == "mupc")
    return {"in=19", "width=7", "blocks=3", "steps=5"};
  // Its rate is near the edge of stability on random images.
  if (name == "autoencoder_gelu")
    return {"steps=4"};
  if (name.starts_with("mcpc_iris"))
    return {"steps=5", "sample_steps=6"};
  if (name.starts_with("mcpc"))
    return {"in=19", "width=7", "steps=5", "sample_steps=6"};
  return {};
}

} // namespace pc::test

#endif // PC_TEST_SUPPORT_SMALLSIZES_H
