// RUN: pc-opt %s --split-input-file --verify-diagnostics

// One test per constraint of docs/spec.md, "Compute operations". The name of a
// function is the constraint's label.

func.func @activation_c1(%x: tensor<4xi32>) {
  // expected-error @below {{operand #0 must be ranked tensor of f32 or f64 values, but got 'tensor<4xi32>'}}
  %0 = "pc.tanh"(%x) : (tensor<4xi32>) -> tensor<4xi32>
  return
}

// -----

// One dimension in front of those of a sample.
func.func @tensor_c3(%x: tensor<?x1x1x1x1x1x1x1x2xf32>, %y: tensor<?x1x1x1x1x1x1x1x1x2xf32>) {
  %0 = pc.tanh %x : tensor<?x1x1x1x1x1x1x1x2xf32>
  // expected-error @below {{'pc.tanh' op expects tensors of at most 9 dimensions}}
  %1 = pc.tanh %y : tensor<?x1x1x1x1x1x1x1x1x2xf32>
  return
}

// -----

func.func @activation_c2(%x: tensor<4xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "pc.relu"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @activation_c3(%x: tensor<4xf32>) {
  // expected-error @below {{'pc.leaky_relu' op expects a finite slope, found nan}}
  %0 = pc.leaky_relu %x slope(0x7FF8000000000000) : tensor<4xf32>
  return
}

// -----

func.func @binary_c1(%x: tensor<4xf32>, %y: tensor<5xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "pc.sub"(%x, %y) : (tensor<4xf32>, tensor<5xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @scale_c1(%x: tensor<4xf32>, %s: f64) {
  // expected-error @below {{failed to verify that all of {input, output} have same type}}
  %0 = "pc.scale"(%x, %s) : (tensor<4xf32>, f64) -> tensor<5xf32>
  return
}

// -----

func.func @scale_c2(%x: tensor<4xf32>, %s: f32) {
  // expected-error @below {{operand #1 must be 64-bit float, but got 'f32'}}
  %0 = "pc.scale"(%x, %s) : (tensor<4xf32>, f32) -> tensor<4xf32>
  return
}

// -----

func.func @act_grad_c1(%x: tensor<4xf32>) {
  // expected-error @below {{unknown 'sine', expected relu, leaky_relu, gelu, gelu_exact, silu, tanh, hard_tanh, sigmoid, softplus}}
  %0 = pc.act_grad sine %x : tensor<4xf32>
  return
}

// -----

func.func @act_grad_c2(%x: tensor<4xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "pc.act_grad"(%x) {kind = #pc.activation<tanh>} : (tensor<4xf32>) -> tensor<4xf64>
  return
}

// -----

func.func @adam_update_c1(%p: tensor<4xf32>, %g: tensor<5xf32>, %s: f64) {
  // expected-error @below {{failed to verify that all of {param, gradient, m, v, newParam, newM, newV} have same type}}
  %0:3 = "pc.adam_update"(%p, %g, %p, %p, %s, %s, %s, %s, %s, %s, %s) : (tensor<4xf32>, tensor<5xf32>, tensor<4xf32>, tensor<4xf32>, f64, f64, f64, f64, f64, f64, f64) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  return
}

// -----

func.func @elementwise_c1() {
  // expected-error @below {{expects at least one operand}}
  %0 = pc.elementwise : () -> tensor<4xf32> {
  ^bb0:
    %c = arith.constant 1.0 : f32
    pc.yield %c : f32
  }
  return
}

// -----

func.func @elementwise_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expects operands and result of one type, but found 'tensor<4xf32>' and 'tensor<5xf32>'}}
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<5xf32> {
  ^bb0(%a: f32):
    pc.yield %a : f32
  }
  return
}

// -----

func.func @elementwise_c3_count(%x: tensor<4xf32>) {
  // expected-error @below {{expects one region argument per operand, but found 2 for 1 operands}}
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32, %b: f32):
    pc.yield %a : f32
  }
  return
}

