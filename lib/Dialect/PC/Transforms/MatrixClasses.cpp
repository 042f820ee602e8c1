//===- MatrixClasses.cpp - Matrices that lie alike --------------*- C++ -*-===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Dialect/PC/Transforms/MatrixClasses.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace pc;

bool pc::isSharedMatrix(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.hasStaticShape() &&
         isa<FloatType>(tensor.getElementType());
}

PortAttr pc::getPort(BlockArgument argument) {
  auto program = cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return program.getArgAttrOfType<PortAttr>(argument.getArgNumber(),
                                            PCDialect::kPortAttrName);
}

void pc::updateSignature(func::FuncOp program) {
  Operation *exit = program.getBody().front().getTerminator();
  program.setType(FunctionType::get(program.getContext(),
                                    program.getBody().getArgumentTypes(),
                                    exit->getOperandTypes()));
}

bool pc::keepsLayout(Operation *op) {
  return isa<ElementwiseOpInterface, IdentityOp, DetachOp>(op);
}

MatrixClasses::MatrixClasses(ArrayRef<func::FuncOp> programs) {
  for (func::FuncOp program : programs)
    collect(program);
}

SmallVector<Value> MatrixClasses::getMatrices() const {
  return llvm::map_to_vector(values, [](auto &entry) { return entry.second; });
}

const void *MatrixClasses::add(Value value) {
  const void *key = value.getAsOpaquePointer();
  classes.insert(key);
  values.insert({key, value});
  return key;
}

void MatrixClasses::link(Value a, Value b) {
  if (isSharedMatrix(a.getType()) && isSharedMatrix(b.getType()))
    classes.unionSets(add(a), add(b));
}

void MatrixClasses::collect(func::FuncOp program) {
  auto addStorage = [&](PortAttr port, Value value) {
    if (!port.isStorage() || !isSharedMatrix(value.getType()))
      return;
    auto [known, inserted] =
        storage.try_emplace(port.getName().getValue(), value);
    link(known->second, value);
  };
  for (BlockArgument argument : program.getArguments()) {
    link(argument, argument);
    addStorage(getPort(argument), argument);
  }
  for (OpOperand &result :
       program.getBody().front().getTerminator()->getOpOperands())
    addStorage(program.getResultAttrOfType<PortAttr>(result.getOperandNumber(),
                                                     PCDialect::kPortAttrName),
               result.get());
  program.walk([&](Operation *op) {
    for (Value result : op->getResults())
      link(result, result);
    if (keepsLayout(op)) {
      for (Value value :
           llvm::concat<Value>(op->getOperands(), op->getResults()))
        link(op->getResult(0), value);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      for (unsigned i = 0; i < loop.getNumResults(); ++i) {
        link(loop.getResult(i), loop.getInitArgs()[i]);
        link(loop.getResult(i), loop.getRegionIterArg(i));
        link(loop.getResult(i), loop.getYieldedValues()[i]);
      }
    }
  });
}
