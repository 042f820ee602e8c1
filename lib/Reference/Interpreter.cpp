//===- Interpreter.cpp - Programs, their storage and their ports ----------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Reference/Interpreter.h"
#include "pc/Dialect/PC/IR/PC.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <limits>
#include <numbers>

using namespace mlir;
using namespace pc;
using namespace pc::reference;

using RuntimeValue = pc::reference::Value;

static PortAttr getPort(func::FuncOp function, unsigned index, bool result) {
  return result ? function.getResultAttrOfType<PortAttr>(
                      index, PCDialect::kPortAttrName)
                : function.getArgAttrOfType<PortAttr>(index,
                                                      PCDialect::kPortAttrName);
}

/// The static shape of a port's type, with `n` for the leading dimension.
static std::vector<int64_t> getShape(Type type, int64_t n) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  if (!tensorType)
    return {};
  std::vector<int64_t> shape = tensorType.getShape().vec();
  if (!shape.empty() && ShapedType::isDynamic(shape[0]))
    shape[0] = n;
  return shape;
}

static bool isPerSample(Type type) {
  auto tensorType = dyn_cast<RankedTensorType>(type);
  return tensorType && tensorType.getRank() > 0 && tensorType.isDynamicDim(0);
}

/// "a, b and c" or "none": the names that exist, for messages.
template <typename Map>
static std::string listNames(const Map &map) {
  if (map.empty())
    return "none";
  std::string text;
  size_t left = map.size();
  for (const auto &[name, value] : map) {
    text += "'" + name + "'";
    --left;
    text += left == 0 ? "" : left == 1 ? " and " : ", ";
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Ports
//===----------------------------------------------------------------------===//

FailureOr<Interpreter> Interpreter::create(ModuleOp module,
                                           const Options &options) {
  Interpreter interpreter(module, options);
  bool any = false;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!function->hasAttr(PCDialect::kProgramAttrName))
      continue;
    any = true;
    if (failed(interpreter.collectPorts(function)))
      return failure();
  }
  if (!any)
    return module.emitError("holds no functional program");
  return interpreter;
}

LogicalResult Interpreter::collectPorts(func::FuncOp function) {
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    PortAttr port = getPort(function, i, /*result=*/false);
    Type type = function.getArgumentTypes()[i];
    std::string name = port.getName().str();
    if (port.isStorage()) {
      auto [it, added] = storagePorts.try_emplace(name, port, type);
      if (!added && it->second.second != type)
        return function.emitError()
               << "'" << name << "' has type " << type << ", but "
               << it->second.second << " in another program";
      if (added)
        storage[name] = Tensor::splat(getShape(type, 0), 0.0);
    } else if (port.getKind() == PortKind::Hyper) {
      auto value = dyn_cast_or_null<FloatAttr>(port.getDetail("value"));
      if (!value)
        return function.emitError()
               << "hyper-parameter '" << name << "' has no default";
      auto [it, added] = hyperPorts.try_emplace(name, port);
      if (!added && it->second != port)
        return function.emitError() << "hyper-parameter '" << name
                                    << "' differs from another program's";
      hypers[name] = value.getValueAsDouble();
    } else if (port.getKind() == PortKind::Output) {
      return function.emitError() << "argument " << i << " is an output";
    }
  }
  for (unsigned i = 0, e = function.getNumResults(); i < e; ++i) {
    PortAttr port = getPort(function, i, /*result=*/true);
    if (port.getKind() == PortKind::Output)
      continue;
    if (!port.isStorage())
      return function.emitError()
             << "result " << i
             << " is neither an output nor a persistent array";
  }
  return success();
}

func::FuncOp Interpreter::lookupProgram(StringRef name) const {
  ModuleOp root = module;
  auto function = root.lookupSymbol<func::FuncOp>(name);
  return function && function->hasAttr(PCDialect::kProgramAttrName)
             ? function
             : func::FuncOp();
}

std::vector<std::string> Interpreter::getProgramNames() const {
  std::vector<std::string> names;
  ModuleOp root = module;
  for (auto function : root.getOps<func::FuncOp>())
    if (function->hasAttr(PCDialect::kProgramAttrName))
      names.push_back(function.getName().str());
  return names;
}

