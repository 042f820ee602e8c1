// RUN: pc-opt %s --split-input-file --verify-diagnostics

// One test or more per constraint of docs/spec.md, "Models", that the verifiers
// check. The name of the symbol is the constraint's label.

pc.model @tensor_c3 {
  // expected-error @below {{'pc.input' op expects tensors of at most 8 dimensions, found 'tensor<1x1x1x1x1x1x1x1x2xf32>'; pc.reshape joins dimensions}}
  %x = pc.input @x : tensor<1x1x1x1x1x1x1x1x2xf32>
}

// -----

pc.model @tensor_c4 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.linear' op expects sizes from 1 to 2147483647, found 'tensor<0xf32>'}}
  %u = pc.linear @fc %x : tensor<4xf32> -> tensor<0xf32>
}

// -----

pc.model @tensor_c4_large {
  // expected-error @below {{'pc.input' op expects sizes from 1 to 2147483647, found 'tensor<9223372036854775807xf32>'}}
  %x = pc.input @x : tensor<9223372036854775807xf32>
}

// -----

pc.model @tensor_c5 {
  // expected-error @below {{'pc.param' op expects arrays of at most 2^46 bytes, found 'tensor<2147483647x2147483647x2147483647xf32>'}}
  %w = pc.param @w : tensor<2147483647x2147483647x2147483647xf32>
}

// -----

pc.model @model_c1 {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  // expected-error @below {{'arith.addf' op cannot stand in a model: expected a layer, a vode, an energy, a pure pc operation or a number}}
  %two = arith.addf %one, %one : tensor<4xf32>
}

// -----

pc.model @model_c1_program {
  // expected-error @below {{'pc.init' op expects parent op to be one of 'pc.program, pc.repeat, pc.joint'}}
  pc.init forward
}

// -----

pc.block @model_c1_block(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{'math.exp' op cannot stand in a model: expected a layer, a vode, an energy, a pure pc operation or a number}}
  %y = math.exp %x : tensor<4xf32>
  pc.yield %y : tensor<4xf32>
}

// -----

pc.model @model_c2 {
  // expected-note @below {{first defined here}}
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.vode' op redefines '@x'}}
  %h = pc.vode @x %x energy(se) : tensor<4xf32>
}

// -----

pc.model @model_c2_states {
  // expected-note @below {{first defined here}}
  %g = pc.state @h : tensor<4xf32>
  // expected-error @below {{'pc.state' op redefines '@h'}}
  %h = pc.state @h : tensor<4xf32>
}

// -----

pc.model @model_c2_inputs {
  // expected-note @below {{first defined here}}
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.input' op redefines '@x'}}
  %y = pc.input @x : tensor<4xf32>
}

// -----

pc.model @model_constants {
  %x = pc.input @x : tensor<4xf32>
}
// expected-error @below {{model parameter 'width' is declared twice}}
pc.model @twice (width = 4, width = 8) {
}

// -----

pc.model @dims_c1 {
  // expected-error @below {{#pc.dims names 2 dimensions but the shape has 1 dynamic ones}}
  %x = pc.input @x : tensor<?x4xf32, #pc.dims<a, b>>
}

// -----

pc.model @param_c1 {
  // expected-note @below {{as 'tensor<4xf32>' here}}
  %a = pc.param @w init(zeros) : tensor<4xf32>
  // expected-error @below {{'pc.param' op parameter '@w' of type 'tensor<5xf32>' is declared before with another type or initialiser}}
  %b = pc.param @w init(zeros) : tensor<5xf32>
}

// -----

pc.model @param_c1_init {
  // expected-note @below {{as 'tensor<4xf32>' here}}
  %a = pc.param @w init(zeros) : tensor<4xf32>
  // expected-error @below {{'pc.param' op parameter '@w' of type 'tensor<4xf32>' is declared before with another type or initialiser}}
  %b = pc.param @w init(constant(1.0)) : tensor<4xf32>
}

// -----

pc.model @initialiser_c1 {
  // expected-error @below {{constant expects finite numbers, found nan}}
  %w = pc.param @w init(constant(0x7FF8000000000000 : f64)) : tensor<4xf32>
}

// -----

pc.model @initialiser_c1_range {
  // expected-error @below {{uniform expects finite numbers, found INF}}
  %w = pc.param @w init(uniform(-1.0e308, 1.0e308)) : tensor<4xf64>
}

