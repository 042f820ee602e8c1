// RUN: pc-opt %s --pc-inline-blocks --split-input-file --verify-diagnostics | FileCheck %s

pc.block @dense(%x: tensor<4xf32>) -> tensor<4xf32> {
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
  pc.yield %h : tensor<4xf32>
}
pc.block @pair(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pc.apply @dense %x as @first : (tensor<4xf32>) -> tensor<4xf32>
  %b = pc.apply @dense %a as @second : (tensor<4xf32>) -> tensor<4xf32>
  pc.yield %b : tensor<4xf32>
}

// CHECK-NOT: pc.block
// CHECK-LABEL: pc.model @m
pc.model @m {
  // CHECK: %[[X:.*]] = pc.input @x
  %x = pc.input @x : tensor<4xf32>
  // CHECK: pc.linear @once.fc %[[X]]
  // CHECK: %[[H:.*]] = pc.vode @once.h
  %a = pc.apply @dense %x as @once : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: pc.linear @stack.0.fc %[[H]]
  // CHECK: %[[S:.*]] = pc.vode @stack.0.h
  // CHECK: pc.linear @stack.1.fc %[[S]]
  // CHECK: pc.vode @stack.1.h
  %b = pc.apply @dense %a as @stack times(2) : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: pc.linear @outer.first.fc
  // CHECK: pc.vode @outer.first.h
  // CHECK: pc.linear @outer.second.fc
  // CHECK: pc.vode @outer.second.h
  %c = pc.apply @pair %b as @outer : (tensor<4xf32>) -> tensor<4xf32>
}

// -----

pc.block @dense(%x: tensor<4xf32>) -> tensor<4xf32> {
  pc.yield %x : tensor<4xf32>
}
pc.model @unknown {
  %x = pc.input @x : tensor<4xf32>
  // apply_c1
  // expected-error @below {{applies the unknown block '@dens'; did you mean 'dense'?}}
  %a = pc.apply @dens %x as @a : (tensor<4xf32>) -> tensor<4xf32>
}

// -----

// expected-note @below {{the block is here}}
pc.block @dense(%x: tensor<4xf32>) -> tensor<4xf32> {
  pc.yield %x : tensor<4xf32>
}
pc.model @types {
  %x = pc.input @x : tensor<5xf32>
  // apply_c2
  // expected-error @below {{maps ('tensor<5xf32>') to ('tensor<5xf32>') but block '@dense' has type '(tensor<4xf32>) -> tensor<4xf32>'}}
  %a = pc.apply @dense %x as @a : (tensor<5xf32>) -> tensor<5xf32>
}

// -----

pc.block @grow(%x: tensor<4xf32>) -> tensor<5xf32> {
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<5xf32>
  pc.yield %u : tensor<5xf32>
}
pc.model @stack {
  %x = pc.input @x : tensor<4xf32>
  // apply_c5
  // expected-error @below {{can be stacked only if results and arguments have the same types, found '(tensor<4xf32>) -> tensor<5xf32>'}}
  %a = pc.apply @grow %x as @a times(2) : (tensor<4xf32>) -> tensor<5xf32>
}

// -----

pc.block @same(%x: tensor<4xf32>) -> tensor<4xf32> {
  pc.yield %x : tensor<4xf32>
}
pc.model @none {
  %x = pc.input @x : tensor<4xf32>
  // apply_c4
  // expected-error @below {{is stacked 0 times, expected at least once}}
  %a = pc.apply @same %x as @a times(0) : (tensor<4xf32>) -> tensor<4xf32>
  // apply_c3
  // expected-error @below {{is stacked @depth times, which is no parameter of the model}}
  %b = pc.apply @same %x as @b times(@depth) : (tensor<4xf32>) -> tensor<4xf32>
}

// -----

// The copies that a model becomes are counted before they are made.
pc.block @layer(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  pc.yield %a : tensor<4xf32>
}
pc.block @many(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pc.apply @layer %x as @l times(4000000000) : (tensor<4xf32>) -> tensor<4xf32>
  %b = pc.apply @layer %a as @k times(4000000000) : (tensor<4xf32>) -> tensor<4xf32>
  pc.yield %b : tensor<4xf32>
}
pc.model @large {
  %x = pc.input @x : tensor<4xf32>
  %a = pc.apply @layer %x as @a times(1000) : (tensor<4xf32>) -> tensor<4xf32>
  // apply_c6
  // expected-error @below {{makes the model larger than 65536 operations; stack fewer blocks, here or in '@many'}}
  %b = pc.apply @many %a as @b times(4000000000) : (tensor<4xf32>) -> tensor<4xf32>
}

// -----

// block_c3
// expected-error @below {{applies itself}}
pc.block @loop(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = pc.apply @loop %x as @a : (tensor<4xf32>) -> tensor<4xf32>
  pc.yield %a : tensor<4xf32>
}
