//===- Artifact.cpp - The bytes of a .pcx file ----------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The order of the checks makes the message fit the cause: first whether the
// file looks like an artifact at all, then whether it is whole, then its hash,
// and only what the hash vouches for (version, CPU) after that. So a flipped
// bit in the version field reads as damage, never as "newer compiler".
//
//===----------------------------------------------------------------------===//

#include "Artifact.h"
#include "CPU.h"
#include "Error.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <elf.h>
#include <memory>
#include <openssl/evp.h>

using namespace pcx;

static_assert(offsetof(pcx_trailer_t, sha256) + sizeof(Sha256) ==
                  PCX_TRAILER_BYTES,
              "the hash covers everything before it");

Sha256 pcx::sha256(std::span<const uint8_t> bytes) {
  Sha256 digest;
  unsigned length = 0;
  if (!EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length,
                  EVP_sha256(), nullptr) ||
      length != digest.size())
    fail(PCX_ERROR_MEMORY, "libcrypto offers no SHA-256");
  return digest;
}

namespace {

constexpr char cureCopy[] = "copy the file again or compile the model again";

bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() &&
         text.substr(text.size() - end.size()) == end;
}

/// Whether the file begins as every artifact does, as far as it goes.
void checkBeginning(std::span<const uint8_t> bytes, const std::string &name) {
  if (bytes.empty())
    fail(PCX_ERROR_FORMAT, "'{}' is empty, expected an artifact written by pcc",
         name);
  constexpr size_t elfMagicBytes = SELFMAG;
  if (std::memcmp(bytes.data(), ELFMAG,
                  std::min(bytes.size(), elfMagicBytes)) != 0) {
    if (endsWith(name, ".pcir"))
      fail(PCX_ERROR_FORMAT,
           "'{}' is a model's source, expected an artifact; compile it with "
           "'pcc {} -o model.pcx'",
           name, name);
    fail(PCX_ERROR_FORMAT,
         "'{}' is not an artifact: expected an ELF object, which begins with "
         "7f 45 4c 46, found {:02x}",
         name,
         fmt::join(bytes.first(std::min(bytes.size(), elfMagicBytes)), " "));
  }
  if (bytes.size() < sizeof(Elf64_Ehdr) + PCX_TRAILER_BYTES)
    fail(PCX_ERROR_FORMAT,
         "'{}' is truncated: expected at least {} bytes, found {}; {}", name,
         sizeof(Elf64_Ehdr) + PCX_TRAILER_BYTES, bytes.size(), cureCopy);
}

bool hasMark(std::span<const uint8_t> bytes) {
  return std::memcmp(bytes.data() + PCX_IDENT_OFFSET, "PCX", 4) == 0;
}

/// Whether a fixed-size text field is terminated.
template <size_t size>
bool terminated(const char (&text)[size]) {
  return std::memchr(text, 0, size) != nullptr;
}

} // namespace

pcx_trailer_t pcx::verifyArtifact(std::span<const uint8_t> bytes,
                                  const std::string &name,
                                  uint64_t hostFeatures) {
  checkBeginning(bytes, name);

  pcx_trailer_t trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - sizeof(trailer),
              sizeof(trailer));
  bool whole =
      std::memcmp(trailer.magic, PCX_TRAILER_MAGIC, sizeof(trailer.magic)) == 0;
  if (!whole && !hasMark(bytes))
    fail(PCX_ERROR_FORMAT,
         "'{}' is an ELF object but not an artifact: expected the mark 'PCX' "
         "at byte {}; only pcc writes artifacts",
         name, PCX_IDENT_OFFSET);
  if (!whole)
    fail(PCX_ERROR_FORMAT,
         "'{}' is truncated or damaged: expected the trailer '{}' {} bytes "
         "before the end, at byte {}; {}",
         name, PCX_TRAILER_MAGIC, sizeof(trailer),
         bytes.size() - sizeof(trailer), cureCopy);

  Sha256 found = sha256(bytes.first(bytes.size() - sizeof(trailer.sha256)));
  if (std::memcmp(found.data(), trailer.sha256, found.size()) != 0)
    fail(PCX_ERROR_FORMAT,
         "'{}' is damaged: expected SHA-256 {:02x}, found {:02x}; {}", name,
         fmt::join(trailer.sha256, ""), fmt::join(found, ""), cureCopy);

  // From here on the fields are what the compiler wrote.
  if (trailer.abi_version > PCX_ABI_VERSION) {
    std::string compiler =
        terminated(trailer.compiler) ? trailer.compiler : "a newer compiler";
    fail(PCX_ERROR_VERSION,
         "'{}' needs a newer runtime: it was written by {} for ABI version {}, "
         "this is pcx {} with ABI version {}; update the runtime or compile "
         "the model with its pcc",
         name, compiler, trailer.abi_version, pcx_version(), PCX_ABI_VERSION);
  }
  if (trailer.abi_version == 0 || trailer.trailer_bytes != sizeof(trailer) ||
      !terminated(trailer.isa) || !terminated(trailer.compiler))
    fail(PCX_ERROR_FORMAT,
         "'{}' has a malformed trailer: expected ABI version 1 to {} and {} "
         "bytes, found version {} and {} bytes; compile the model again",
         name, PCX_ABI_VERSION, sizeof(trailer), trailer.abi_version,
         trailer.trailer_bytes);
  if (trailer.payload_bytes != bytes.size() - sizeof(trailer) ||
      !hasMark(bytes))
    fail(PCX_ERROR_FORMAT,
         "'{}' does not match its trailer: expected a marked object of {} "
         "bytes, found one of {} bytes; {}",
         name, trailer.payload_bytes, bytes.size() - sizeof(trailer), cureCopy);

  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != hostElfMachine())
    fail(PCX_ERROR_CPU,
         "'{}' is for another kind of machine ({}): expected ELF machine {}, "
         "found {}; compile the model for this one",
         name, trailer.isa, hostElfMachine(), header.e_machine);
  if (header.e_type != ET_DYN)
    fail(PCX_ERROR_FORMAT,
         "'{}' holds no shared object: expected ELF type {}, found {}; compile "
         "the model again",
         name, ET_DYN, header.e_type);
  if (uint64_t missing =
          missingCpuFeatures(trailer.required_cpu, hostFeatures)) {
    bool native = trailer.required_cpu & PCX_CPU_NATIVE;
    fail(PCX_ERROR_CPU,
         "'{}' was compiled for {}: this CPU lacks {} (it has {}); compile the "
         "model again with {}",
         name, trailer.isa, describeCpuFeatures(missing),
         describeCpuFeatures(hostFeatures),
         native ? "--mcpu=native on this machine, or for several with "
                  "--mcpu=x86-64-v3"
                : "--mcpu=native or a lower level, e.g. --mcpu=x86-64-v3");
  }
  return trailer;
}
