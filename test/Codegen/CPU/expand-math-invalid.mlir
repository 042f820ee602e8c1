// RUN: pc-opt %s --split-input-file --verify-diagnostics --pc-expand-math

func.func @unsupported_function(%x: vector<8xf32>) -> vector<8xf32> {
  // expected-error @below {{'math.atan' op has no expansion for type 'vector<8xf32>'}}
  %y = math.atan %x : vector<8xf32>
  return %y : vector<8xf32>
}

// -----

func.func @unsupported_type(%x: f16) -> f16 {
  // expected-error @below {{'math.exp' op has no expansion for type 'f16'}}
  %y = math.exp %x : f16
  return %y : f16
}

// -----

func.func @scalable(%x: vector<[4]xf32>) -> vector<[4]xf32> {
  // expected-error @below {{'math.tanh' op has no expansion for type 'vector<[4]xf32>'}}
  %y = math.tanh %x : vector<[4]xf32>
  return %y : vector<[4]xf32>
}

// -----

func.func @remainder(%x: f32, %y: f16) -> (f16, f32) {
  // expected-error @below {{'arith.remf' op has no expansion for type 'f16'}}
  %0 = arith.remf %y, %y : f16
  %c3 = arith.constant 3 : i32
  // expected-error @below {{'math.fpowi' op has no expansion for type 'f32'}}
  %1 = math.fpowi %x, %c3 : f32, i32
  return %0, %1 : f16, f32
}
