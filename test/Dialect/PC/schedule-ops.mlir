// RUN: pc-opt %s --verify-roundtrip --split-input-file --verify-diagnostics | FileCheck %s

// Stages and groups: what they print, and one test or more per constraint of
// docs/spec.md, "The scheduled form". The name of a function is the label.

// CHECK-LABEL: func.func @samples
func.func @samples(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>, %lr: f64) -> tensor<?x4xf32> {
  // CHECK: %[[Y:.*]] = pc.stage samples ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<4x8xf32>, f64) -> tensor<?x4xf32> {
  // CHECK-NEXT: ^bb0(%[[XB:.*]]: tensor<32x8xf32>, %[[W:.*]]: tensor<4x8xf32>, %{{.*}}: f64):
  %y = pc.stage samples ins(%x, %w, %lr : tensor<?x8xf32>, tensor<4x8xf32>, f64) -> tensor<?x4xf32> {
  ^bb0(%xb: tensor<32x8xf32>, %w0: tensor<4x8xf32>, %l: f64):
    // CHECK: %[[YB:.*]] = pc.group ins(%[[XB]], %[[W]] : tensor<32x8xf32>, tensor<4x8xf32>) -> tensor<32x4xf32> {
    // CHECK-NEXT: ^bb0(%{{.*}}: tensor<32x8xf32>, %{{.*}}: tensor<4x8xf32>):
    %yb = pc.group ins(%xb, %w0 : tensor<32x8xf32>, tensor<4x8xf32>) -> tensor<32x4xf32> {
    ^bb0(%a: tensor<32x8xf32>, %b: tensor<4x8xf32>):
      %c = pc.dense %a, %b : tensor<32x8xf32>, tensor<4x8xf32> -> tensor<32x4xf32>
      %d = pc.tanh %c : tensor<32x4xf32>
      // CHECK: pc.yield %{{.*}} : tensor<32x4xf32>
      pc.yield %d : tensor<32x4xf32>
    }
    // CHECK: pc.yield %[[YB]] : tensor<32x4xf32>
    pc.yield %yb : tensor<32x4xf32>
  }
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @params
func.func @params(%x: tensor<?x8xf32>, %b: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  // CHECK: pc.stage params ins(%{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %0:2 = pc.stage params ins(%x, %b : tensor<?x8xf32>, tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  ^bb0(%xs: tensor<?x8xf32>, %b0: tensor<8xf32>):
    pc.yield %b0, %b0 : tensor<8xf32>, tensor<8xf32>
  }
  return %0#0, %0#1 : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func.func @nothing
func.func @nothing() {
  // CHECK: pc.stage params {
  pc.stage params {
    pc.yield
  }
  return
}

// -----

func.func @stage_c1(%x: tensor<?x8xf32>) {
  // expected-error @below {{'pc.stage' op has 1 inputs but 0 arguments}}
  pc.stage samples ins(%x : tensor<?x8xf32>) {
    pc.yield
  }
  return
}

// -----

func.func @stage_c1_block(%x: tensor<?x8xf32>) {
  // expected-error @below {{'pc.stage' op argument 0 has type 'tensor<32x4xf32>' but the input has 'tensor<?x8xf32>'}}
  pc.stage samples ins(%x : tensor<?x8xf32>) {
  ^bb0(%xb: tensor<32x4xf32>):
    pc.yield
  }
  return
}

// -----

func.func @stage_c1_shared(%w: tensor<4x8xf32>) {
  // expected-error @below {{'pc.stage' op argument 0 has type 'tensor<2x8xf32>' but the input has 'tensor<4x8xf32>'}}
  pc.stage samples ins(%w : tensor<4x8xf32>) {
  ^bb0(%w0: tensor<2x8xf32>):
    pc.yield
  }
  return
}

// -----

func.func @stage_c1_params(%x: tensor<?x8xf32>) {
  // expected-error @below {{'pc.stage' op argument 0 has type 'tensor<32x8xf32>' but the input has 'tensor<?x8xf32>'}}
  pc.stage params ins(%x : tensor<?x8xf32>) {
  ^bb0(%xb: tensor<32x8xf32>):
    pc.yield
  }
  return
}

// -----

func.func @stage_c2(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = pc.stage samples ins(%x : tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%xb: tensor<32x8xf32>):
    // expected-error @below {{'pc.yield' op yields 0 values, expected 1}}
    pc.yield
  }
  return %0 : tensor<?x8xf32>
}

// -----

