// RUN: pc-opt %s --pc-expand-layers --pc-attach-programs=algorithm=zil --split-input-file --verify-diagnostics

// Z-IL equals backpropagation only where each error arrives once.

// algorithm_c4: a skip makes two lengths.
pc.model @skip {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @below {{zil needs paths of one length from a vode to the output: '@h1' is at distances 1 and 2}}
  %h1 = pc.vode @h1 %u energy(se) : tensor<4xf32>
  %v = pc.linear @fc2 %h1 : tensor<4xf32> -> tensor<4xf32>
  %h2 = pc.vode @h2 %v energy(se) : tensor<4xf32>
  %w = pc.add %h1, %h2 : tensor<4xf32>
  %y = pc.vode @y %w energy(se) : tensor<4xf32>
}

// -----

// algorithm_c5
pc.model @precise {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @below {{zil equals backpropagation where hidden vodes have the squared error with precision 1 as their only energy: '@h1' has another}}
  %h1 = pc.vode @h1 %u energy(se) precision(0.5) : tensor<4xf32>
  %v = pc.linear @fc2 %h1 : tensor<4xf32> -> tensor<4xf32>
  %y = pc.vode @y %v energy(se) : tensor<4xf32>
}

// -----

// algorithm_c6
// expected-error @below {{zil takes the gradient of a parameter in one step, but layers at distances 0 and 1 from the output share 'fc.weight'}}
pc.model @shared {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  %h1 = pc.vode @h1 %u energy(se) : tensor<4xf32>
  %v = pc.linear @fc %h1 : tensor<4xf32> -> tensor<4xf32>
  %y = pc.vode @y %v energy(se) : tensor<4xf32>
}

// -----

// What does not lead to the target takes no part.
pc.model @aside {
  %x = pc.input @x : tensor<4xf32>
  %u = pc.linear @fc1 %x : tensor<4xf32> -> tensor<4xf32>
  %aside = pc.vode @aside %u energy(se) precision(0.5) : tensor<4xf32>
  %v = pc.linear @fc2 %x : tensor<4xf32> -> tensor<4xf32>
  %y = pc.vode @y %v energy(ce) : tensor<4xf32>
}
