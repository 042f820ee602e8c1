// RUN: pc-opt %s --test-pc-elements --canonicalize | FileCheck %s

// Activations and their derivatives, evaluated by constant folding of the
// arithmetic that they become. The numbers are from mpmath with 50 digits: 13 of
// them in f64, 6 in f32, and fewer where f32 has not more to give. At the ends of
// f32's range nothing may become infinite or NaN.

// CHECK-LABEL: func.func @relu_at_minus_2_5()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @relu_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @relu_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_at_minus_0_4()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @relu_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @relu_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_at_0_7()
// CHECK-NEXT: arith.constant 0.6999999999999{{[0-9]*}} : f64
func.func @relu_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_grad_at_0_7()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @relu_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_at_3_0()
// CHECK-NEXT: arith.constant 3.000000e+00 : f64
func.func @relu_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_grad_at_3_0()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @relu_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad relu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_at_minus_2_5()
// CHECK-NEXT: arith.constant -5.000000e-01 : f64
func.func @leaky_relu_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant 2.000000e-01 : f64
func.func @leaky_relu_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_at_minus_0_4()
// CHECK-NEXT: arith.constant -0.08000000000000{{[0-9]*}} : f64
func.func @leaky_relu_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 2.000000e-01 : f64
func.func @leaky_relu_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_at_0_7()
// CHECK-NEXT: arith.constant 0.6999999999999{{[0-9]*}} : f64
func.func @leaky_relu_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_0_7()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @leaky_relu_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_at_3_0()
// CHECK-NEXT: arith.constant 3.000000e+00 : f64
func.func @leaky_relu_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_3_0()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @leaky_relu_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.01508426608999{{[0-9]*}} : f64
func.func @gelu_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.03795157621266{{[0-9]*}} : f64
func.func @gelu_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_at_minus_0_4()
// CHECK-NEXT: arith.constant -0.1378388305726{{[0-9]*}} : f64
func.func @gelu_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.1973411655794{{[0-9]*}} : f64
func.func @gelu_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_at_0_7()
// CHECK-NEXT: arith.constant 0.5305701347051{{[0-9]*}} : f64
func.func @gelu_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.9763572186561{{[0-9]*}} : f64
func.func @gelu_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_at_3_0()
// CHECK-NEXT: arith.constant 2.996362607918{{[0-9]*}} : f64
func.func @gelu_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_grad_at_3_0()
// CHECK-NEXT: arith.constant 1.011584166630{{[0-9]*}} : f64
func.func @gelu_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad gelu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.01552416331444{{[0-9]*}} : f64
func.func @gelu_exact_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.gelu %x exact : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.03761108590814{{[0-9]*}} : f64
func.func @gelu_exact_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad gelu_exact %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_at_minus_0_4()
// CHECK-NEXT: arith.constant -0.1378313033558{{[0-9]*}} : f64
func.func @gelu_exact_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.gelu %x exact : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.1972702022683{{[0-9]*}} : f64
func.func @gelu_exact_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad gelu_exact %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_at_0_7()
// CHECK-NEXT: arith.constant 0.5306254434438{{[0-9]*}} : f64
func.func @gelu_exact_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.gelu %x exact : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.9766141011336{{[0-9]*}} : f64
func.func @gelu_exact_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad gelu_exact %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_at_3_0()
// CHECK-NEXT: arith.constant 2.995950305905{{[0-9]*}} : f64
func.func @gelu_exact_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.gelu %x exact : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @gelu_exact_grad_at_3_0()
// CHECK-NEXT: arith.constant 1.011945647204{{[0-9]*}} : f64
func.func @gelu_exact_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad gelu_exact %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.1896454500531{{[0-9]*}} : f64
func.func @silu_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.09940111134152{{[0-9]*}} : f64
func.func @silu_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_at_minus_0_4()
// CHECK-NEXT: arith.constant -0.1605249359550{{[0-9]*}} : f64
func.func @silu_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.3052080415909{{[0-9]*}} : f64
func.func @silu_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_at_0_7()
// CHECK-NEXT: arith.constant 0.4677314405177{{[0-9]*}} : f64
func.func @silu_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.8233867834733{{[0-9]*}} : f64
func.func @silu_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_at_3_0()
// CHECK-NEXT: arith.constant 2.857722380467{{[0-9]*}} : f64
func.func @silu_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @silu_grad_at_3_0()
// CHECK-NEXT: arith.constant 1.088104106015{{[0-9]*}} : f64
func.func @silu_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad silu %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_at_minus_2_5()
// CHECK-NEXT: arith.constant -0.9866142981514{{[0-9]*}} : f64
func.func @tanh_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant 0.02659222668316{{[0-9]*}} : f64
func.func @tanh_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_at_minus_0_4()
// CHECK-NEXT: arith.constant -0.3799489622552{{[0-9]*}} : f64
func.func @tanh_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.8556387860811{{[0-9]*}} : f64
func.func @tanh_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_at_0_7()
// CHECK-NEXT: arith.constant 0.6043677771171{{[0-9]*}} : f64
func.func @tanh_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.6347395899824{{[0-9]*}} : f64
func.func @tanh_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_at_3_0()
// CHECK-NEXT: arith.constant 0.9950547536867{{[0-9]*}} : f64
func.func @tanh_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @tanh_grad_at_3_0()
// CHECK-NEXT: arith.constant 0.009866037165440{{[0-9]*}} : f64
func.func @tanh_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_at_minus_2_5()
// CHECK-NEXT: arith.constant -1.000000e+00 : f64
func.func @hard_tanh_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @hard_tanh_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_at_minus_0_4()
// CHECK-NEXT: arith.constant -4.000000e-01 : f64
func.func @hard_tanh_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @hard_tanh_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_at_0_7()
// CHECK-NEXT: arith.constant 0.6999999999999{{[0-9]*}} : f64
func.func @hard_tanh_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_0_7()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @hard_tanh_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_at_3_0()
// CHECK-NEXT: arith.constant 1.000000e+00 : f64
func.func @hard_tanh_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_3_0()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f64
func.func @hard_tanh_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad hard_tanh %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_at_minus_2_5()
// CHECK-NEXT: arith.constant 0.07585818002124{{[0-9]*}} : f64
func.func @sigmoid_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant 0.07010371654510{{[0-9]*}} : f64
func.func @sigmoid_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.4013123398875{{[0-9]*}} : f64
func.func @sigmoid_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.2402607457415{{[0-9]*}} : f64
func.func @sigmoid_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_at_0_7()
// CHECK-NEXT: arith.constant 0.6681877721681{{[0-9]*}} : f64
func.func @sigmoid_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.2217128732931{{[0-9]*}} : f64
func.func @sigmoid_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_at_3_0()
// CHECK-NEXT: arith.constant 0.9525741268224{{[0-9]*}} : f64
func.func @sigmoid_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_3_0()
// CHECK-NEXT: arith.constant 0.04517665973091{{[0-9]*}} : f64
func.func @sigmoid_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad sigmoid %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_at_minus_2_5()
// CHECK-NEXT: arith.constant 0.07888973429254{{[0-9]*}} : f64
func.func @softplus_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_grad_at_minus_2_5()
// CHECK-NEXT: arith.constant 0.07585818002124{{[0-9]*}} : f64
func.func @softplus_grad_at_minus_2_5() -> tensor<1xf64> {
  %x = pc.splat -2.5 : tensor<1xf64>
  %y = pc.act_grad softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.5130152523999{{[0-9]*}} : f64
func.func @softplus_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_grad_at_minus_0_4()
// CHECK-NEXT: arith.constant 0.4013123398875{{[0-9]*}} : f64
func.func @softplus_grad_at_minus_0_4() -> tensor<1xf64> {
  %x = pc.splat -0.4 : tensor<1xf64>
  %y = pc.act_grad softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_at_0_7()
// CHECK-NEXT: arith.constant 1.103186048885{{[0-9]*}} : f64
func.func @softplus_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_grad_at_0_7()
// CHECK-NEXT: arith.constant 0.6681877721681{{[0-9]*}} : f64
func.func @softplus_grad_at_0_7() -> tensor<1xf64> {
  %x = pc.splat 0.7 : tensor<1xf64>
  %y = pc.act_grad softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_at_3_0()
// CHECK-NEXT: arith.constant 3.048587351573{{[0-9]*}} : f64
func.func @softplus_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @softplus_grad_at_3_0()
// CHECK-NEXT: arith.constant 0.9525741268224{{[0-9]*}} : f64
func.func @softplus_grad_at_3_0() -> tensor<1xf64> {
  %x = pc.splat 3.0 : tensor<1xf64>
  %y = pc.act_grad softplus %x : tensor<1xf64>
  return %y : tensor<1xf64>
}

// CHECK-LABEL: func.func @relu_grad_at_0_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @relu_grad_at_0_0_f32() -> tensor<1xf32> {
  %x = pc.splat 0.0 : tensor<1xf32>
  %y = pc.act_grad relu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_0_0_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @leaky_relu_grad_at_0_0_f32() -> tensor<1xf32> {
  %x = pc.splat 0.0 : tensor<1xf32>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_1_0_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @hard_tanh_grad_at_1_0_f32() -> tensor<1xf32> {
  %x = pc.splat 1.0 : tensor<1xf32>
  %y = pc.act_grad hard_tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_minus_1_0_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @hard_tanh_grad_at_minus_1_0_f32() -> tensor<1xf32> {
  %x = pc.splat -1.0 : tensor<1xf32>
  %y = pc.act_grad hard_tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @relu_grad_at_minus_0_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @relu_grad_at_minus_0_0_f32() -> tensor<1xf32> {
  %x = pc.splat -0.0 : tensor<1xf32>
  %y = pc.act_grad relu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_minus_0_0_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @leaky_relu_grad_at_minus_0_0_f32() -> tensor<1xf32> {
  %x = pc.splat -0.0 : tensor<1xf32>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @relu_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @relu_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.relu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @relu_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @relu_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad relu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @leaky_relu_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant -6.000000e+37 : f32
func.func @leaky_relu_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.leaky_relu %x slope(0.2) : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @leaky_relu_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant 2.000000e-01 : f32
func.func @leaky_relu_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad leaky_relu %x slope(0.2) : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_at_3e38_f32()
// CHECK-NEXT: arith.constant 3.000000e+38 : f32
func.func @gelu_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_grad_at_3e38_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @gelu_grad_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.act_grad gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_grad_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_grad_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.act_grad gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_grad_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_grad_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.act_grad gelu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_exact_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_exact_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.gelu %x exact : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @gelu_exact_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @gelu_exact_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad gelu_exact %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @silu_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @silu_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_at_3e38_f32()
// CHECK-NEXT: arith.constant 3.000000e+38 : f32
func.func @silu_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_grad_at_3e38_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @silu_grad_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.act_grad silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @silu_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_grad_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @silu_grad_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.act_grad silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant -2.7413{{[0-9]*}}E-7 : f32
func.func @silu_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @silu_grad_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant -2.5890{{[0-9]*}}E-7 : f32
func.func @silu_grad_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.act_grad silu %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @tanh_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant -1.000000e+00 : f32
func.func @tanh_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @tanh_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @tanh_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @hard_tanh_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant -1.000000e+00 : f32
func.func @hard_tanh_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.hard_tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @hard_tanh_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @hard_tanh_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad hard_tanh %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @sigmoid_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @sigmoid_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_at_3e38_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @sigmoid_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @sigmoid_grad_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.act_grad sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @sigmoid_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @sigmoid_grad_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.act_grad sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant 1.5229{{[0-9]*}}E-8 : f32
func.func @sigmoid_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @sigmoid_grad_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant 1.5229{{[0-9]*}}E-8 : f32
func.func @sigmoid_grad_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.act_grad sigmoid %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @softplus_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_grad_at_minus_3e38_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @softplus_grad_at_minus_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat -3.0e+38 : tensor<1xf32>
  %y = pc.act_grad softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_at_3e38_f32()
// CHECK-NEXT: arith.constant 3.000000e+38 : f32
func.func @softplus_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_grad_at_3e38_f32()
// CHECK-NEXT: arith.constant 1.000000e+00 : f32
func.func @softplus_grad_at_3e38_f32() -> tensor<1xf32> {
  %x = pc.splat 3.0e+38 : tensor<1xf32>
  %y = pc.act_grad softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @softplus_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_grad_at_minus_104_0_f32()
// CHECK-NEXT: arith.constant {{-?}}0.000000e+00 : f32
func.func @softplus_grad_at_minus_104_0_f32() -> tensor<1xf32> {
  %x = pc.splat -104.0 : tensor<1xf32>
  %y = pc.act_grad softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant 1.5229{{[0-9]*}}E-8 : f32
func.func @softplus_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

// CHECK-LABEL: func.func @softplus_grad_at_minus_18_0_f32()
// CHECK-NEXT: arith.constant 1.5229{{[0-9]*}}E-8 : f32
func.func @softplus_grad_at_minus_18_0_f32() -> tensor<1xf32> {
  %x = pc.splat -18.0 : tensor<1xf32>
  %y = pc.act_grad softplus %x : tensor<1xf32>
  return %y : tensor<1xf32>
}

