//===- FileTest.cpp - Files appear whole or not at all --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Artifact.h"
#include "test/Support/FullDevice.h"

#include "mlir/IR/MLIRContext.h"

#include "gtest/gtest.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pc::artifact;
namespace fs = std::filesystem;

namespace {
/// A folder of its own, and the diagnostics of a call.
class FileTest : public ::testing::Test {
protected:
  FileTest() {
    std::string model = (fs::temp_directory_path() / "pc-file-XXXXXX").string();
    EXPECT_NE(mkdtemp(model.data()), nullptr);
    folder = model;
    context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diag) {
      message = diag.str();
      return mlir::success();
    });
  }
  ~FileTest() override {
    fs::permissions(folder, fs::perms::owner_all);
    fs::remove_all(folder);
  }

  bool write(const fs::path &path, llvm::StringRef text) {
    message.clear();
    return mlir::succeeded(
        writeFile(path.string(), {text.data(), text.size()}, [&] {
          return mlir::emitError(mlir::UnknownLoc::get(&context));
        }));
  }
  static std::string read(const fs::path &path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  size_t countFiles() const {
    return std::distance(fs::directory_iterator(folder), {});
  }

  mlir::MLIRContext context;
  fs::path folder;
  std::string message;
};
} // namespace

TEST_F(FileTest, WritesAndReplaces) {
  fs::path path = folder / "a.pcx";
  EXPECT_TRUE(write(path, "one"));
  EXPECT_EQ(read(path), "one");
  EXPECT_TRUE(write(path, "three"));
  EXPECT_EQ(read(path), "three");
  EXPECT_EQ(countFiles(), 1u);
}

TEST_F(FileTest, KeepsModeAndLink) {
  fs::path path = folder / "a.pcx", link = folder / "link.pcx";
  ASSERT_TRUE(write(path, "one"));
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink(path, link);
  ASSERT_TRUE(write(link, "two"));
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read(path), "two");
  EXPECT_EQ(fs::status(path).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(FileTest, NewFilesFollowTheUmask) {
  mode_t old = umask(027);
  ASSERT_TRUE(write(folder / "a.pcx", "one"));
  umask(old);
  struct stat status;
  ASSERT_EQ(stat((folder / "a.pcx").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(FileTest, RefusesFolders) {
  EXPECT_FALSE(write(folder, "x"));
  EXPECT_EQ(message, "cannot write '" + folder.string() + "': it is a folder");
  EXPECT_FALSE(write(folder / "missing" / "a.pcx", "x"));
  EXPECT_NE(message.find("No such file or directory"), std::string::npos)
      << message;
}

TEST_F(FileTest, FullDeviceIsAnError) {
  std::string full = pcx::test::makeFullDevice(folder);
  if (full.empty())
    GTEST_SKIP() << "no device that is always full";
  EXPECT_FALSE(write(full, std::string(100000, 'x')));
  EXPECT_EQ(message, "cannot write '" + full + "': No space left on device");
}

/// What a full disk does, with a limit on the size of files in its place.
TEST_F(FileTest, OldFileSurvivesAFullDisk) {
  fs::path path = folder / "a.pcx";
  ASSERT_TRUE(write(path, "old"));
  auto fillDisk = [&] {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit size = {1000, 1000};
    setrlimit(RLIMIT_FSIZE, &size);
    bool written = write(path, std::string(100000, 'x'));
    bool intact = read(path) == "old" && countFiles() == 1;
    bool told = message.find("File too large") != std::string::npos;
    _exit(!written && intact && told ? 7 : 1);
  };
  EXPECT_EXIT(fillDisk(), ::testing::ExitedWithCode(7), "");
}

TEST_F(FileTest, ReadOnlyFileSurvives) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may write to everything";
  fs::path path = folder / "a.pcx";
  ASSERT_TRUE(write(path, "old"));
  fs::permissions(path, fs::perms::owner_read);
  EXPECT_FALSE(write(path, "new"));
  EXPECT_EQ(read(path), "old");
}
