// RUN: pc-opt %s --pc-expand-layers --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: pc.model @layers
pc.model @layers {
  %x = pc.input @x : tensor<3xf32>
  // CHECK: %[[W:.*]] = pc.param @fc.weight init(fan_in(3.000000e+00)) : tensor<4x3xf32>
  // CHECK: %[[A:.*]] = pc.dense %{{.*}}, %[[W]] : tensor<3xf32>, tensor<4x3xf32> -> tensor<4xf32>
  // CHECK: %[[B:.*]] = pc.param @fc.bias init(fan_in(3.000000e+00)) : tensor<4xf32>
  // CHECK: %[[U:.*]] = pc.add %[[A]], %[[B]] : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<3xf32> -> tensor<4xf32>
  // CHECK: %[[H:.*]] = pc.state @h : tensor<4xf32>
  // CHECK: %[[E:.*]] = pc.se_energy %[[H]], %[[U]] : tensor<4xf32> -> tensor<f32>
  // CHECK: %[[P:.*]] = arith.constant 5.000000e-01 : f64
  // CHECK: %[[PE:.*]] = pc.scale %[[E]], %[[P]] : tensor<f32>
  // CHECK: pc.term @h prediction(%[[U]] : tensor<4xf32>) energy(%[[PE]] : tensor<f32>)
  %h = pc.vode @h %u energy(se) precision(0.5) : tensor<4xf32>
  // CHECK-NOT: @out.bias
  // CHECK: pc.param @out.weight init(normal(0.000000e+00, 2.000000e-02)) : tensor<2x4xf32>
  %v = pc.linear @out %h no_bias weight_init(normal(0.0, 0.02)) : tensor<4xf32> -> tensor<2xf32>
  // CHECK: pc.ce_energy
  %y = pc.vode @y %v energy(ce) : tensor<2xf32>
}

// -----

// An energy of the user's is inlined; zero has no energy, only a prediction.
pc.energy @absolute(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  %e = pc.sub %h, %u : tensor<4xf32>
  %a = pc.elementwise %e : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%v: f32):
    %m = math.absf %v : f32
    pc.yield %m : f32
  }
  %s = pc.sum %a : tensor<4xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}

// CHECK-LABEL: pc.model @custom
pc.model @custom {
  %x = pc.input @x : tensor<4xf32>
  // CHECK: %[[H:.*]] = pc.state @h
  // CHECK: %[[D:.*]] = pc.sub %[[H]], %{{.*}} : tensor<4xf32>
  // CHECK: math.absf
  // CHECK: %[[S:.*]] = pc.sum
  // CHECK: pc.term @h prediction({{.*}}) energy(%[[S]] : tensor<f32>)
  %h = pc.vode @h %x energy(@absolute) : tensor<4xf32>
  // CHECK: pc.term @g prediction(%[[H]] : tensor<4xf32>){{$}}
  %g = pc.vode @g %h energy(zero) : tensor<4xf32>
}

// -----

// A learned precision: 1/2 ((h - u) exp(-s))^2 + s with s at least -10.
// CHECK-LABEL: pc.model @learned
pc.model @learned {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s : tensor<4xf32>
  // CHECK: pc.elementwise
  // CHECK: %[[FLOOR:.*]] = arith.constant -1.000000e+01 : f32
  // CHECK: %[[S:.*]] = arith.maximumf %{{.*}}, %[[FLOOR]]
  // CHECK: %[[N:.*]] = arith.negf %[[S]]
  // CHECK: %[[X:.*]] = math.exp %[[N]]
  // CHECK: arith.addf %{{.*}}, %[[S]]
  %h = pc.vode @h %x energy(se) log_sigma(%s : tensor<4xf32>) : tensor<4xf32>
}

// -----

// One number for the whole vode: the same formula for every element.
// CHECK-LABEL: pc.model @log_sigma_of_all
pc.model @log_sigma_of_all {
  %x = pc.input @x : tensor<4xf32>
  // CHECK: %[[S:.*]] = pc.param @s : tensor<f32>
  %s = pc.param @s : tensor<f32>
  // CHECK: %[[ALL:.*]] = pc.broadcast %[[S]] : tensor<f32> -> tensor<4xf32>
  // CHECK: %[[E:.*]] = pc.sub
  // CHECK: pc.elementwise %[[E]], %[[ALL]] : (tensor<4xf32>, tensor<4xf32>)
  %h = pc.vode @h %x energy(se) log_sigma(%s : tensor<f32>) : tensor<4xf32>
  // A state of rank 0 has its own.
  // CHECK: %[[T:.*]] = pc.param @t : tensor<f32>
  %t = pc.param @t : tensor<f32>
  // CHECK-NOT: pc.broadcast
  // CHECK: pc.elementwise %{{.*}}, %[[T]] : (tensor<f32>, tensor<f32>)
  %y = pc.sum %h : tensor<4xf32> -> tensor<f32>
  %n = pc.vode @n %y energy(se) log_sigma(%t : tensor<f32>) : tensor<f32>
}

// -----

pc.energy @near(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  %s = pc.sum %h : tensor<4xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}
pc.model @unknown {
  %x = pc.input @x : tensor<4xf32>
  // vode_c5
  // expected-error @below {{names the unknown energy '@naer'; did you mean 'near'?}}
  %h = pc.vode @h %x energy(@naer) : tensor<4xf32>
}

// -----

// expected-note @below {{the energy is here}}
pc.energy @narrow(%h: tensor<3xf32>, %u: tensor<3xf32>) {
  %s = pc.sum %h : tensor<3xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}
pc.model @shape {
  %x = pc.input @x : tensor<4xf32>
  // vode_c6
  // expected-error @below {{has a state of type 'tensor<4xf32>' but its energy '@narrow' takes 'tensor<3xf32>'}}
  %h = pc.vode @h %x energy(@narrow) : tensor<4xf32>
}

// -----

pc.model @unused {
  %x = pc.input @x : tensor<4xf32>
  // param_c2
  // expected-warning @below {{parameter '@w' is not used}}
  %w = pc.param @w : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}

// -----

// param_c1, in two models of a file.
pc.model @small {
  %x = pc.input @x : tensor<4xf32>
  // expected-note @below {{as 'tensor<3x4xf32>' here}}
  %u = pc.linear @fc %x no_bias : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %u energy(se) : tensor<3xf32>
}
pc.model @large {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{parameter '@fc.weight' of type 'tensor<5x4xf32>' is that of model '@small', where it has another type or initialiser; models of a file share parameters of one name: call the layer otherwise}}
  %u = pc.linear @fc %x no_bias : tensor<4xf32> -> tensor<5xf32>
  %h = pc.vode @h %u energy(se) : tensor<5xf32>
}

// -----

pc.model @first {
  %x = pc.input @x : tensor<4xf32>
  // expected-note @below {{as 'tensor<4x4xf32>' here}}
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
}
pc.model @second {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{parameter '@fc.weight' of type 'tensor<4x4xf32>' is that of model '@first', where it has another type or initialiser}}
  %u = pc.linear @fc %x weight_init(normal(0.0, 1.0)) : tensor<4xf32> -> tensor<4xf32>
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
}
