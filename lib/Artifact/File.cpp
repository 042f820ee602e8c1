//===- File.cpp - Writing a file whole or not at all ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Artifact.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

/// Writes all bytes to an open file; the stream's error is not fatal.
static std::error_code writeBytes(int descriptor, ArrayRef<char> bytes) {
  llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/false,
                              /*unbuffered=*/true);
  stream.write(bytes.data(), bytes.size());
  stream.flush();
  std::error_code error = stream.error();
  stream.clear_error();
  return error;
}

LogicalResult
pc::artifact::writeFile(StringRef path, ArrayRef<char> bytes,
                        function_ref<InFlightDiagnostic()> emitError) {
  auto fail = [&](const std::string &reason) {
    return emitError() << "cannot write '" << path << "': " << reason;
  };
  if (path == "-") {
    if (std::error_code error = writeBytes(/*descriptor=*/1, bytes))
      return fail(error.message());
    return success();
  }

  // A symbolic link stays one; what is no regular file cannot be replaced.
  llvm::SmallString<128> target;
  if (llvm::sys::fs::real_path(path, target))
    target = path;
  llvm::sys::fs::file_status status;
  bool exists =
      !llvm::sys::fs::status(target, status) && llvm::sys::fs::exists(status);
  if (exists && status.type() == llvm::sys::fs::file_type::directory_file)
    return fail("it is a folder");
  if (exists && status.type() != llvm::sys::fs::file_type::regular_file) {
    int descriptor;
    std::error_code error = llvm::sys::fs::openFileForWrite(
        target, descriptor, llvm::sys::fs::CD_OpenExisting);
    if (!error) {
      error = writeBytes(descriptor, bytes);
      llvm::sys::fs::file_t file =
          llvm::sys::fs::convertFDToNativeFile(descriptor);
      (void)llvm::sys::fs::closeFile(file);
    }
    if (error)
      return fail(error.message());
    return success();
  }
  // A file that may not be written to must not be replaced either.
  if (exists && llvm::sys::fs::access(target, llvm::sys::fs::AccessMode::Write))
    return fail("permission denied");

  // The mode is that of the old file, or what the umask leaves of rw-rw-rw-.
  unsigned mode = exists ? static_cast<unsigned>(status.permissions()) & 0777
                         : llvm::sys::fs::all_read | llvm::sys::fs::all_write;
  llvm::Expected<llvm::sys::fs::TempFile> temporary =
      llvm::sys::fs::TempFile::create(target + ".tmp-%%%%%%%%", mode);
  if (!temporary)
    return fail(llvm::toString(temporary.takeError()));
  if (std::error_code error = writeBytes(temporary->FD, bytes)) {
    llvm::consumeError(temporary->discard());
    return fail(error.message());
  }
  if (llvm::Error error = temporary->keep(target)) {
    std::string reason = llvm::toString(std::move(error));
    llvm::consumeError(temporary->discard());
    return fail(reason);
  }
  return success();
}