// -----

func.func @elementwise_c3_type(%x: tensor<4xf32>) {
  // expected-error @below {{expects region arguments of type 'f32', but found 'f64'}}
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f64):
    %b = arith.truncf %a : f64 to f32
    pc.yield %b : f32
  }
  return
}

// -----

func.func @elementwise_c4_type(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    %b = arith.extf %a : f32 to f64
    // expected-error @below {{expects one value of type 'f32', but found 'f64'}}
    pc.yield %b : f64
  }
  return
}

// -----

func.func @elementwise_c4_none(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{expects one value of type 'f32', but found none}}
    pc.yield
  }
  return
}

// -----

func.func @elementwise_c4_many(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{expects one value of type 'f32', but found 2 values}}
    pc.yield %a, %a : f32, f32
  }
  return
}

// -----

func.func @elementwise_c5_tensor(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{'pc.batch_size' in a 'pc.elementwise' region, expected constants and elementwise operations of arith and math}}
    %n = pc.batch_size
    pc.yield %a : f32
  }
  return
}

// -----

func.func @elementwise_c5_vector(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{expects scalars in a 'pc.elementwise' region, but found 'vector<2xf32>'}}
    %c = arith.constant dense<1.0> : vector<2xf32>
    pc.yield %a : f32
  }
  return
}

// -----

func.func @elementwise_c6(%x: tensor<4xf32>) {
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{expects no fast-math flags in a 'pc.elementwise' region}}
    %b = arith.addf %a, %a fastmath<contract> : f32
    pc.yield %b : f32
  }
  return
}

// -----

func.func @elementwise_c7(%x: tensor<4xf32>, %c: f32) {
  // expected-note @below {{required by region isolation constraints}}
  %0 = pc.elementwise %x : (tensor<4xf32>) -> tensor<4xf32> {
  ^bb0(%a: f32):
    // expected-error @below {{using value defined outside the region}}
    %b = arith.addf %a, %c : f32
    pc.yield %b : f32
  }
  return
}

// -----

func.func @dense_c1(%x: tensor<2x2x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects an input of rank 1, or 2 when batched, but found shape 2x2x4}}
  %0 = pc.dense %x, %w : tensor<2x2x4xf32>, tensor<3x4xf32> -> tensor<2x2x3xf32>
  return
}

// -----

func.func @dense_c2(%x: tensor<4xf32>, %w: tensor<4xf32>) {
  // expected-error @below {{expects a weight of rank 2, [out, in], but found shape 4}}
  %0 = pc.dense %x, %w : tensor<4xf32>, tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @dense_c3(%x: tensor<4xf32>, %w: tensor<3x4xf64>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.dense %x, %w : tensor<4xf32>, tensor<3x4xf64> -> tensor<3xf32>
  return
}

// -----

func.func @dense_c4(%x: tensor<5xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects 4 input elements for a weight of shape 3x4, but found 5 in shape 5}}
  %0 = pc.dense %x, %w : tensor<5xf32>, tensor<3x4xf32> -> tensor<3xf32>
  return
}

// -----

func.func @dense_c4_transposed(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects 3 input elements for a transposed weight of shape 3x4, but found 4 in shape ?x4}}
  %0 = pc.dense %x, %w transposed : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @dense_c5(%x: tensor<4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects a result of shape 3, but found 4}}
  %0 = pc.dense %x, %w : tensor<4xf32>, tensor<3x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @dense_c5_batch(%x: tensor<32x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects a result of shape 32x3, but found 16x3}}
  %0 = pc.dense %x, %w : tensor<32x4xf32>, tensor<3x4xf32> -> tensor<16x3xf32>
  return
}

// -----

func.func @dense_c6(%x: tensor<?x4xf32>, %w: tensor<3x4xbf16>) {
  // expected-error @below {{expects 'bf16' for a weight of bf16}}
  %0 = pc.dense %x, %w : tensor<?x4xf32>, tensor<3x4xbf16> -> tensor<?x3xf32>
  return
}

