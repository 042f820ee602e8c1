// RUN: pc-opt %s --pc-bind-constants --split-input-file --verify-diagnostics

pc.model @m (width = 8) {
  // dims_c2
  // expected-error @below {{uses the unknown model parameter 'widht'; did you mean 'width'?}}
  %x = pc.input @x : tensor<?xf32, #pc.dims<widht>>
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