// -----

pc.model @initialiser_c2 {
  // expected-error @below {{uniform expects the lower bound first, found 1.000000e+00 and 0.000000e+00}}
  %w = pc.param @w init(uniform(1.0, 0.0)) : tensor<4xf32>
}

// -----

pc.model @initialiser_c3 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{normal expects a standard deviation of at least 0, found -1.000000e+00}}
  %u = pc.linear @fc %x weight_init(normal(0.0, -1.0)) : tensor<4xf32> -> tensor<2xf32>
}

// -----

pc.model @initialiser_c4 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{fan_in expects at least 1 input, found -3.000000e+00; fan_in alone takes those of the layer}}
  %u = pc.linear @fc %x weight_init(fan_in(-3)) : tensor<4xf32> -> tensor<2xf32>
}

// -----

pc.model @initialiser_c4_zero {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{fan_in expects at least 1 input, found 0; fan_in alone takes those of the layer}}
  %u = pc.linear @fc %x bias_init(fan_in(0)) : tensor<4xf32> -> tensor<2xf32>
}

// -----

pc.model @initialiser_c5 {
  // expected-error @below {{'pc.param' op initialises 'f32' values with 1.000000e+300, which is too large for them}}
  %w = pc.param @w init(constant(1.0e300)) : tensor<4xf32>
}

// -----

pc.model @initialiser_c5_layer {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.linear' op initialises 'f32' values with 1.000000e+300, which is too large for them}}
  %u = pc.linear @fc %x bias_init(normal(0.0, 1.0e300)) : tensor<4xf32> -> tensor<2xf32>
}

// -----

pc.model @initialiser_c6 {
  // expected-error @below {{'pc.param' op belongs to no layer whose inputs fan_in could count: write fan_in(k)}}
  %w = pc.param @w init(fan_in) : tensor<4xf32>
}

// -----

pc.model @init_syntax {
  // expected-error @below {{unknown initialiser 'xavier', expected zeros, constant, uniform, normal or fan_in}}
  %w = pc.param @w init(xavier) : tensor<4xf32>
}

// -----

pc.model @init_syntax_number {
  // expected-error @below {{expected a number}}
  %w = pc.param @w init(constant("one")) : tensor<4xf32>
}

// -----

pc.model @linear_c1 {
  %x = pc.input @x : tensor<2x4xf32>
  // expected-error @below {{'pc.linear' op maps a vector to a vector, found 'tensor<2x4xf32>' to 'tensor<8xf32>'; flatten the input with pc.reshape}}
  %a = pc.linear @fc %x : tensor<2x4xf32> -> tensor<8xf32>
}

// -----

pc.model @linear_c1_result {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.linear' op maps a vector to a vector, found 'tensor<4xf32>' to 'tensor<f32>'; flatten the input with pc.reshape}}
  %a = pc.linear @fc %x : tensor<4xf32> -> tensor<f32>
}

// -----

pc.model @linear_c2 {
  %x = pc.input @x : tensor<4xf32>
  // expected-note @below {{'tensor<4xf32>' to 'tensor<4xf32>' here}}
  %a = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @below {{'pc.linear' op layer '@fc' maps 'tensor<4xf32>' to 'tensor<8xf32>' but shares its parameters with one of another shape}}
  %b = pc.linear @fc %a : tensor<4xf32> -> tensor<8xf32>
}

// -----

pc.model @linear_c2_bias {
  %x = pc.input @x : tensor<4xf32>
  // expected-note @below {{'tensor<4xf32>' to 'tensor<4xf32>' here}}
  %a = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf32>
  // expected-error @below {{'pc.linear' op layer '@fc' maps 'tensor<4xf32>' to 'tensor<4xf32>' but shares its parameters with one of another shape}}
  %b = pc.linear @fc %a no_bias : tensor<4xf32> -> tensor<4xf32>
}

// -----

pc.model @linear_c3 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.linear' op expects input and output of one element type, found 'tensor<4xf32>' and 'tensor<4xf64>'}}
  %a = pc.linear @fc %x : tensor<4xf32> -> tensor<4xf64>
}

// -----