// -----

func.func @dense_c6_f64(%x: tensor<?x4xf64>, %w: tensor<3x4xf64>) {
  // expected-error @below {{expects f32 sums of 'bf16' products, but found 'tensor<?x4xf64>'}}
  %0 = pc.dense %x, %w bf16(1) : tensor<?x4xf64>, tensor<3x4xf64> -> tensor<?x3xf64>
  return
}

// -----

func.func @dense_c7(%x: tensor<?x4xf32>, %w: tensor<3x4xf32>) {
  // expected-error @below {{expects an input of one or two parts of bfloat16, but found bf16(3)}}
  %0 = pc.dense %x, %w bf16(3) : tensor<?x4xf32>, tensor<3x4xf32> -> tensor<?x3xf32>
  return
}

// -----

func.func @batch_outer_c1(%x: tensor<4xf32>, %y: tensor<?x3xf32>) {
  // expected-error @below {{expects operands of rank 2, [samples, elements], but found shapes 4 and ?x3}}
  %0 = pc.batch_outer %x, %y : tensor<4xf32>, tensor<?x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @batch_outer_c2(%x: tensor<?x4xf32>, %y: tensor<?x3xf64>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.batch_outer %x, %y : tensor<?x4xf32>, tensor<?x3xf64> -> tensor<4x3xf32>
  return
}

// -----

func.func @batch_outer_c3(%x: tensor<8x4xf32>, %y: tensor<9x3xf32>) {
  // expected-error @below {{expects operands with one number of samples, but found shapes 8x4 and 9x3}}
  %0 = pc.batch_outer %x, %y : tensor<8x4xf32>, tensor<9x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @batch_outer_c4(%x: tensor<?x4xf32>, %y: tensor<?x3xf32>) {
  // expected-error @below {{expects a result of shape 4x3, but found 3x4}}
  %0 = pc.batch_outer %x, %y : tensor<?x4xf32>, tensor<?x3xf32> -> tensor<3x4xf32>
  return
}

// -----

func.func @batch_outer_c5(%x: tensor<?x4xf64>, %y: tensor<?x3xf64>) {
  // expected-error @below {{expects f32 sums of 'bf16' products, but found 'tensor<?x4xf64>'}}
  %0 = pc.batch_outer %x, %y bf16 : tensor<?x4xf64>, tensor<?x3xf64> -> tensor<4x3xf64>
  return
}

// -----

func.func @batch_sum_c1(%x: tensor<f32>) {
  // expected-error @below {{expects an operand with a batch dimension, but found a scalar}}
  %0 = pc.batch_sum %x : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @batch_sum_c2(%x: tensor<?x4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.batch_sum %x : tensor<?x4xf32> -> tensor<4xf64>
  return
}

// -----

func.func @batch_sum_c3(%x: tensor<?x4xf32>) {
  // expected-error @below {{expects a result of shape 4, but found 5}}
  %0 = pc.batch_sum %x : tensor<?x4xf32> -> tensor<5xf32>
  return
}

// -----

func.func @batch_broadcast_c1(%x: tensor<f32>) {
  // expected-error @below {{expects a result with a batch dimension, but found a scalar}}
  %0 = pc.batch_broadcast %x : tensor<f32> -> tensor<f32>
  return
}

// -----

func.func @batch_broadcast_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.batch_broadcast %x : tensor<4xf32> -> tensor<?x4xf64>
  return
}

// -----

func.func @batch_broadcast_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expects an operand of shape 5, but found 4}}
  %0 = pc.batch_broadcast %x : tensor<4xf32> -> tensor<?x5xf32>
  return
}

// -----

func.func @sum_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.sum %x : tensor<4xf32> -> tensor<f64>
  return
}

// -----

