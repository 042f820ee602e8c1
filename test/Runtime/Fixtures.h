//===- Fixtures.h - What the runtime's tests share ----------------*- C++
//-*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef PCX_TEST_RUNTIME_FIXTURES_H
#define PCX_TEST_RUNTIME_FIXTURES_H

#include "ArtifactFile.h"
#include "pcx/Support/Error.h"
#include "pcx/Support/File.h"
#include "pcx/pcx.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <unistd.h>

namespace pcx::test {

/// A folder that goes away with the test.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "pcx-test-XXXXXX").string();
    folder = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string operator/(const std::string &name) const {
    return (folder / name).string();
  }
  /// Names of the files in it.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : std::filesystem::directory_iterator(folder))
      result.push_back(entry.path().filename().string());
    return result;
  }

private:
  std::filesystem::path folder;
};

/// In a scope this process is not the superuser, who may read and write
/// everything.
class Unprivileged {
public:
  Unprivileged() : root(geteuid() == 0) {
    constexpr uid_t nobody = 65534;
    EXPECT_TRUE(!root || seteuid(nobody) == 0);
  }
  ~Unprivileged() { EXPECT_TRUE(!root || seteuid(0) == 0); }

private:
  bool root;
};

inline void writeFile(const std::string &path, const Bytes &bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(bytes.data()),
             std::streamsize(bytes.size()));
  ASSERT_TRUE(file.good()) << path;
}

inline Bytes bytesOf(const std::string &text) {
  return {text.begin(), text.end()};
}

/// The hand-made artifacts; the build names their objects.
inline Bytes toyArtifact(const TrailerOptions &options = {}) {
  return makeArtifact(readFile(PCX_TEST_TOY), options);
}
inline Bytes secondArtifact() {
  return makeArtifact(readFile(PCX_TEST_SECOND));
}

struct DestroyModule {
  void operator()(pcx_module_t *module) const { pcx_module_destroy(module); }
};
struct DestroySession {
  void operator()(pcx_session_t *session) const {
    pcx_session_destroy(session);
  }
};
struct DestroyData {
  void operator()(pcx_data_t *data) const { pcx_data_destroy(data); }
};
using Module = std::unique_ptr<pcx_module_t, DestroyModule>;
using Session = std::unique_ptr<pcx_session_t, DestroySession>;
using Data = std::unique_ptr<pcx_data_t, DestroyData>;

/// Loads an artifact that is whole.
inline Module loadModule(const Bytes &bytes, const char *name = "toy.pcx") {
  pcx_module_t *module = nullptr;
  EXPECT_EQ(pcx_module_load_bytes(bytes.data(), bytes.size(), name, &module),
            PCX_OK)
      << pcx_last_error();
  return Module(module);
}

inline Session makeSession(const Module &module, uint32_t threads,
                           const char *device = "cpu") {
  pcx_session_options_t options = {sizeof(options), threads, device};
  pcx_session_t *session = nullptr;
  EXPECT_EQ(pcx_session_create(module.get(), &options, &session), PCX_OK)
      << pcx_last_error();
  return Session(session);
}

/// A storage entry's dense elements.
template <typename T>
std::vector<T> readStorage(const Session &session, const char *name,
                           size_t count) {
  std::vector<T> values(count);
  EXPECT_EQ(
      pcx_read_storage(session.get(), name, values.data(), count * sizeof(T)),
      PCX_OK)
      << pcx_last_error();
  return values;
}

template <typename T>
void writeStorage(const Session &session, const char *name,
                  const std::vector<T> &values) {
  ASSERT_EQ(pcx_write_storage(session.get(), name, values.data(),
                              values.size() * sizeof(T)),
            PCX_OK)
      << pcx_last_error();
}

template <typename T>
pcx_array_t arrayOf(std::vector<T> &values, uint32_t dtype) {
  return {values.data(), values.size() * sizeof(T), dtype};
}

/// A test on the toy artifact with two threads.
class ToyTest : public testing::Test {
protected:
  Module module = loadModule(toyArtifact());
  Session session = makeSession(module, 2);
  uint32_t train = uint32_t(pcx_module_find_program(module.get(), "train"));
  uint32_t arguments =
      uint32_t(pcx_module_find_program(module.get(), "arguments"));
  uint32_t spoil = uint32_t(pcx_module_find_program(module.get(), "spoil"));
};

/// Whether a call failed in this way: its status, and a message in which every
/// one of these words stands.
inline testing::AssertionResult failedWith(pcx_status_t found,
                                           pcx_status_t expected,
                                           std::vector<std::string> words) {
  std::string message = pcx_last_error();
  if (found != expected)
    return testing::AssertionFailure()
           << "expected status " << expected << ", found " << found << ": "
           << message;
  for (const std::string &word : words)
    if (message.find(word) == std::string::npos)
      return testing::AssertionFailure()
             << "no '" << word << "' in: " << message;
  return testing::AssertionSuccess();
}

} // namespace pcx::test

#endif // PCX_TEST_RUNTIME_FIXTURES_H
