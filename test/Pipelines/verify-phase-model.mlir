// RUN: pc-opt %s --split-input-file --verify-diagnostics --pc-verify-phase=phase=model

pc.model @m {
  // expected-error @below {{is left after the model phase: every shape should be static}}
  %x = pc.input @x : tensor<?xf32, #pc.dims<width>>
}

// -----

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{is left after the model phase: it should be explicit parameters, states, terms and numbers}}
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}
