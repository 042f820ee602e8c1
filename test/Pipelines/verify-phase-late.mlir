// RUN: pc-opt %s --verify-diagnostics --pc-verify-phase=phase=llvm --split-input-file

// expected-error @below {{is left after the llvm phase: expected the LLVM dialect only}}
func.func private @f()

// -----

llvm.func @g()
