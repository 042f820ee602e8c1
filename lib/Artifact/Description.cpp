//===- Description.cpp - What an artifact says about itself ---------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each struct lists its fields once, in `visit`; writing and reading an
// attribute are two visitors.
//
//===----------------------------------------------------------------------===//

#include "pc/Artifact/Description.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/bit.h"

#include <type_traits>

using namespace mlir;
using namespace pc::artifact;

//===----------------------------------------------------------------------===//
// Fields
//===----------------------------------------------------------------------===//

template <typename V>
static void visit(V &v, Storage &s) {
  v("name", s.name);
  v("kind", s.kind);
  v("dtype", s.dtype);
  v("dims", s.dims);
  v("strides", s.strides);
  v("bytes", s.bytes);
  v("init", s.init);
  v("init_arg0", s.initArg0);
  v("init_arg1", s.initArg1);
  v("init_stream", s.initStream);
}

template <typename V>
static void visit(V &v, Hyper &h) {
  v("name", h.name);
  v("value", h.value);
  v("min", h.min);
  v("max", h.max);
  v("integral", h.integral);
}

template <typename V>
static void visit(V &v, Port &p) {
  v("name", p.name);
  v("dtype", p.dtype);
  v("per_sample", p.perSample);
  v("dims", p.dims);
  v("reduce", p.reduce);
  v("flags", p.flags);
}

template <typename V>
static void visit(V &v, Kernel &k) {
  v("name", k.name);
  v("flops_base", k.flopsBase);
  v("flops_per_sample", k.flopsPerSample);
  v("bytes_base", k.bytesBase);
  v("bytes_per_sample", k.bytesPerSample);
}

template <typename V>
static void visit(V &v, Variant &r) {
  v("cpu", r.cpu);
  v("required", r.required);
  v("run", r.run);
  v("workspace_bytes", r.workspaceBytes);
  v("worker_bytes", r.workerBytes);
  v("sample_block", r.sampleBlock);
  v("kernels", r.kernels);
}

template <typename V>
static void visit(V &v, Program &p) {
  v("name", p.name);
  v("role", p.role);
  v("inputs", p.inputs);
  v("outputs", p.outputs);
  v("variants", p.variants);
  v("weight_steps_per_call", p.weightStepsPerCall);
  v("storage_reads", p.storageReads);
  v("storage_writes", p.storageWrites);
}

template <typename V>
static void visit(V &v, Description &d) {
  v("compiler", d.compiler);
  v("model", d.model);
  v("source_name", d.sourceName);
  v("source_sha256", d.sourceSha256);
  v("options", d.options);
  v("dtype", d.dtype);
  v("max_batch", d.maxBatch);
  v("storage", d.storage);
  v("hypers", d.hypers);
  v("programs", d.programs);
}

//===----------------------------------------------------------------------===//
// To an attribute
//===----------------------------------------------------------------------===//

namespace {
class Writer {
public:
  explicit Writer(MLIRContext *context) : b(context) {}

  template <typename T>
  void operator()(StringRef name, const T &value) {
    fields.push_back(b.getNamedAttr(name, get(value)));
  }
  DictionaryAttr finish() { return b.getDictionaryAttr(fields); }

private:
  Attribute get(const std::string &value) { return b.getStringAttr(value); }
  Attribute get(double value) { return b.getF64FloatAttr(value); }
  Attribute get(bool value) { return b.getBoolAttr(value); }
  Attribute get(const std::vector<int64_t> &value) {
    return b.getDenseI64ArrayAttr(value);
  }
  Attribute get(const std::vector<uint32_t> &value) {
    SmallVector<int32_t> signedValues(value.begin(), value.end());
    return b.getDenseI32ArrayAttr(signedValues);
  }
  template <typename T>
  Attribute get(const std::vector<T> &value) {
    SmallVector<Attribute> elements;
    for (T element : value) {
      Writer writer(b.getContext());
      visit(writer, element);
      elements.push_back(writer.finish());
    }
    return b.getArrayAttr(elements);
  }
  template <typename T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  Attribute get(T value) {
    return b.getI64IntegerAttr(static_cast<int64_t>(value));
  }

