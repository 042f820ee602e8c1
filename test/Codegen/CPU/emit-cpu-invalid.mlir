// RUN: pc-opt %s --pc-emit-cpu=cpus=x86-64-v3 --split-input-file --verify-diagnostics
// RUN: not pc-opt %models/digits.pcir --pc-to-cpu-pipeline=mcpu=x86-64-v2 2>&1 | FileCheck %s --check-prefix=OLD
// RUN: not pc-opt %models/digits.pcir --pc-to-cpu-pipeline=mcpu=x86-64-v33 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not pc-opt %models/digits.pcir --pc-to-cpu-pipeline=mcpu=mc68040 2>&1 | FileCheck %s --check-prefix=FAR
// RUN: not pc-opt %models/digits.pcir --pc-to-cpu-pipeline=mcpu=x86-64-v3,znver4,x86-64-v3 2>&1 | FileCheck %s --check-prefix=TWICE

// OLD: cannot generate code: CPU 'x86-64-v2' is older than 'x86-64-v3', the least that code is generated for: it lacks avx, avx2
// UNKNOWN: cannot generate code: unknown CPU 'x86-64-v33', did you mean 'x86-64-v3'?
// TWICE: cannot generate code: CPU 'x86-64-v3' is named twice
// FAR: cannot generate code: unknown CPU 'mc68040', expected 'native', 'x86-64-v3', 'x86-64-v4' or a CPU that LLVM knows

// One array has one type in all programs: with one layout alone it is one array.
func.func @first(%w: tensor<4x6xf32> {pc.port = #pc.port<parameter "w">}) attributes {
    pc.program = #pc.program_info<"toy", other, 0>, pc.max_batch = 8 : i64,
    pc.sample_block = 8 : i64, pc.workspace_bytes = 0 : i64, pc.worker_bytes = 0 : i64} {
  return
}
// expected-error @below {{array 'w' has type 'tensor<6x4xf32>' here and 'tensor<4x6xf32>' in another program}}
func.func @second(%w: tensor<6x4xf32> {pc.port = #pc.port<parameter "w">}) attributes {
    pc.program = #pc.program_info<"toy", other, 0>, pc.max_batch = 8 : i64,
    pc.sample_block = 8 : i64, pc.workspace_bytes = 0 : i64, pc.worker_bytes = 0 : i64} {
  return
}
