//===- RunSupport.h - Running pcx-run in tests ------------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_EXPERIMENT_RUNSUPPORT_H
#define PCX_TEST_EXPERIMENT_RUNSUPPORT_H

#include "TestSupport.h"
#include "pcx/Data/File.h"
#include "pcx/Data/Npy.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace pcx::test {

using testing::AllOf;
using testing::HasSubstr;

/// A file next to the tests, "pcx-test-softmax.pcx" and the like.
inline std::string artifact(const std::string &name) {
  return std::string(PCX_TEST_ARTIFACTS) + "/" + name + ".pcx";
}
inline std::string softmax() { return artifact("pcx-test-softmax"); }

inline std::string readText(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// What a run of the tool left.
struct RunResult {
  int code = -1;
  std::string out, err;
};

/// Runs pcx-run. `meanwhile` gets its process while it runs.
inline RunResult run(std::vector<std::string> arguments,
                     const std::function<void(pid_t)> &meanwhile = {}) {
  TempDir dir;
  std::string out = dir / "out", err = dir / "err";
  arguments.insert(arguments.begin(), PCX_TEST_RUN);
  std::vector<char *> argv;
  for (std::string &argument : arguments)
    argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t process = ::fork();
  if (process == 0) {
    ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), 1);
    ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), 2);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  if (meanwhile)
    meanwhile(process);
  int status = 0;
  ::waitpid(process, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          readText(out), readText(err)};
}

/// The run succeeds.
#define EXPECT_OK(result)                                                      \
  do {                                                                         \
    const RunResult &r = (result);                                             \
    EXPECT_EQ(r.code, 0) << r.err;                                             \
  } while (0)

/// The run ends with a user's mistake and this message.
#define EXPECT_MISTAKE(result, message)                                        \
  do {                                                                         \
    const RunResult &r = (result);                                             \
    EXPECT_EQ(r.code, 1);                                                      \
    EXPECT_THAT(r.err, message);                                               \
    EXPECT_THAT(r.err, HasSubstr("pcx-run: error: "));                         \
  } while (0)

/// The objects of a JSON-lines file.
inline std::vector<nlohmann::json> readLog(const std::string &path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    lines.push_back(nlohmann::json::parse(line));
  return lines;
}

} // namespace pcx::test

#endif // PCX_TEST_EXPERIMENT_RUNSUPPORT_H