func.func @sum_c2(%x: tensor<2x4xf32>) {
  // expected-error @below {{expects the dimensions of the result in front of those of the operand, but found 4 and 2x4}}
  %0 = pc.sum %x : tensor<2x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @broadcast_c1(%x: tensor<f32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.broadcast %x : tensor<f32> -> tensor<4xf64>
  return
}

// -----

func.func @broadcast_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expects the dimensions of the operand in front of those of the result, but found 4 and scalar}}
  %0 = pc.broadcast %x : tensor<4xf32> -> tensor<f32>
  return
}

// -----

func.func @reshape_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.reshape %x : tensor<4xf32> -> tensor<2x2xf64>
  return
}

// -----

func.func @reshape_c2(%x: tensor<?x784xf32>) {
  // expected-error @below {{expects as many elements in the result as in the operand, but found ?x28x27 and ?x784}}
  %0 = pc.reshape %x : tensor<?x784xf32> -> tensor<?x28x27xf32>
  return
}

// -----

func.func @concat_c1() {
  // expected-error @below {{expects at least one operand}}
  %0 = "pc.concat"() {axis = -1 : i64} : () -> tensor<4xf32>
  return
}

// -----

func.func @concat_c2(%x: tensor<4xf32>, %y: tensor<4xf64>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.concat %x, %y axis(-1) : tensor<4xf32>, tensor<4xf64> -> tensor<8xf32>
  return
}

// -----

func.func @concat_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expects an axis from -1 to -1 for shape 4, but found 0}}
  %0 = pc.concat %x, %x axis(0) : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @concat_c4_rank(%x: tensor<4xf32>, %y: tensor<1x4xf32>) {
  // expected-error @below {{expects operands of one rank, but found shapes 4 and 1x4}}
  %0 = pc.concat %x, %y axis(-1) : tensor<4xf32>, tensor<1x4xf32> -> tensor<8xf32>
  return
}

// -----

