//===- Compiled.h - Programs that pcc compiled, run by the runtime -*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_GOLDEN_COMPILED_H
#define PCX_TEST_GOLDEN_COMPILED_H

#include "Golden.h"
#include "pcx/pcx.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pcx::test {

/// How a text is compiled.
struct Build {
  std::string type;  ///< f32 or f64
  std::string level; ///< -O0 to -O3
  std::string cpu;   ///< x86-64-v3, ...
  bool trace = true;
  int64_t batch = 128;
  std::vector<std::string> more = {}; ///< further flags
  /// Where it runs: empty for the CPU, or "sim", which it is then compiled for.
  std::string device = {};
  /// What operands of matrix products are rounded to, --precision; empty if
  /// they are not.
  std::string precision = {};

  /// "f64_O3_v4", "f64_O3_sim" or "tf32_O3_sim", the name of a test.
  std::string name() const;
};

/// A text compiled by the `pcc` of the build and loaded: all its programs.
class Compiled : public Provider {
public:
  /// Compiles and loads; null, and `error`, when that fails. `error` is empty
  /// when this machine cannot run the code.
  static std::unique_ptr<Compiled>
  create(const std::string &source, const Build &build, std::string &error);
  ~Compiled() override;

  void reset() override { initialise(0); }
  /// Runs the initialisers with a seed.
  void initialise(uint64_t seed);
  void setStorage(const std::string &name, const Numbers &value) override;
  Numbers getStorage(const std::string &name) override;
  void setTotalSteps(double steps) override;
  Arrays train(int64_t samples, const Arrays &inputs) override {
    return run("train", samples, inputs);
  }
  /// Runs a program; its outputs. A failure is a test failure.
  Arrays run(const std::string &program, int64_t samples, const Arrays &inputs);

private:
  Compiled() = default;
  pcx_module_t *module = nullptr;
  pcx_session_t *session = nullptr;
};

} // namespace pcx::test

#endif // PCX_TEST_GOLDEN_COMPILED_H
