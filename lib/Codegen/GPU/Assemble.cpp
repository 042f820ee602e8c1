//===- Assemble.cpp - Machine code from PTX -------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/GPU/Serialize.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace pc;

std::string pc::findAssembler() {
  auto find = [](ArrayRef<StringRef> folders) -> std::string {
    llvm::ErrorOr<std::string> found =
        llvm::sys::findProgramByName("ptxas", folders);
    return found ? *found : "";
  };
  for (StringRef variable : {"CUDA_HOME", "CUDA_PATH"})
    if (std::optional<std::string> home = llvm::sys::Process::GetEnv(variable))
      if (std::string found = find(StringRef(*home + "/bin")); !found.empty())
        return found;
  std::string found = find({});
  return found.empty() ? find({"/usr/local/cuda/bin"}) : found;
}

LogicalResult
pc::assemble(StringRef assembler, StringRef ptx, const GPUTarget &target,
             unsigned optLevel, bool lineInfo, std::string &code,
             function_ref<InFlightDiagnostic(const Twine &)> emitError) {
  // Files in the folder for temporary ones, which go when this returns.
  constexpr StringRef suffixes[] = {"ptx", "cubin", "log"};
  SmallString<128> paths[3];
  std::vector<llvm::FileRemover> removers(3);
  for (auto [path, remover, suffix] :
       llvm::zip_equal(paths, removers, suffixes)) {
    if (std::error_code error =
            llvm::sys::fs::createTemporaryFile("pcc", suffix, path))
      return emitError("cannot make a temporary file: " + error.message() +
                       "; set TMPDIR to a folder that can be written to");
    remover.setFile(path);
  }
  {
    std::error_code error;
    llvm::raw_fd_ostream os(paths[0], error);
    os << ptx;
    os.close();
    if (error || os.has_error())
      return emitError("cannot write " + paths[0] + ": " +
                       (error ? error : os.error()).message() +
                       "; set TMPDIR to a folder with room");
  }
  std::string arch = "-arch=" + target.getName();
  std::string level = "-O" + std::to_string(optLevel);
  SmallVector<StringRef> command = {assembler, arch, level,
                                    paths[0],  "-o", paths[1]};
  if (lineInfo)
    command.push_back("-lineinfo");
  std::string message;
  int status = llvm::sys::ExecuteAndWait(
      assembler, command, std::nullopt, {StringRef(""), paths[2], paths[2]},
      /*SecondsToWait=*/0, /*MemoryLimit=*/0, &message);
  if (status != 0) {
    auto log = llvm::MemoryBuffer::getFile(paths[2]);
    StringRef said = log ? (*log)->getBuffer().trim() : StringRef(message);
    return emitError(assembler + " has no machine code for " +
                     target.getName() + ": " +
                     (said.empty() ? StringRef(message) : said) +
                     "; use a newer CUDA toolkit, name another --gpu-arch, or "
                     "leave --gpu-cubins out");
  }
  auto made = llvm::MemoryBuffer::getFile(paths[1]);
  if (!made)
    return emitError("cannot read what " + assembler +
                     " made: " + made.getError().message());
  code = (*made)->getBuffer().str();
  return success();
}