func.func @concat_c4_shape(%x: tensor<2x4xf32>, %y: tensor<3x4xf32>) {
  // expected-error @below {{expects operands that differ along axis -1 only, but found shapes 2x4 and 3x4}}
  %0 = pc.concat %x, %y axis(-1) : tensor<2x4xf32>, tensor<3x4xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @concat_c5(%x: tensor<?x4xf32>, %y: tensor<?x6xf32>) {
  // expected-error @below {{expects a result of shape ?x10, but found ?x11}}
  %0 = pc.concat %x, %y axis(-1) : tensor<?x4xf32>, tensor<?x6xf32> -> tensor<?x11xf32>
  return
}

// -----

func.func @slice_c1(%x: tensor<10xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.slice %x axis(-1) offset(2) : tensor<10xf32> -> tensor<4xf64>
  return
}

// -----

func.func @slice_c2(%x: tensor<?x10xf32>) {
  // expected-error @below {{expects an axis from -2 to -1 for shape ?x10, but found -3}}
  %0 = pc.slice %x axis(-3) offset(2) : tensor<?x10xf32> -> tensor<?x4xf32>
  return
}

// -----

func.func @slice_c3(%x: tensor<3x10xf32>) {
  // expected-error @below {{expects result and operand that differ along axis -1 only, but found shapes 2x4 and 3x10}}
  %0 = pc.slice %x axis(-1) offset(2) : tensor<3x10xf32> -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_c4(%x: tensor<10xf32>) {
  // expected-error @below {{expects 4 elements at offset 7 within 10}}
  %0 = pc.slice %x axis(-1) offset(7) : tensor<10xf32> -> tensor<4xf32>
  return
}

// -----

func.func @slice_c4_negative(%x: tensor<10xf32>) {
  // expected-error @below {{expects 4 elements at offset -1 within 10}}
  %0 = pc.slice %x axis(-1) offset(-1) : tensor<10xf32> -> tensor<4xf32>
  return
}

// -----

func.func @pad_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.pad %x axis(-1) offset(2) : tensor<4xf32> -> tensor<10xf64>
  return
}

// -----

func.func @pad_c2(%x: tensor<4xf32>) {
  // expected-error @below {{expects an axis from -1 to -1 for shape 10, but found 1}}
  %0 = pc.pad %x axis(1) offset(2) : tensor<4xf32> -> tensor<10xf32>
  return
}

// -----

func.func @pad_c3(%x: tensor<4xf32>) {
  // expected-error @below {{expects operand and result that differ along axis -1 only, but found shapes 4 and 2x10}}
  %0 = pc.pad %x axis(-1) offset(2) : tensor<4xf32> -> tensor<2x10xf32>
  return
}

// -----

func.func @pad_c4(%x: tensor<4xf32>) {
  // expected-error @below {{expects 4 elements at offset 7 within 10}}
  %0 = pc.pad %x axis(-1) offset(7) : tensor<4xf32> -> tensor<10xf32>
  return
}

// -----

func.func @transpose_c1(%x: tensor<4xf32>) {
  // expected-error @below {{expects a matrix, but found shape 4}}
  %0 = pc.transpose %x : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @transpose_c2(%x: tensor<3x4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.transpose %x : tensor<3x4xf32> -> tensor<4x3xf64>
  return
}

// -----

func.func @transpose_c3(%x: tensor<3x4xf32>) {
  // expected-error @below {{expects a result of shape 4x3, but found 3x4}}
  %0 = pc.transpose %x : tensor<3x4xf32> -> tensor<3x4xf32>
  return
}

// -----

func.func @softmax_c1(%x: tensor<f32>) {
  // expected-error @below {{expects an axis to sum over, but found a scalar}}
  %0 = pc.softmax %x : tensor<f32>
  return
}

// -----

func.func @log_softmax_c1(%x: tensor<f32>) {
  // expected-error @below {{expects an axis to sum over, but found a scalar}}
  %0 = pc.log_softmax %x : tensor<f32>
  return
}

// -----

func.func @softmax_c2(%x: tensor<4xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "pc.softmax"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @log_softmax_c2(%x: tensor<4xf32>) {
  // expected-error @below {{requires the same type for all operands and results}}
  %0 = "pc.log_softmax"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @dims_c1(
  // expected-error @below {{#pc.dims names 2 dimensions but the shape has 1 dynamic ones}}
  %x: tensor<?xf32, #pc.dims<a, b>>) {
  return
}

// -----

func.func @se_energy_c1(%h: tensor<4xf32>, %u: tensor<5xf32>) {
  // expected-error @below {{failed to verify that all of {state, prediction} have same type}}
  %0 = "pc.se_energy"(%h, %u) : (tensor<4xf32>, tensor<5xf32>) -> tensor<f32>
  return
}

// -----

func.func @se_energy_c2(%h: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.se_energy %h, %h : tensor<4xf32> -> tensor<f64>
  return
}

// -----

func.func @se_energy_c3(%h: tensor<8x4xf32>) {
  // expected-error @below {{expects one energy per sample for a state of shape 8x4, but found shape 4}}
  %0 = pc.se_energy %h, %h : tensor<8x4xf32> -> tensor<4xf32>
  return
}

// -----

func.func @ce_energy_c1(%h: tensor<4xf32>, %u: tensor<5xf32>) {
  // expected-error @below {{failed to verify that all of {state, prediction} have same type}}
  %0 = "pc.ce_energy"(%h, %u) : (tensor<4xf32>, tensor<5xf32>) -> tensor<f32>
  return
}

// -----

func.func @ce_energy_c2(%h: tensor<4xf32>) {
  // expected-error @below {{expects one element type, but found 'f32' and 'f64'}}
  %0 = pc.ce_energy %h, %h : tensor<4xf32> -> tensor<f64>
  return
}

// -----

// Nothing is left to normalise over.
func.func @ce_energy_c3(%h: tensor<?xf32>) {
  // expected-error @below {{expects one energy per sample for a state of shape ?, but found shape ?}}
  %0 = pc.ce_energy %h, %h : tensor<?xf32> -> tensor<?xf32>
  return
}
