//===- Digits.cpp - The embedded 8x8 digits -------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Digits.h"

// The assembler includes the files as they are: no generated source, nothing
// to parse. PCX_DIGITS_DIR comes from CMake, which also tracks the files.
#define PCX_EMBED(symbol, file)                                                \
  __asm__(".pushsection .rodata\n"                                             \
          ".local " symbol "_begin\n"                                          \
          ".local " symbol "_end\n" symbol "_begin:\n"                         \
          ".incbin \"" PCX_DIGITS_DIR "/" file "\"\n" symbol "_end:\n"         \
          ".popsection\n")

PCX_EMBED("pcx_digits_images", "images-idx3-ubyte.gz");
PCX_EMBED("pcx_digits_labels", "labels-idx1-ubyte.gz");

extern "C" {
// Declared as hidden so that the position-independent code needs no global
// offset table entry for what lies in the same file.
#define PCX_EMBEDDED                                                           \
  extern __attribute__((visibility("hidden"))) const std::byte
PCX_EMBEDDED pcx_digits_images_begin[], pcx_digits_images_end[];
PCX_EMBEDDED pcx_digits_labels_begin[], pcx_digits_labels_end[];
}

using namespace pcx::data;

Bytes pcx::data::digitsImages() {
  return {pcx_digits_images_begin, pcx_digits_images_end};
}

Bytes pcx::data::digitsLabels() {
  return {pcx_digits_labels_begin, pcx_digits_labels_end};
}
