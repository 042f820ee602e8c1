// RUN: pc-opt %s --pc-expand-layers --pc-attach-analysis --split-input-file --verify-diagnostics

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<3xf32>
  %h = pc.vode @h %u energy(se) : tensor<3xf32>
  %v = pc.linear @fc2 %h : tensor<3xf32> -> tensor<2xf32>
  %y = pc.vode @y %v energy(se) precision(2.0) : tensor<2xf32>
}

// A target with another energy has no backpropagation beside it.
// expected-remark @below {{no comparison with backpropagation in the analysis: the clamped vode's energy is neither se nor ce}}
pc.program @energy on @m (%x: tensor<4xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.infer sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}

// expected-remark @below {{no energies by step and no weight gradients in the analysis: a loop has a bound that is known at run time only}}
// expected-remark @below {{no comparison with backpropagation in the analysis: no vode with a prediction is clamped}}
pc.program @dynamic on @m (%x: tensor<4xf32>) {
  %b = pc.hyper "steps" default 3.0
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.repeat %b max 8 { pc.infer sgd(lr = 0.1) }
  pc.learn sgd(lr = 0.1)
}

// expected-remark @below {{no energies by step and no weight gradients in the analysis: 300 inference steps are more than 256}}
// expected-remark @below {{no comparison with backpropagation in the analysis: the clamped vode's energy is neither se nor ce}}
// expected-remark @below {{no curvature in the analysis: a mask clamps a part of a vode}}
pc.program @masked on @m (%x: tensor<4xf32>, %h: tensor<3xf32>, %y: tensor<2xf32>, %k: tensor<3xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
  pc.clamp @y = %y : tensor<2xf32>
  pc.clamp @h = %h mask(%k : tensor<3xf32>) : tensor<3xf32>
  pc.repeat 300 { pc.infer sgd(lr = 0.1) }
  pc.learn sgd(lr = 0.1)
}

// expected-remark @below {{no comparison with backpropagation in the analysis: several vodes with a prediction are clamped}}
pc.program @several on @m (%x: tensor<4xf32>, %h: tensor<3xf32>, %y: tensor<2xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.clamp @h = %h : tensor<3xf32>
  pc.clamp @y = %y : tensor<2xf32>
  pc.learn sgd(lr = 0.1)
}

// -----

pc.model @ring {
  %a = pc.state @a : tensor<4xf32>
  %b = pc.state @b : tensor<4xf32>
  %u = pc.linear @fc %a : tensor<4xf32> -> tensor<4xf32>
  %e = pc.se_energy %b, %u : tensor<4xf32> -> tensor<f32>
  pc.term @b prediction(%u : tensor<4xf32>) energy(%e : tensor<f32>)
  %v = pc.linear @back %b : tensor<4xf32> -> tensor<4xf32>
  %f = pc.se_energy %a, %v : tensor<4xf32> -> tensor<f32>
  pc.term @a prediction(%v : tensor<4xf32>) energy(%f : tensor<f32>)
  %w = pc.linear @out %b : tensor<4xf32> -> tensor<4xf32>
  %y = pc.vode @y %w energy(se) : tensor<4xf32>
}

// expected-remark @below {{no comparison with backpropagation in the analysis: not every state on the way is predicted, in an order}}
// expected-remark @below {{no error coordinates in the analysis: predictions form a cycle}}
pc.program @cycle on @ring (%y: tensor<4xf32>) {
  pc.clamp @y = %y : tensor<4xf32>
  pc.init zero
  pc.infer sgd(lr = 0.1)
  pc.learn sgd(lr = 0.1)
}

// -----

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  %y = pc.vode @y %u energy(se) : tensor<4xf32>
}

// analysis_c1
// expected-note @below {{to look at this one}}
pc.program @train on @m (%x: tensor<4xf32>, %y: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.clamp @y = %y : tensor<4xf32>
  pc.learn sgd(lr = 0.1)
}
// expected-error @below {{is named '@train.start', like a program that --analysis adds}}
pc.program @train.start on @m (%x: tensor<4xf32>) {
  pc.clamp @x = %x : tensor<4xf32>
  pc.init forward
}