pc.model @linear_c4 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.linear' op has an initialiser for the bias that no_bias removes}}
  %a = pc.linear @fc %x no_bias bias_init(zeros) : tensor<4xf32> -> tensor<4xf32>
}

// -----

pc.model @vode_c1 {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s init(zeros) : tensor<4xf32>
  // expected-error @below {{'pc.vode' op log_sigma needs energy(se)}}
  %h = pc.vode @h %x energy(ce) log_sigma(%s : tensor<4xf32>) : tensor<4xf32>
}

// -----

pc.model @vode_c1_user {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s init(zeros) : tensor<4xf32>
  // expected-error @below {{'pc.vode' op log_sigma needs energy(se)}}
  %h = pc.vode @h %x energy(@mine) log_sigma(%s : tensor<4xf32>) : tensor<4xf32>
}

// -----

pc.model @vode_c2 {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s init(zeros) : tensor<5xf32>
  // expected-error @below {{'pc.vode' op log_sigma has type 'tensor<5xf32>', expected that of the state, 'tensor<4xf32>', or 'tensor<f32>'}}
  %h = pc.vode @h %x energy(se) log_sigma(%s : tensor<5xf32>) : tensor<4xf32>
}

// -----

pc.model @vode_c2_scalar {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s init(zeros) : tensor<f64>
  // expected-error @below {{'pc.vode' op log_sigma has type 'tensor<f64>', expected that of the state, 'tensor<4xf32>', or 'tensor<f32>'}}
  %h = pc.vode @h %x energy(se) log_sigma(%s : tensor<f64>) : tensor<4xf32>
}

// -----

pc.model @vode_c2_both {
  %x = pc.input @x : tensor<4xf32>
  %s = pc.param @s init(zeros) : tensor<4xf32>
  // expected-error @below {{'pc.vode' op takes precision or log_sigma, not both}}
  %h = pc.vode @h %x energy(se) precision(2.0) log_sigma(%s : tensor<4xf32>) : tensor<4xf32>
}

// -----

pc.model @vode_c3 {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.vode' op expects a positive precision, found 0.000000e+00}}
  %h = pc.vode @h %x energy(se) precision(0.0) : tensor<4xf32>
}

// -----

pc.model @vode_c3_negative {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.vode' op expects a positive precision, found -1.000000e+00}}
  %h = pc.vode @h %x energy(se) precision(-1.0) : tensor<4xf32>
}

// -----

pc.model @vode_c3_infinite {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.vode' op expects a positive precision, found }}
  %h = pc.vode @h %x energy(se) precision(0x7FF0000000000000) : tensor<4xf32>
}

// -----

pc.model @vode_c3_zero {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.vode' op energy(zero) has no precision}}
  %h = pc.vode @h %x energy(zero) precision(1.0) : tensor<4xf32>
}

// -----

pc.model @vode_c4 {
  %x = pc.input @x : tensor<f32>
  // expected-error @below {{'pc.vode' op energy(ce) needs a tensor of rank 1 or more, found 'tensor<f32>'}}
  %h = pc.vode @h %x energy(ce) : tensor<f32>
}

// -----

pc.model @energy_keyword {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{unknown 'ces', expected se, ce, zero; did you mean 'ce'?}}
  %h = pc.vode @h %x energy(ces) : tensor<4xf32>
}

// -----

pc.model @term_c1 {
  %h1 = pc.state @hidden1 : tensor<4xf32>
  %h2 = pc.state @hidden2 : tensor<4xf32>
  // expected-error @below {{'pc.term' op names the unknown vode '@hiden1'; did you mean 'hidden1'?}}
  pc.term @hiden1 prediction(%h2 : tensor<4xf32>)
}

// -----

pc.model @term_c1_far {
  %h = pc.state @h : tensor<4xf32>
  // expected-error-re @below {{'pc.term' op names the unknown vode '@something_else'{{$}}}}
  pc.term @something_else prediction(%h : tensor<4xf32>)
}

// -----

pc.model @term_c1_input {
  %x = pc.input @x : tensor<4xf32>
  // expected-error @below {{'pc.term' op adds to '@x', which is not a pc.state}}
  pc.term @x prediction(%x : tensor<4xf32>)
}

// -----

