// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=pc --split-input-file --verify-diagnostics

// algorithm_c3
// expected-error @below {{has no vode with a prediction to train}}
pc.model @m {
  %z = pc.state @z : tensor<4xf32>
}

// -----

// expected-note @below {{the other one is here}}
pc.model @one {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}
// algorithm_c2
// expected-error @below {{has no program, like another model: write programs for all but one}}
pc.model @two {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
}
