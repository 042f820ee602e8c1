// RUN: pc-opt %s --verify-roundtrip | FileCheck %s
// RUN: pc-opt %s --emit-bytecode | pc-opt | FileCheck %s

// Every operation of a model, with and without its optional parts.

// CHECK-LABEL: pc.model @layers (depth = 3, width = 16) {
pc.model @layers (width = 16, depth = 3) {
  // CHECK: %[[X:.*]] = pc.input @image : tensor<8xf32>
  %x = pc.input @image : tensor<8xf32>
  // CHECK: pc.probe @seen = %[[X]] : tensor<8xf32>
  pc.probe @seen = %x : tensor<8xf32>
  // CHECK: %[[N:.*]] = pc.size @width
  %n = pc.size @width
  // CHECK: %[[ROOT:.*]] = math.sqrt %[[N]] : f64
  %root = math.sqrt %n : f64
  // CHECK: pc.scale %[[X]], %[[ROOT]] : tensor<8xf32>
  %scaled = pc.scale %x, %root : tensor<8xf32>
  // CHECK: %[[W:.*]] = pc.param @w init(fan_in(8.000000e+00)) : tensor<4x8xf32>
  %w = pc.param @w init(fan_in(8)) : tensor<4x8xf32>
  // CHECK: pc.param @fc.weight : tensor<4x8xf32>
  %v = pc.param @fc.weight : tensor<4x8xf32>
  // CHECK: pc.param @zeros init(zeros) : tensor<4xf32>
  %p0 = pc.param @zeros init(zeros) : tensor<4xf32>
  // CHECK: pc.param @constant init(constant(5.000000e-01)) : tensor<4xf32>
  %p1 = pc.param @constant init(constant(0.5)) : tensor<4xf32>
  // CHECK: pc.param @uniform init(uniform(-1.000000e+00, 1.000000e+00)) : tensor<4xf32>
  %p2 = pc.param @uniform init(uniform(-1, 1.0)) : tensor<4xf32>
  // CHECK: pc.param @normal init(normal(0.000000e+00, 2.000000e-02)) : tensor<4xf32>
  %p3 = pc.param @normal init(normal(0.0, 0.02)) : tensor<4xf32>
  // CHECK: pc.param @inputs init(fan_in(4.000000e+00)) : tensor<4xf32>
  %p4 = pc.param @inputs init(fan_in(4)) : tensor<4xf32>
  // One name is one parameter.
  // CHECK: pc.param @zeros init(zeros) : tensor<4xf32>
  %p5 = pc.param @zeros init(zeros) : tensor<4xf32>

  // CHECK: %[[A:.*]] = pc.linear @fc1 %[[X]] : tensor<8xf32> -> tensor<?xf32, #pc.dims<width>>
  %a = pc.linear @fc1 %x : tensor<8xf32> -> tensor<?xf32, #pc.dims<width>>
  // CHECK: pc.linear @fc2 %[[X]] no_bias weight_init(normal(0.000000e+00, 2.000000e-02)) : tensor<8xf32> -> tensor<4xf32>
  %b = pc.linear @fc2 %x no_bias weight_init(normal(0.0, 0.02)) : tensor<8xf32> -> tensor<4xf32>
  // CHECK: pc.linear @fc3 %[[X]] weight_init(zeros) bias_init(constant(1.000000e+00)) : tensor<8xf32> -> tensor<4xf32>
  %c = pc.linear @fc3 %x weight_init(zeros) bias_init(constant(1.0)) : tensor<8xf32> -> tensor<4xf32>
  // A layer used twice shares its parameters.
  // CHECK: pc.linear @fc3 %[[X]] : tensor<8xf32> -> tensor<4xf32>
  %d = pc.linear @fc3 %x : tensor<8xf32> -> tensor<4xf32>

  // CHECK: %[[U:.*]] = pc.tanh %[[A]] : tensor<?xf32, #pc.dims<width>>
  %u = pc.tanh %a : tensor<?xf32, #pc.dims<width>>
  // CHECK: pc.vode @h1 %[[U]] energy(se) : tensor<?xf32, #pc.dims<width>>
  %h1 = pc.vode @h1 %u energy(se) : tensor<?xf32, #pc.dims<width>>
  // CHECK: pc.vode @h2 %{{.*}} energy(ce) : tensor<4xf32>
  %h2 = pc.vode @h2 %b energy(ce) : tensor<4xf32>
  // CHECK: pc.vode @h3 %{{.*}} energy(zero) : tensor<4xf32>
  %h3 = pc.vode @h3 %c energy(zero) : tensor<4xf32>
  // CHECK: pc.vode @h4 %{{.*}} energy(@mine) precision(5.000000e-01) : tensor<4xf32>
  %h4 = pc.vode @h4 %d energy(@mine) precision(0.5) : tensor<4xf32>
  // CHECK: pc.vode @h5 %{{.*}} energy(se) log_sigma(%{{.*}} : tensor<4xf32>) : tensor<4xf32>
  %h5 = pc.vode @h5 %d energy(se) log_sigma(%p0 : tensor<4xf32>) : tensor<4xf32>
  // CHECK: pc.vode @h6 %{{.*}} energy(se) log_sigma(%{{.*}} : tensor<f32>) : tensor<?xf32, #pc.dims<width>>
  %sigma = pc.param @sigma : tensor<f32>
  %h6 = pc.vode @h6 %u energy(se) log_sigma(%sigma : tensor<f32>) : tensor<?xf32, #pc.dims<width>>
  // CHECK: pc.apply @block %[[X]] : (tensor<8xf32>) -> tensor<8xf32>
  %y0 = pc.apply @block %x : (tensor<8xf32>) -> tensor<8xf32>
  // CHECK: pc.apply @block %{{.*}} as @once : (tensor<8xf32>) -> tensor<8xf32>
  %y1 = pc.apply @block %y0 as @once : (tensor<8xf32>) -> tensor<8xf32>
  // CHECK: pc.apply @block %{{.*}} as @many times(3) : (tensor<8xf32>) -> tensor<8xf32>
  %y2 = pc.apply @block %y1 as @many times(3) : (tensor<8xf32>) -> tensor<8xf32>
  // CHECK: pc.apply @block %{{.*}} as @deep times(@depth) : (tensor<8xf32>) -> tensor<8xf32>
  %y3 = pc.apply @block %y2 as @deep times(@depth) : (tensor<8xf32>) -> tensor<8xf32>
}

