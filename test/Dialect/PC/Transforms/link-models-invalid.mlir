// RUN: pc-opt %s --pc-to-functional-pipeline --split-input-file --verify-diagnostics

pc.model @gen {
  %z = pc.state @z : tensor<2xf32>
  %u = pc.linear @rec %z : tensor<2xf32> -> tensor<2xf32>
  %x = pc.vode @x %u energy(se) : tensor<2xf32>
}
pc.model @rec {
  %x = pc.input @x : tensor<2xf32>
  // expected-note @below {{a parameter of the layer is here}}
  %w = pc.param @rec.scale : tensor<2xf32>
  %u = pc.mul %x, %w : tensor<2xf32>
  %z = pc.vode @z %u energy(se) : tensor<2xf32>
}
// expected-error @below {{'pc.program' op is on the unknown model '@rce'; did you mean 'rec'?}}
pc.program @program_c10 on @gen, @rce (%x: tensor<2xf32>) {
}
pc.program @program_c13 on @rec, @gen (%x: tensor<2xf32>) {
  pc.clamp @rec.x = %x : tensor<2xf32>
  pc.init forward vodes(@rec)
  // expected-error @below {{'pc.learn' op means the model or the layer by '@rec': give one another name}}
  pc.learn sgd(lr = 0.1) params(@rec)
}

// -----

// expected-note @below {{the model is here}}
pc.model @gen {
  %z = pc.state @z : tensor<2xf32>
  %u = pc.linear @gen1 %z : tensor<2xf32> -> tensor<2xf32>
  %x = pc.vode @x %u energy(se) : tensor<2xf32>
}
pc.model @rec {
  %x = pc.input @x : tensor<2xf32>
  %u = pc.linear @rec1 %x : tensor<2xf32> -> tensor<2xf32>
  %z = pc.vode @z %u energy(se) : tensor<2xf32>
}
// expected-note @below {{the model is here}}
pc.program @program_c5 on @gen, @rec (%x: tensor<2xf32>) {
  // expected-error @below {{'pc.clamp' op names the unknown vode '@z' of model '@gen+rec'; did you mean 'gen.z'?}}
  pc.clamp @z = %x : tensor<2xf32>
}
pc.program @program_c5_alone on @gen (%x: tensor<2xf32>) {
  // expected-error @below {{'pc.clamp' op names the unknown vode '@gen.z' of model '@gen'}}
  pc.clamp @gen.z = %x : tensor<2xf32>
}
pc.program @program_c6_space on @gen, @rec (%x: tensor<2xf32>) {
  pc.clamp @gen.x = %x : tensor<2xf32>
  pc.clamp @gen.z = %x : tensor<2xf32>
  // expected-error @below {{'pc.infer' op moves '@gen', in which every vode is clamped}}
  pc.infer sgd(lr = 0.1) vodes(@gen)
}

// -----

pc.model @gen (width = 2) {
  %z = pc.state @z : tensor<?xf32, #pc.dims<width>>
}
pc.model @rec (width = 3) {
  %z = pc.state @z : tensor<?xf32, #pc.dims<width>>
}
// expected-error @below {{'pc.program' op is on models that set 'width' to 2 and to 3, but sees one value}}
pc.program @program_c12 on @gen, @rec () {
}

// -----

// Nodes of different models that end up with one name.
pc.model @a {
  // expected-note @below {{first defined here}}
  %z = pc.state @b.z : tensor<2xf32>
}
pc.model @a.b {
  // expected-error @below {{'pc.state' op redefines '@a.b.z'}}
  %z = pc.state @z : tensor<2xf32>
}
pc.program @model_c2 on @a, @a.b () {
}
