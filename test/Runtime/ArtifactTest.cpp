//===- ArtifactTest.cpp - Whole and damaged artifacts ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Artifact.h"
#include "CPU.h"
#include "Fixtures.h"

#include <cstring>
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace pcx;
using namespace pcx::test;

namespace {
constexpr size_t trailerBytes = sizeof(pcx_trailer_t);

/// Verifies bytes for a CPU with no features at all.
testing::AssertionResult refused(const Bytes &bytes, pcx_status_t expected,
                                 std::vector<std::string> words,
                                 const char *name = "toy.pcx",
                                 uint64_t features = 0) {
  words.push_back(std::string("'") + name + "'");
  try {
    verifyArtifact(bytes, name, features);
  } catch (const Error &error) {
    if (error.status() != expected)
      return testing::AssertionFailure()
             << "status " << error.status() << ": " << error.what();
    for (const std::string &word : words)
      if (std::string(error.what()).find(word) == std::string::npos)
        return testing::AssertionFailure()
               << "no '" << word << "' in: " << error.what();
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "it was accepted";
}

/// An artifact whose trailer was changed and whose hash fits again.
template <typename Change>
Bytes withTrailer(Change change) {
  Bytes bytes = toyArtifact();
  pcx_trailer_t trailer;
  std::memcpy(&trailer, bytes.data() + bytes.size() - trailerBytes,
              trailerBytes);
  change(trailer);
  std::memcpy(bytes.data() + bytes.size() - trailerBytes, &trailer,
              trailerBytes);
  sealArtifact(bytes);
  return bytes;
}

pcx_status_t load(const std::string &path) {
  pcx_module_t *module = nullptr;
  pcx_status_t status = pcx_module_load(path.c_str(), &module);
  pcx_module_destroy(module);
  return status;
}
} // namespace

TEST(Sha256Digest, GivesTheKnownAnswer) {
  // FIPS 180-4's example "abc".
  Bytes abc = bytesOf("abc");
  const Sha256 expected = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                           0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                           0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                           0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  EXPECT_EQ(sha256(abc), expected);
}

TEST(Artifact, AWholeOneIsAccepted) {
  pcx_trailer_t trailer = verifyArtifact(toyArtifact(), "toy.pcx", 0);
  EXPECT_STREQ(trailer.isa, "x86-64");
  EXPECT_STREQ(trailer.compiler, "pcc 0.1.0");
  EXPECT_EQ(trailer.payload_bytes + trailerBytes, toyArtifact().size());
}

TEST(Artifact, AFlippedBitAnywhereIsFound) {
  Bytes whole = toyArtifact();
  // Every byte of the ELF header and the trailer, every 61st between them.
  for (size_t at = 0; at < whole.size();
       at += at < 64 || at + trailerBytes + 61 >= whole.size() ? 1 : 61) {
    Bytes damaged = whole;
    damaged[at] ^= uint8_t(1 << at % 8);
    ASSERT_TRUE(refused(damaged, PCX_ERROR_FORMAT, {})) << "byte " << at;
  }
}

TEST(Artifact, ATruncatedOneIsFoundAtAnyLength) {
  Bytes whole = toyArtifact();
  for (size_t length = 1; length < whole.size();
       length += length < 300 || length + 300 > whole.size() ? 1 : 97) {
    Bytes part(whole.begin(), whole.begin() + ptrdiff_t(length));
    ASSERT_TRUE(refused(part, PCX_ERROR_FORMAT, {"truncated", "copy"}))
        << "length " << length;
  }
}

TEST(Artifact, AppendedBytesAreFound) {
  Bytes longer = toyArtifact();
  longer.push_back(0);
  EXPECT_TRUE(refused(longer, PCX_ERROR_FORMAT, {"truncated or damaged"}));
  Bytes twice = toyArtifact();
  Bytes again = toyArtifact();
  twice.insert(twice.end(), again.begin(), again.end());
  EXPECT_TRUE(refused(twice, PCX_ERROR_FORMAT, {"damaged"}));
}

TEST(Artifact, AnEmptyFileIsNamedAsSuch) {
  EXPECT_TRUE(refused({}, PCX_ERROR_FORMAT, {"empty", "pcc"}));
}

TEST(Artifact, OtherFilesAreNoArtifacts) {
  EXPECT_TRUE(refused(bytesOf("\x89PNG...."), PCX_ERROR_FORMAT,
                      {"not an artifact", "89 50 4e 47"}, "cat.png"));
  EXPECT_TRUE(refused(bytesOf("pc.model @mlp {}"), PCX_ERROR_FORMAT,
                      {"source", "pcc mlp.pcir"}, "mlp.pcir"));
  EXPECT_TRUE(refused(readFile(PCX_TEST_TOY), PCX_ERROR_FORMAT,
                      {"ELF object but not an artifact"}, "libtoy.so"));
}

TEST(Artifact, ANewerVersionAsksForANewerRuntime) {
  TrailerOptions newer;
  newer.abiVersion = PCX_ABI_VERSION + 1;
  newer.compiler = "pcc 9.7.0";
  EXPECT_TRUE(refused(toyArtifact(newer), PCX_ERROR_VERSION,
                      {"pcc 9.7.0", std::to_string(PCX_ABI_VERSION + 1),
                       pcx_version(), "update the runtime"}));
}

TEST(Artifact, AFlippedVersionIsDamageAndNotANewerCompiler) {
  Bytes bytes = toyArtifact();
  bytes[bytes.size() - trailerBytes + offsetof(pcx_trailer_t, abi_version)] ^=
      0x40;
  EXPECT_TRUE(refused(bytes, PCX_ERROR_FORMAT, {"damaged", "SHA-256"}));
}

TEST(Artifact, AMalformedTrailerIsRefusedEvenWithItsHash) {
  EXPECT_TRUE(refused(withTrailer([](auto &t) { t.abi_version = 0; }),
                      PCX_ERROR_FORMAT, {"malformed trailer"}));
  EXPECT_TRUE(refused(withTrailer([](auto &t) { t.trailer_bytes = 100; }),
                      PCX_ERROR_FORMAT, {"malformed trailer", "100"}));
  EXPECT_TRUE(refused(withTrailer([](auto &t) { t.payload_bytes += 1; }),
                      PCX_ERROR_FORMAT, {"does not match its trailer"}));
  EXPECT_TRUE(refused(
      withTrailer([](auto &t) { std::memset(t.isa, 'x', sizeof(t.isa)); }),
      PCX_ERROR_FORMAT, {"malformed trailer"}));
  EXPECT_TRUE(refused(withTrailer([](auto &t) {
                        std::memset(t.compiler, 'x', sizeof(t.compiler));
                      }),
                      PCX_ERROR_FORMAT, {"malformed trailer"}));
}

TEST(Artifact, AnObjectWithoutTheMarkIsRefusedEvenWithItsHash) {
  Bytes bytes = toyArtifact();
  bytes[PCX_IDENT_OFFSET] = 0;
  sealArtifact(bytes);
  EXPECT_TRUE(refused(bytes, PCX_ERROR_FORMAT, {"does not match"}));
}

TEST(Artifact, OneForARicherCpuSaysWhatIsMissing) {
  TrailerOptions rich;
  rich.isa = "x86-64-v4";
  rich.requiredCpu = PCX_CPU_AVX2 | PCX_CPU_FMA | PCX_CPU_AVX512;
  EXPECT_TRUE(refused(
      toyArtifact(rich), PCX_ERROR_CPU,
      {"x86-64-v4", "lacks AVX-512 (it has AVX2, FMA)", "--mcpu=native"},
      "toy.pcx", PCX_CPU_AVX2 | PCX_CPU_FMA));
  verifyArtifact(toyArtifact(rich), "toy.pcx", rich.requiredCpu);

  rich.requiredCpu |= PCX_CPU_NATIVE;
  EXPECT_TRUE(refused(toyArtifact(rich), PCX_ERROR_CPU,
                      {"--mcpu=native on this machine"}));
  // A native one is fine wherever its features are.
  verifyArtifact(toyArtifact(rich), "toy.pcx",
                 PCX_CPU_AVX2 | PCX_CPU_FMA | PCX_CPU_AVX512);
}

TEST(Artifact, AFeatureUnknownToThisRuntimeIsMissing) {
  TrailerOptions strange;
  strange.requiredCpu = uint64_t(1) << 60;
  EXPECT_TRUE(refused(toyArtifact(strange), PCX_ERROR_CPU, {"unknown"},
                      "toy.pcx", hostCpuFeatures()));
}

TEST(Artifact, OneForAnotherMachineIsRefused) {
  Bytes bytes = toyArtifact();
  uint16_t machine = EM_AARCH64;
  std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_machine), &machine, 2);
  sealArtifact(bytes);
  EXPECT_TRUE(refused(bytes, PCX_ERROR_CPU,
                      {"another kind of machine", std::to_string(machine)}));
  bytes = toyArtifact();
  bytes[EI_CLASS] = ELFCLASS32;
  sealArtifact(bytes);
  EXPECT_TRUE(refused(bytes, PCX_ERROR_CPU, {"another kind of machine"}));
}