std::map<std::string, std::vector<int64_t>>
Interpreter::getInputs(StringRef program, int64_t n) const {
  std::map<std::string, std::vector<int64_t>> shapes;
  func::FuncOp function = lookupProgram(program);
  if (!function)
    return shapes;
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    PortAttr port = getPort(function, i, /*result=*/false);
    if (port.getKind() == PortKind::Input)
      shapes[port.getName().str()] =
          getShape(function.getArgumentTypes()[i], n);
  }
  return shapes;
}

//===----------------------------------------------------------------------===//
// Storage and numbers
//===----------------------------------------------------------------------===//

const Tensor *Interpreter::getStorage(StringRef name) const {
  auto it = storage.find(name.str());
  return it == storage.end() ? nullptr : &it->second;
}

LogicalResult Interpreter::setStorage(StringRef name, Tensor value) {
  auto it = storagePorts.find(name.str());
  if (it == storagePorts.end())
    return module.emitError() << "no persistent array '" << name
                              << "', there are " << listNames(storagePorts);
  Type type = it->second.second;
  int64_t rows = value.shape.empty() ? 0 : value.shape[0];
  std::vector<int64_t> shape = getShape(type, rows);
  if (shape != value.shape)
    return module.emitError()
           << "'" << name << "' has shape " << formatShape(shape) << ", found "
           << formatShape(value.shape);
  storage[name.str()] = std::move(value);
  return success();
}

LogicalResult Interpreter::setHyper(StringRef name, double value) {
  auto it = hyperPorts.find(name.str());
  if (it == hyperPorts.end())
    return module.emitError() << "no hyper-parameter '" << name
                              << "', there are " << listNames(hyperPorts);
  auto port = cast<PortAttr>(it->second);
  auto bound = [&](StringRef key, double free) {
    auto attr = dyn_cast_or_null<FloatAttr>(port.getDetail(key));
    return attr ? attr.getValueAsDouble() : free;
  };
  double infinity = std::numeric_limits<double>::infinity();
  double low = bound("min", -infinity), high = bound("max", infinity);
  if (!(value >= low && value <= high))
    return module.emitError() << "'" << name << "' must lie between " << low
                              << " and " << high << ", found " << value;
  if (port.getDetail("integral") && value != std::floor(value))
    return module.emitError()
           << "'" << name << "' must be whole, found " << value;
  hypers[name.str()] = value;
  return success();
}

/// Fills an array by its initialiser.
static void initialiseArray(Tensor &array, InitAttr init, uint64_t seed,
                            uint64_t stream, bool single) {
  double a = init.getArg0(), b = init.getArg1();
  if (init.getKind() == InitKind::FanIn) {
    b = 1 / std::sqrt(a);
    a = -b;
  }
  bool uniform =
      init.getKind() == InitKind::Uniform || init.getKind() == InitKind::FanIn;
  for (int64_t i = 0; i < array.size(); ++i) {
    double &element = array.data[i];
    if (!uniform && init.getKind() != InitKind::Normal) {
      element = init.getKind() == InitKind::Constant ? a : 0.0;
      continue;
    }
    auto [x, y] = philoxPair(seed, stream, static_cast<uint64_t>(i) / 2);
    auto unit = [](uint64_t word) {
      return static_cast<double>(word >> 11) * 0x1p-53;
    };
    if (uniform) {
      element = a + (b - a) * unit(i % 2 ? y : x);
      if (a < b && element >= b)
        element = std::nextafter(b, a);
    } else {
      double radius = std::sqrt(-2 * std::log(1 - unit(x)));
      double angle = 2 * std::numbers::pi * unit(y);
      element = a + b * (radius * (i % 2 ? std::sin(angle) : std::cos(angle)));
    }
    if (single) {
      auto rounded = static_cast<float>(element);
      if (uniform && a < b && rounded >= b)
        rounded = std::nextafterf(static_cast<float>(b),
                                  -std::numeric_limits<float>::infinity());
      element = rounded;
    }
  }
}