func.func @stage_c2_type(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %0 = pc.stage samples ins(%x : tensor<?x8xf32>) -> tensor<?x4xf32> {
  ^bb0(%xb: tensor<32x8xf32>):
    // expected-error @below {{'pc.yield' op yields 'tensor<32x8xf32>' where the result is 'tensor<?x4xf32>'}}
    pc.yield %xb : tensor<32x8xf32>
  }
  return %0 : tensor<?x4xf32>
}

// -----

func.func @stage_c2_end() {
  // expected-error @below {{'pc.stage' op expects a body that ends with pc.yield}}
  pc.stage params {
    llvm.unreachable
  }
  return
}

// -----

func.func @stage_keyword() {
  // expected-error @below {{expected 'samples' or 'params', found 'batch'}}
  pc.stage batch {
    pc.yield
  }
  return
}

// -----

func.func @group_c1(%x: tensor<32x8xf32>) {
  // expected-error @below {{'pc.group' op expects its arguments to have the types of its inputs}}
  pc.group ins(%x : tensor<32x8xf32>) {
  ^bb0(%a: tensor<32x4xf32>):
    pc.yield
  }
  return
}

// -----

func.func @group_c2(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = pc.group ins(%x : tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%a: tensor<?x8xf32>):
    %b = pc.splat 0.0 : tensor<32x8xf32>
    // expected-error @below {{'pc.yield' op yields 'tensor<32x8xf32>' where the result is 'tensor<?x8xf32>'}}
    pc.yield %b : tensor<32x8xf32>
  }
  return %0 : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: func.func @narrow
// CHECK: pc.narrow %{{.*}} : tensor<4x8xf32> -> tensor<4x8xbf16, #pc.pairs<16>>
// CHECK: pc.narrow %{{.*}} transposed : tensor<4x8xf32> -> tensor<8x4xbf16>
func.func @narrow(%w: tensor<4x8xf32>) -> tensor<8x4xbf16> {
  %p = pc.narrow %w : tensor<4x8xf32> -> tensor<4x8xbf16, #pc.pairs<16>>
  %t = pc.narrow %w transposed : tensor<4x8xf32> -> tensor<8x4xbf16>
  return %t : tensor<8x4xbf16>
}

// -----

func.func @narrow_c1(%w: tensor<4x8xf64>) {
  // expected-error @below {{'pc.narrow' op expects a matrix of f32, but found 'tensor<4x8xf64>'}}
  %p = pc.narrow %w : tensor<4x8xf64> -> tensor<4x8xbf16>
  return
}

// -----

func.func @narrow_c2(%w: tensor<4x8xf32>) {
  // expected-error @below {{'pc.narrow' op expects a result of the transpose's shape, but found 'tensor<4x8xf32>' and 'tensor<4x8xbf16>'}}
  %p = pc.narrow %w transposed : tensor<4x8xf32> -> tensor<4x8xbf16>
  return
}

// -----

// expected-error @below {{#pc.pairs expects at least one column, but found 0}}
func.func @pairs_c1(%w: tensor<4x8xbf16, #pc.pairs<0>>)

// -----

// expected-error @below {{#pc.pairs expects a matrix of known size}}
func.func @pairs_c2(%w: tensor<?x8xbf16, #pc.pairs<16>>)

// -----

// CHECK-LABEL: func.func @relayout
// CHECK: pc.relayout %{{.*}} : tensor<4x8xf32> -> tensor<4x8xf32, #pc.panels<4>>
func.func @relayout(%w: tensor<4x8xf32>) -> tensor<4x8xf32, #pc.panels<4>> {
  %p = pc.relayout %w : tensor<4x8xf32> -> tensor<4x8xf32, #pc.panels<4>>
  return %p : tensor<4x8xf32, #pc.panels<4>>
}

// -----

func.func @relayout_c1(%w: tensor<8xf32>) {
  // expected-error @below {{'pc.relayout' op expects a matrix, but found 'tensor<8xf32>'}}
  %p = pc.relayout %w : tensor<8xf32> -> tensor<8xf32>
  return
}

// -----

func.func @relayout_c2(%w: tensor<4x8xf32>) {
  // expected-error @below {{'pc.relayout' op expects one shape and one element type, but found 'tensor<4x8xf32>' and 'tensor<8x4xf32>'}}
  %p = pc.relayout %w : tensor<4x8xf32> -> tensor<8x4xf32>
  return
}

// -----

// expected-error @below {{#pc.panels expects at least one column, but found 0}}
func.func @panels_c1(%w: tensor<4x8xf32, #pc.panels<0>>)

// -----

// expected-error @below {{#pc.panels expects a matrix of known size}}
func.func @panels_c2(%w: tensor<?x8xf32, #pc.panels<4>>)
