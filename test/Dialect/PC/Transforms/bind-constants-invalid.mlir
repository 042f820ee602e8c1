// RUN: pc-opt %s --pc-bind-constants --split-input-file --verify-diagnostics

pc.model @m (width = 8) {
  // dims_c2
  // expected-error @below {{uses the unknown model parameter 'widht'; did you mean 'width'?}}
  %x = pc.input @x : tensor<?xf32, #pc.dims<widht>>
}

// -----

pc.model @steps (steps = -1) {
  %x = pc.input @x : tensor<4xf32>
}
pc.program @repeat_c6 on @steps () {
  // expected-error @below {{needs the count 'steps' to be at least 0, found -1}}
  pc.repeat @steps {
  }
}
pc.program @dims_c2 on @steps () {
  // expected-error @below {{uses the unknown model parameter 'stepps'; did you mean 'steps'?}}
  pc.repeat @stepps {
  }
}

// -----

pc.model @size (width = 8) {
  // dims_c2
  // expected-error @below {{uses the unknown model parameter 'withd'; did you mean 'width'?}}
  %n = pc.size @withd
}

// -----

pc.block @b(%x: tensor<4xf32>) -> tensor<4xf32> {
  pc.yield %x : tensor<4xf32>
}
pc.model @one (width = 8) {
  %x = pc.input @x : tensor<?xf32, #pc.dims<width>>
}
// model_c4
// expected-error @below {{sets 'width' to 9 and another model to 8, but the blocks of a file see one value}}
pc.model @two (width = 9) {
  %x = pc.input @x : tensor<?xf32, #pc.dims<width>>
}

// -----

// dims_c1
// expected-error @below {{#pc.dims names 2 dimensions but the shape has 1 dynamic ones}}
func.func @encoding(%x: tensor<?xf32, #pc.dims<a, b>>) {
  return
}

// -----

// dims_c4
pc.model @m (width = 8) {
  // expected-error @below {{has a dimension '?' without a name: expected a size, or #pc.dims<name> as the tensor's encoding}}
  %x = pc.input @x : tensor<?xf32>
}
