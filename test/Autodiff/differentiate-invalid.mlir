// RUN: pc-opt %s --test-pc-differentiate --split-input-file --verify-diagnostics

// differentiate_c3
func.func @no_rule(%x: tensor<?xf32>, %s: f64) -> tensor<?xf32> {
  // expected-error @below {{'pc.adam_update' has no vector-Jacobian product}}
  %e:3 = pc.adam_update %x, %x, %x, %x lr(%s) b1(%s) b2(%s) eps(%s) weight_decay(%s) corrections(%s, %s) : tensor<?xf32>
  return %e#0 : tensor<?xf32>
}

// -----

// Control flow has no rule, also where it captures the variable.
func.func @control_flow(%x: tensor<?xf32>, %c: i1) -> tensor<?xf32> {
  // expected-error @below {{'scf.if' has no vector-Jacobian product}}
  %e = scf.if %c -> tensor<?xf32> {
    %0 = pc.tanh %x : tensor<?xf32>
    scf.yield %0 : tensor<?xf32>
  } else {
    scf.yield %x : tensor<?xf32>
  }
  return %e : tensor<?xf32>
}

// -----

func.func @no_rule_in_region(%x: tensor<?xf32>) -> tensor<?xf32> {
  %e = pc.elementwise %x : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    // expected-error @below {{'arith.remf' has no vector-Jacobian product}}
    %r = arith.remf %a, %two : f32
    pc.yield %r : f32
  }
  return %e : tensor<?xf32>
}

// -----

// differentiate_c1
func.func @several_numbers(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // expected-error @below {{expects an energy with one float per sample, but found 'tensor<?x4xf32>'}}
  %e = pc.tanh %x : tensor<?x4xf32>
  return %e : tensor<?x4xf32>
}

// -----

func.func @two_results(%x: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>, tensor<?xf32>) {
  // expected-error @below {{expects an energy and at most a cotangent, but found 3 values}}
  return %x, %x, %x : tensor<?xf32>, tensor<?xf32>, tensor<?xf32>
}

// -----

func.func @dynamic_concat(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<f32> {
  // expected-error @below {{cannot be differentiated with a dynamic size along its axis}}
  %0 = pc.concat %x, %y axis(-1) : tensor<?xf32>, tensor<?xf32> -> tensor<?xf32>
  %e = pc.sum %0 : tensor<?xf32> -> tensor<f32>
  return %e : tensor<f32>
}

// -----

// differentiate_c2
func.func @number(%x: tensor<f64>) -> tensor<f64> {
  // expected-error @below {{expects a tensor of floats to differentiate with respect to, but found 'f64'}}
  %n = pc.batch_size {test.variable}
  %e = pc.scale %x, %n : tensor<f64>
  return %e : tensor<f64>
}

// -----

// The factor of a scale is a number of the program.
func.func @factor(%x: tensor<4xf64>) -> tensor<f64> {
  %s = pc.sum %x : tensor<4xf64> -> tensor<f64>
  %n = tensor.extract %s[] : tensor<f64>
  // expected-error @below {{cannot be differentiated with respect to its factor}}
  %y = pc.scale %s, %n : tensor<f64>
  return %y : tensor<f64>
}