TEST(Artifact, OneThatIsNoSharedObjectIsRefused) {
  Bytes bytes = toyArtifact();
  uint16_t type = ET_REL;
  std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_type), &type, 2);
  sealArtifact(bytes);
  EXPECT_TRUE(refused(bytes, PCX_ERROR_FORMAT, {"no shared object"}));
}

TEST(ArtifactFile, LoadsFromDisk) {
  TemporaryFolder folder;
  writeFile(folder / "toy.pcx", toyArtifact());
  EXPECT_EQ(load(folder / "toy.pcx"), PCX_OK) << pcx_last_error();
}

TEST(ArtifactFile, AMissingOneIsNamed) {
  EXPECT_TRUE(failedWith(load("/nowhere/mlp.pcx"), PCX_ERROR_IO,
                         {"/nowhere/mlp.pcx", "No such file"}));
}

TEST(ArtifactFile, AFolderIsNoArtifact) {
  TemporaryFolder folder;
  EXPECT_TRUE(failedWith(load(folder / ""), PCX_ERROR_IO, {"folder"}));
}

TEST(ArtifactFile, AnUnreadableOneIsNamed) {
  TemporaryFolder folder;
  std::string path = folder / "toy.pcx";
  writeFile(path, toyArtifact());
  chmod(path.c_str(), 0);
  chmod((folder / "").c_str(), 0755);
  pcx_status_t status;
  {
    Unprivileged user;
    status = load(path);
  }
  EXPECT_TRUE(failedWith(status, PCX_ERROR_IO, {path, "Permission denied"}));
}

