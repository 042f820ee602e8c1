// Blocks of samples fit into the second-level cache of the smallest CPU that the
// code is for, or into what is asked for. Where that is so small that blocks of
// eight rows would fetch the weights from beyond it all the time, they are large.
// RUN: pc-opt %models/mlp.pcir --pc-to-scheduled-pipeline=mcpu=x86-64-v4 | FileCheck %s --check-prefix=MIB
// RUN: pc-opt %models/mlp.pcir --pc-to-scheduled-pipeline=mcpu=sapphirerapids | FileCheck %s --check-prefix=MIB2
// RUN: pc-opt %models/mlp.pcir --pc-to-scheduled-pipeline=mcpu=x86-64-v4,haswell | FileCheck %s --check-prefix=KIB256
// RUN: pc-opt %models/mlp.pcir --pc-to-scheduled-pipeline="mcpu=haswell cache-bytes=2097152" | FileCheck %s --check-prefix=MIB2
// RUN: pcc %models/mlp.pcir --mcpu=x86-64-v4 --compile-to=scheduled -o - | FileCheck %s --check-prefix=MIB
// RUN: pcc %models/mlp.pcir --mcpu=x86-64-v4 --cache-bytes=393216 --compile-to=scheduled -o - | FileCheck %s --check-prefix=KIB384

// MIB: func.func @train({{.*}}pc.sample_block = 32 : i64
// MIB2: func.func @train({{.*}}pc.sample_block = 64 : i64
// KIB256: func.func @train({{.*}}pc.sample_block = 64 : i64
// KIB384: func.func @train({{.*}}pc.sample_block = 16 : i64
