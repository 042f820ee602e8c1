// REQUIRES: pc-interpret
// RUN: not pc-interpret %t.absent 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not pc-interpret %s --program nothing 2>&1 | FileCheck %s --check-prefix=PROGRAM
// RUN: not pc-interpret %s --program f 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not pc-interpret %s --program f --input x 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not pc-interpret %s --program f --input x=%t.npy 2>&1 | FileCheck %s --check-prefix=NPY
// RUN: not pc-interpret %s --program f --input x=%t.npz:x 2>&1 | FileCheck %s --check-prefix=NPZ
// RUN: not pc-interpret %s --program f --params %t.npz 2>&1 | FileCheck %s --check-prefix=NPZ
// RUN: not pc-interpret %s --program f --set lr=fast 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not pc-interpret %s --program f --set rate=1 2>&1 | FileCheck %s --check-prefix=HYPER
// RUN: not pc-interpret %s --program f --set steps=1.5 2>&1 | FileCheck %s --check-prefix=WHOLE
// RUN: not pc-interpret %s --program f --set steps=9 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: %python %S/Inputs/odd-arrays.py %t.odd.npz
// RUN: not pc-interpret %s --program f --input x=%t.odd.npz:none 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not pc-interpret %s --program f --input x=%t.odd.npz:text 2>&1 | FileCheck %s --check-prefix=TEXT
// RUN: pc-interpret %s --program g -n 3 -o %t.g.npz
// RUN: not pc-interpret %s --program f --input x=%t.g.npz:y 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not pc-interpret %s --program f --input x=%t.g.npz:z 2>&1 | FileCheck %s --check-prefix=ARRAY
// RUN: not pc-interpret %s --program g -o %t.absent/y.npz 2>&1 | FileCheck %s --check-prefix=WRITE
// RUN: echo 'pc.model @m {}' | not pc-interpret --phase=cpu 2>&1 | FileCheck %s --check-prefix=PHASE

// FILE: cannot open input file
// PROGRAM: no program 'nothing'
// MISSING: input 'x' is missing
// INPUT: error: expected --input name=value, found 'x'
// NPY: error: {{.*}}.npy
// NPZ: error: {{.*}}.npz
// NUMBER: error: expected a number for 'lr', found 'fast'
// HYPER: no hyper-parameter 'rate', there are 'lr'
// WHOLE: 'steps' must be whole, found 1.5
// RANGE: 'steps' must lie between 1{{.*}} and 8{{.*}}, found 9
// ROWS: error: input 'x' has no rows
// TEXT: error: expected an array of numbers, found text
// SHAPE: input 'x' must have shape 3x3, found 3x2
// ARRAY: error: {{.*}}'z'
// WRITE: error: {{.*}}y.npz
// PHASE: error: expected --phase=functional, simplified or scheduled, found 'cpu'
func.func @f(
    %x: tensor<?x3xf32> {pc.port = #pc.port<input "x">},
    %lr: f64 {pc.port = #pc.port<hyper "lr" {value = 1.0 : f64}>},
    %steps: f64 {pc.port = #pc.port<hyper "steps"
        {integral, max = 8.0 : f64, min = 1.0 : f64, value = 4.0 : f64}>})
    attributes {pc.program = #pc.program_info<"m", other, 0>} {
  func.return
}
func.func @g() -> (tensor<?x2xf32> {pc.port = #pc.port<output "y">})
    attributes {pc.program = #pc.program_info<"m", other, 0>} {
  %y = pc.splat 1.5 : tensor<?x2xf32>
  func.return %y : tensor<?x2xf32>
}