pc.model @term_c2 {
  %x = pc.input @x : tensor<4xf32>
  %h = pc.state @h : tensor<4xf32>
  // expected-note @below {{the first is here}}
  pc.term @h prediction(%x : tensor<4xf32>)
  // expected-error @below {{'pc.term' op gives '@h' a second prediction}}
  pc.term @h prediction(%x : tensor<4xf32>)
}

// -----

pc.model @term_c2_type {
  %x = pc.input @x : tensor<5xf32>
  %h = pc.state @h : tensor<4xf32>
  // expected-error @below {{'pc.term' op predicts 'tensor<5xf32>' but the state '@h' is 'tensor<4xf32>'}}
  pc.term @h prediction(%x : tensor<5xf32>)
}

// -----

pc.model @term_c3 {
  %h = pc.state @h : tensor<4xf32>
  // expected-error @below {{'pc.term' op expects a prediction, an energy or both}}
  pc.term @h
}

// -----

pc.model @term_c4 {
  %h = pc.state @h : tensor<4xf32>
  // expected-error @below {{'pc.term' op expects one energy per sample (a tensor of rank 0), found 'tensor<4xf32>'}}
  pc.term @h energy(%h : tensor<4xf32>)
}

// -----

// expected-error @below {{'pc.block' op has arguments ('tensor<4xf32>') but its type says ('tensor<5xf32>')}}
"pc.block"() <{function_type = (tensor<5xf32>) -> (), sym_name = "block_c1"}> ({
^bb0(%x: tensor<4xf32>):
  "pc.yield"() : () -> ()
}) : () -> ()

// -----

pc.block @block_c2(%x: tensor<4xf32>) -> tensor<5xf32> {
  // expected-error @below {{'pc.yield' op yields ('tensor<4xf32>'), expected ('tensor<5xf32>')}}
  pc.yield %x : tensor<4xf32>
}

// -----

// expected-error @below {{'pc.block' op expects a body that ends with pc.yield}}
pc.block @block_c2_end(%x: tensor<4xf32>) -> tensor<4xf32> {
  llvm.unreachable
}

// -----

// expected-error @below {{'pc.energy' op takes a state and a prediction of one type, found ('tensor<4xf32>')}}
pc.energy @energy_c1(%h: tensor<4xf32>) {
  %s = pc.sum %h : tensor<4xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}

// -----

// expected-error @below {{'pc.energy' op takes a state and a prediction of one type, found ('tensor<4xf32>', 'tensor<5xf32>')}}
pc.energy @energy_c1_types(%h: tensor<4xf32>, %u: tensor<5xf32>) {
  %s = pc.sum %h : tensor<4xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}

// -----

// expected-error @below {{'pc.energy' op takes tensors, found 'f32'}}
pc.energy @energy_c1_tensors(%h: f32, %u: f32) {
  pc.yield %h : f32
}

// -----

pc.energy @energy_c2(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  // expected-error @below {{'pc.yield' op yields ('tensor<4xf32>'), expected ('tensor<f32>')}}
  pc.yield %h : tensor<4xf32>
}

// -----

// expected-error @below {{'pc.energy' op expects a body that ends with pc.yield}}
pc.energy @energy_c2_end(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  llvm.unreachable
}

// -----

pc.energy @energy_c3(%h: tensor<4xf32>, %u: tensor<4xf32>) {
  // expected-error @below {{'tensor.empty' op cannot stand in an energy: expected a pure pc operation}}
  %e = tensor.empty() : tensor<4xf32>
  %s = pc.sum %e : tensor<4xf32> -> tensor<f32>
  pc.yield %s : tensor<f32>
}

// -----

func.func @parents(%x: tensor<4xf32>) {
  // expected-error @below {{'pc.vode' op expects parent op to be one of 'pc.model, pc.block'}}
  %h = pc.vode @h %x energy(se) : tensor<4xf32>
  return
}

// -----

pc.block @input_parent() {
  // expected-error @below {{'pc.input' op expects parent op 'pc.model'}}
  %x = pc.input @x : tensor<4xf32>
  pc.yield
}

// -----

pc.model @probe_c1 {
  %x = pc.input @x : tensor<4xf32>
  // expected-note @below {{first defined here}}
  pc.probe @seen = %x : tensor<4xf32>
  // expected-error @below {{'pc.probe' op redefines the probe '@seen'}}
  pc.probe @seen = %x : tensor<4xf32>
}