TEST(ArtifactFile, ADamagedOneRunsNoCode) {
  TemporaryFolder folder;
  Bytes bytes = makeArtifact(readFile(PCX_TEST_CONSTRUCTOR));
  Bytes damaged = bytes;
  damaged[damaged.size() / 2] ^= 1;
  writeFile(folder / "damaged.pcx", damaged);
  writeFile(folder / "whole.pcx", bytes);
  unsetenv("PCX_TEST_CONSTRUCTED");
  EXPECT_TRUE(
      failedWith(load(folder / "damaged.pcx"), PCX_ERROR_FORMAT, {"SHA-256"}));
  EXPECT_EQ(getenv("PCX_TEST_CONSTRUCTED"), nullptr);
  // The same object does leave its trace when it is whole.
  EXPECT_EQ(load(folder / "whole.pcx"), PCX_OK) << pcx_last_error();
  EXPECT_NE(getenv("PCX_TEST_CONSTRUCTED"), nullptr);
}

TEST(HostCpu, FeaturesComeWithThoseTheyBuildOn) {
  uint64_t host = hostCpuFeatures();
  EXPECT_EQ(host, hostCpuFeatures());
  EXPECT_EQ(host & PCX_CPU_NATIVE, 0u);
#if defined(__x86_64__)
  EXPECT_EQ(bool(host & PCX_CPU_AVX2), bool(__builtin_cpu_supports("avx2")));
  EXPECT_EQ(bool(host & PCX_CPU_FMA), bool(__builtin_cpu_supports("fma")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512),
            __builtin_cpu_supports("avx512f") &&
                __builtin_cpu_supports("avx512cd") &&
                __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl"));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_VNNI),
            bool(__builtin_cpu_supports("avx512vnni")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_VBMI),
            bool(__builtin_cpu_supports("avx512vbmi")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_VBMI2),
            bool(__builtin_cpu_supports("avx512vbmi2")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_BF16),
            bool(__builtin_cpu_supports("avx512bf16")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_IFMA),
            bool(__builtin_cpu_supports("avx512ifma")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_BITALG),
            bool(__builtin_cpu_supports("avx512bitalg")));
  EXPECT_EQ(bool(host & PCX_CPU_AVX512_VPOPCNTDQ),
            bool(__builtin_cpu_supports("avx512vpopcntdq")));
  EXPECT_EQ(bool(host & PCX_CPU_GFNI), bool(__builtin_cpu_supports("gfni")));
#endif
}

TEST(HostCpu, FeaturesHaveNames) {
  EXPECT_EQ(describeCpuFeatures(0), "none");
  EXPECT_EQ(describeCpuFeatures(PCX_CPU_AVX2 | PCX_CPU_NATIVE), "AVX2");
  for (int bit = 0; bit <= 15; ++bit)
    EXPECT_EQ(describeCpuFeatures(uint64_t(1) << bit).find("unknown"),
              std::string::npos)
        << bit;
}
