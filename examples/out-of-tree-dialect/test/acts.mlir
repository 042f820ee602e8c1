// RUN: pc-opt %s %plugin --verify-roundtrip --verify-diagnostics --split-input-file
// RUN: not pc-opt %s --split-input-file 2>&1 | FileCheck %s --check-prefix=WITHOUT

// WITHOUT: 'acts.softsign'

pc.model @m {
  %x = pc.input @x : tensor<4xf32>
  %u = acts.softsign %x : tensor<4xf32>
  %h = pc.vode @h %u energy(se) : tensor<4xf32>
}

// -----

pc.model @wrong {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{requires the same type for all operands and results}}
  %u = "acts.softsign"(%x) : (tensor<4xf32>) -> tensor<5xf32>
}
