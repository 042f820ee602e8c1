//===- Link.cpp - From an object to a .pcx file, in process ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Artifact.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace pc::artifact;

//===----------------------------------------------------------------------===//
// lld
//===----------------------------------------------------------------------===//

/// lld works on files: they live in a private folder.
static std::error_code createTemporaryFolder(SmallVectorImpl<char> &path) {
  std::error_code error = llvm::sys::fs::createUniqueDirectory("pcc", path);
  if (!error)
    return error;
  // No usable /tmp: the working directory may do.
  path.clear();
  SmallString<32> model("pcc-%%%%%%%%");
  for (int attempt = 0; attempt < 16; ++attempt) {
    llvm::sys::fs::createUniquePath(model, path, /*MakeAbsolute=*/false);
    std::error_code here = llvm::sys::fs::create_directory(
        path, /*IgnoreExisting=*/false, llvm::sys::fs::owner_all);
    if (!here)
      return here;
    path.clear();
  }
  return error;
}

FailureOr<SmallVector<char, 0>>
pc::artifact::linkObjects(ArrayRef<SmallVector<char, 0>> objects,
                          function_ref<InFlightDiagnostic()> emitError) {
  // lld has one set of globals, and says after each run whether they are fit
  // for another one.
  static std::mutex mutex;
  static bool usable = true;
  std::lock_guard<std::mutex> lock(mutex);
  if (!usable)
    return emitError() << "cannot link: an earlier run of lld in this process "
                          "has failed";

  SmallString<128> folder;
  if (std::error_code error = createTemporaryFolder(folder))
    return emitError() << "cannot create a temporary folder: "
                       << error.message();
  SmallVector<std::string> files;
  auto addFile = [&](const Twine &name) {
    SmallString<128> path = folder;
    llvm::sys::path::append(path, name);
    llvm::sys::RemoveFileOnSignal(path);
    return files.emplace_back(path.str());
  };
  llvm::scope_exit cleanUp([&] {
    llvm::sys::fs::remove_directories(folder);
    for (const std::string &file : files)
      llvm::sys::DontRemoveFileOnSignal(file);
  });
  std::string output = addFile("module.so");
  for (auto [index, object] : llvm::enumerate(objects))
    if (failed(writeFile(addFile("module" + Twine(index) + ".o"), object,
                         emitError)))
      return failure();
  SmallVector<const char *> arguments = {"ld.lld",
                                         "-m",
                                         "elf_x86_64",
                                         "-shared",
                                         "-nostdlib",
                                         "--no-undefined",
                                         "--gc-sections",
                                         "--hash-style=gnu",
                                         "--build-id=none",
                                         "--threads=1",
                                         "-z",
                                         "relro",
                                         "-z",
                                         "now",
                                         "-z",
                                         "noexecstack",
                                         "-z",
                                         "text",
                                         "-o"};
  // files[0] is the output, behind "-o".
  for (const std::string &file : files)
    arguments.push_back(file.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result =
      lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
  usable = result.canRunAgain;
  if (result.retCode != 0) {
    InFlightDiagnostic diag = emitError();
    diag << "cannot link the artifact";
    // lld's messages name the temporary object; what matters is the rest.
    SmallVector<StringRef> lines;
    StringRef(messages).split(lines, '\n', /*MaxSplit=*/-1,
                              /*KeepEmpty=*/false);
    for (StringRef line : lines) {
      line.consume_front("ld.lld: ");
      line.consume_front("error: ");
      if (line.contains(folder))
        continue;
      diag.attachNote() << line;
    }
    return diag;
  }

  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> linked =
      llvm::MemoryBuffer::getFile(output, /*IsText=*/false,
                                  /*RequiresNullTerminator=*/false);
  if (!linked)
    return emitError() << "cannot read the linked object: "
                       << linked.getError().message();
  StringRef bytes = (*linked)->getBuffer();
  return SmallVector<char, 0>(bytes.begin(), bytes.end());
}

//===----------------------------------------------------------------------===//
// Trailer
//===----------------------------------------------------------------------===//

static_assert(sizeof(pcx_trailer_t) == PCX_TRAILER_BYTES &&
                  offsetof(pcx_trailer_t, sha256) + 32 == PCX_TRAILER_BYTES,
              "the hash is the last field");

/// Copies as much of the text as fits with its terminator.
template <size_t N>
static void setText(char (&field)[N], StringRef text) {
  text = text.take_front(N - 1);
  std::memcpy(field, text.data(), text.size());
}

void pc::artifact::addTrailer(SmallVectorImpl<char> &object,
                              const Description &description) {
  std::memcpy(object.data() + PCX_IDENT_OFFSET, "PCX", 4);

  namespace endian = llvm::support::endian;
  pcx_trailer_t trailer = {};
  std::memcpy(trailer.magic, PCX_TRAILER_MAGIC, sizeof(trailer.magic));
  endian::write32le(&trailer.trailer_bytes, PCX_TRAILER_BYTES);
  endian::write32le(&trailer.abi_version, PCX_ABI_VERSION);
  endian::write64le(&trailer.payload_bytes, object.size());
  const Variant *lowest = description.getLowestVariant();
  setText(trailer.isa, lowest ? StringRef(lowest->cpu) : "x86-64");
  setText(trailer.compiler, description.compiler);
  endian::write64le(&trailer.required_cpu, description.getRequiredFeatures());

  auto *bytes = reinterpret_cast<const char *>(&trailer);
  object.append(bytes, bytes + offsetof(pcx_trailer_t, sha256));
  std::array<uint8_t, 32> hash = llvm::SHA256::hash(ArrayRef(
      reinterpret_cast<const uint8_t *>(object.data()), object.size()));
  object.append(hash.begin(), hash.end());
}