// A state apart from its energies; the term stands after the state's uses.

// CHECK-LABEL: pc.model @recurrent {
pc.model @recurrent {
  // CHECK: %[[H:.*]] = pc.state @h : tensor<4xf64>
  %h = pc.state @h : tensor<4xf64>
  %a = pc.linear @w %h : tensor<4xf64> -> tensor<4xf64>
  // CHECK: %[[U:.*]] = pc.tanh
  %u = pc.tanh %a : tensor<4xf64>
  // CHECK: %[[E:.*]] = pc.se_energy
  %e = pc.se_energy %h, %u : tensor<4xf64> -> tensor<f64>
  // CHECK: pc.term @h prediction(%[[U]] : tensor<4xf64>) energy(%[[E]] : tensor<f64>)
  pc.term @h prediction(%u : tensor<4xf64>) energy(%e : tensor<f64>)
  // CHECK: pc.term @h energy(%[[E]] : tensor<f64>)
  pc.term @h energy(%e : tensor<f64>)
  %g = pc.state @g : tensor<4xf64>
  // CHECK: pc.term @g prediction(%[[H]] : tensor<4xf64>)
  pc.term @g prediction(%h : tensor<4xf64>)
}

// CHECK-LABEL: pc.block @block(%{{.*}}: tensor<8xf32>) -> tensor<8xf32> {
pc.block @block(%x: tensor<8xf32>) -> tensor<8xf32> {
  %a = pc.linear @fc %x : tensor<8xf32> -> tensor<8xf32>
  %h = pc.vode @h %a energy(se) : tensor<8xf32>
  // CHECK: pc.yield %{{.*}} : tensor<8xf32>
  pc.yield %h : tensor<8xf32>
}

// CHECK-LABEL: pc.block @two(%{{.*}}: tensor<8xf32>, %{{.*}}: tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>) {
pc.block @two(%x: tensor<8xf32>, %y: tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>) {
  pc.yield %x, %y : tensor<8xf32>, tensor<4xf32>
}

// CHECK-LABEL: pc.block @none() {
pc.block @none() {
  // CHECK: pc.yield
  pc.yield
}

// CHECK-LABEL: pc.energy @mine(%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<4xf32>) {
pc.energy @mine(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  %half = arith.constant 0.5 : f64
  %e = pc.sub %h, %u : tensor<4xf32>
  %q = pc.mul %e, %e : tensor<4xf32>
  %s = pc.sum %q : tensor<4xf32> -> tensor<f32>
  // CHECK: %[[E:.*]] = pc.scale
  %v = pc.scale %s, %half : tensor<f32>
  // CHECK: pc.yield %[[E]] : tensor<f32>
  pc.yield %v : tensor<f32>
}
