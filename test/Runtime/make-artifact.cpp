//===- make-artifact.cpp - Shared object to .pcx file ---------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// make-artifact object.so file.pcx: for tests that need an artifact on disk.
//
//===----------------------------------------------------------------------===//

#include "ArtifactFile.h"
#include "pcx/Support/Error.h"
#include "pcx/Support/File.h"

#include <cstdio>

int main(int argc, char **argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make-artifact object.so file.pcx\n");
    return 2;
  }
  try {
    pcx::test::Bytes artifact = pcx::test::makeArtifact(pcx::readFile(argv[1]));
    pcx::AtomicFile file(argv[2]);
    file.write(artifact.data(), artifact.size());
    file.commit();
  } catch (const pcx::Error &error) {
    std::fprintf(stderr, "make-artifact: %s\n", error.what());
    return 1;
  }
  return 0;
}