void Interpreter::initialise(uint64_t seed) {
  counters = Counters();
  counters.seed = seed;
  for (auto &[name, port] : storagePorts) {
    auto attr = cast<PortAttr>(port.first);
    Tensor &array = storage[name];
    std::fill(array.data.begin(), array.data.end(), 0.0);
    auto init = dyn_cast_or_null<InitAttr>(attr.getDetail("init"));
    if (!init)
      continue;
    uint64_t stream = 0;
    if (auto number = dyn_cast_or_null<IntegerAttr>(attr.getDetail("stream")))
      stream = number.getValue().getZExtValue();
    initialiseArray(array, init, seed, stream,
                    getElementTypeOrSelf(port.second).isF32());
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

FailureOr<RuntimeValue> Interpreter::getArgument(func::FuncOp function,
                                                 unsigned index, int64_t n,
                                                 const Arrays &inputs) {
  PortAttr port = getPort(function, index, /*result=*/false);
  Type type = function.getArgumentTypes()[index];
  std::string name = port.getName().str();
  switch (port.getKind()) {
  case PortKind::Input: {
    auto it = inputs.find(name);
    if (it == inputs.end())
      return function.emitError() << "input '" << name << "' is missing";
    std::vector<int64_t> shape = getShape(type, n);
    if (it->second.shape != shape)
      return function.emitError()
             << "input '" << name << "' must have shape " << formatShape(shape)
             << ", found " << formatShape(it->second.shape);
    return RuntimeValue(it->second);
  }
  case PortKind::Parameter:
  case PortKind::Buffer:
  case PortKind::State:
  case PortKind::Optimiser: {
    Tensor value = storage[name];
    if (isPerSample(type)) {
      // One row per slot: new slots start at zero.
      value.shape[0] = n;
      int64_t size = 1;
      for (int64_t dim : value.shape)
        size *= dim;
      value.data.resize(size, 0.0);
    }
    return RuntimeValue(std::move(value));
  }
  case PortKind::Hyper:
    return RuntimeValue(hypers[name]);
  case PortKind::Counter:
    if (name == "total_steps")
      return RuntimeValue(counters.totalSteps);
    if (name == "epoch")
      return RuntimeValue(counters.epoch);
    if (name == "seed")
      return RuntimeValue(static_cast<int64_t>(counters.seed));
    if (name == "call")
      return RuntimeValue(static_cast<int64_t>(counters.call));
    return function.emitError() << "unknown counter '" << name << "'";
  case PortKind::Output:
    break;
  }
  llvm_unreachable("collectPorts admits no output here");
}

FailureOr<Interpreter::Arrays> Interpreter::run(StringRef program, int64_t n,
                                                const Arrays &inputs) {
  func::FuncOp function = lookupProgram(program);
  if (!function)
    return module.emitError() << "no program '" << program << "'";
  auto expected = getInputs(program, n);
  for (const auto &[name, value] : inputs)
    if (!expected.count(name))
      return function.emitError()
             << "program '" << program << "' has no input '" << name << "'";

  std::vector<RuntimeValue> arguments;
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i) {
    FailureOr<RuntimeValue> argument = getArgument(function, i, n, inputs);
    if (failed(argument))
      return failure();
    arguments.push_back(std::move(*argument));
  }
  FailureOr<std::vector<RuntimeValue>> results =
      evaluate(function, arguments, n, options);
  if (failed(results))
    return failure();

  Arrays outputs;
  for (auto [index, value] : llvm::enumerate(*results)) {
    PortAttr port = getPort(function, index, /*result=*/true);
    std::string name = port.getName().str();
    Tensor array;
    if (auto *tensor = std::get_if<Tensor>(&value))
      array = std::move(*tensor);
    else if (auto *real = std::get_if<double>(&value))
      array = Tensor::scalar(*real);
    else
      array = Tensor::scalar(static_cast<double>(std::get<int64_t>(value)));
    if (port.getKind() == PortKind::Output) {
      outputs[name] = std::move(array);
    } else if (Tensor &kept = storage[name];
               array.size() < kept.size() &&
               isPerSample(function.getResultTypes()[index])) {
      // A smaller batch leaves the slots past its last sample as they were.
      std::copy(array.data.begin(), array.data.end(), kept.data.begin());
    } else {
      kept = std::move(array);
    }
  }
  ++counters.call;
  return outputs;
}
