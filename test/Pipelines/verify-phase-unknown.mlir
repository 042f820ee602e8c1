// RUN: not pc-opt %s --pc-verify-phase=phase=finished 2>&1 | FileCheck %s

// CHECK: error: unknown phase 'finished'