  Builder b;
  SmallVector<NamedAttribute> fields;
};
} // namespace

DictionaryAttr Description::toAttr(MLIRContext *context) const {
  Description copy = *this;
  Writer writer(context);
  visit(writer, copy);
  return writer.finish();
}

//===----------------------------------------------------------------------===//
// From an attribute
//===----------------------------------------------------------------------===//

namespace {
class Reader {
public:
  Reader(DictionaryAttr attr, function_ref<InFlightDiagnostic()> emitError)
      : attr(attr), emitError(emitError) {}

  template <typename T>
  void operator()(StringRef name, T &value) {
    known.insert(name);
    Attribute field = attr.get(name);
    if (!field || hadError)
      return;
    if (!set(field, value) && !hadError) {
      emitError() << "field '" << name << "' of '" << Description::attrName
                  << "' has an unexpected value: " << field;
      hadError = true;
    }
  }
  LogicalResult finish() {
    if (hadError)
      return failure();
    for (NamedAttribute field : attr)
      if (!known.contains(field.getName()))
        return emitError() << "unknown field '" << field.getName().getValue()
                           << "' in '" << Description::attrName << "'";
    return success();
  }

private:
  bool set(Attribute field, std::string &value) {
    auto string = dyn_cast<StringAttr>(field);
    if (string)
      value = string.str();
    return static_cast<bool>(string);
  }
  bool set(Attribute field, double &value) {
    auto number = dyn_cast<FloatAttr>(field);
    if (number)
      value = number.getValueAsDouble();
    return static_cast<bool>(number);
  }
  bool set(Attribute field, bool &value) {
    auto flag = dyn_cast<BoolAttr>(field);
    if (flag)
      value = flag.getValue();
    return static_cast<bool>(flag);
  }
  bool set(Attribute field, std::vector<int64_t> &value) {
    auto array = dyn_cast<DenseI64ArrayAttr>(field);
    if (array)
      value = array.asArrayRef().vec();
    return static_cast<bool>(array);
  }
  bool set(Attribute field, std::vector<uint32_t> &value) {
    auto array = dyn_cast<DenseI32ArrayAttr>(field);
    if (array)
      value.assign(array.asArrayRef().begin(), array.asArrayRef().end());
    return static_cast<bool>(array);
  }
  template <typename T>
  bool set(Attribute field, std::vector<T> &value) {
    auto array = dyn_cast<ArrayAttr>(field);
    if (!array)
      return false;
    value.clear();
    for (Attribute element : array) {
      auto dictionary = dyn_cast<DictionaryAttr>(element);
      if (!dictionary)
        return false;
      Reader reader(dictionary, emitError);
      visit(reader, value.emplace_back());
      if (failed(reader.finish())) {
        hadError = true;
        return false;
      }
    }
    return true;
  }
  template <typename T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  bool set(Attribute field, T &value) {
    auto number = dyn_cast<IntegerAttr>(field);
    if (!number || number.getValue().getBitWidth() > 64)
      return false;
    value = static_cast<T>(number.getValue().getSExtValue());
    return true;
  }

  DictionaryAttr attr;
  function_ref<InFlightDiagnostic()> emitError;
  llvm::StringSet<> known;
  bool hadError = false;
};
} // namespace

FailureOr<Description>
Description::fromAttr(DictionaryAttr attr,
                      function_ref<InFlightDiagnostic()> emitError) {
  Description description;
  Reader reader(attr, emitError);
  visit(reader, description);
  if (failed(reader.finish()))
    return failure();
  return description;
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

const Variant *Description::getLowestVariant() const {
  // Every program must run, so the most demanding of the programs' least
  // demanding variants counts.
  const Variant *result = nullptr;
  for (const Program &program : programs) {
    const Variant *least = nullptr;
    for (const Variant &variant : program.variants)
      if (!least ||
          llvm::popcount(variant.required) < llvm::popcount(least->required))
        least = &variant;
    if (least && (!result || llvm::popcount(least->required) >
                                 llvm::popcount(result->required)))
      result = least;
  }
  return result;
}

std::string pc::artifact::getCompilerName() { return "pcc " PC_VERSION; }
