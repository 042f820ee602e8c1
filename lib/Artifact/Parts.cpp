//===- Parts.cpp - Modules in parts ---------------------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Parts.h"

#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace mlir;
using namespace pc::artifact;

/// The most parts: more than most machines have cores, so that the last one to
/// be compiled is a small piece of the work. Modules with fewer instructions
/// than this a part are compiled in milliseconds and have fewer parts.
static constexpr unsigned kMostParts = 12;
static constexpr unsigned kLeastInstructions = 1000;

using PartMap = llvm::DenseMap<const llvm::GlobalValue *, unsigned>;

/// Deals functions to parts, the largest ones first. What is not in the map is
/// in the first part. Returns the number of parts.
static unsigned dealFunctions(llvm::Module &module, PartMap &partOf) {
  SmallVector<std::pair<unsigned, llvm::Function *>> functions;
  unsigned total = 0, rest = 0;
  for (llvm::Function &function : module) {
    unsigned size = function.getInstructionCount();
    total += size;
    if (function.hasFnAttribute(llvm::Attribute::NoInline) &&
        function.hasLocalLinkage() && !function.hasAddressTaken())
      functions.emplace_back(size, &function);
    else
      rest += size;
  }
  unsigned parts = std::clamp(total / kLeastInstructions, 1U, kMostParts);
  parts = std::min<unsigned>(parts, functions.size() + 1);
  llvm::sort(functions, [](const auto &a, const auto &b) {
    return std::make_pair(a.first, b.second->getName()) >
           std::make_pair(b.first, a.second->getName());
  });
  SmallVector<unsigned> sizes(parts);
  sizes.front() = rest;
  for (auto [size, function] : functions) {
    unsigned part = llvm::min_element(sizes) - sizes.begin();
    sizes[part] += size;
    partOf[function] = part;
  }
  return parts;
}

/// True if a function of another part than the first uses the value.
static bool isUsedElsewhere(const llvm::Value &value, const PartMap &partOf) {
  return llvm::any_of(value.users(), [&](const llvm::User *user) {
    if (auto *instruction = dyn_cast<llvm::Instruction>(user))
      return partOf.lookup(instruction->getFunction()) != 0;
    // Variables and what they are made of are all in the first part.
    return !isa<llvm::GlobalVariable>(user) && isUsedElsewhere(*user, partOf);
  });
}

/// Makes a local symbol visible to the other parts, not outside of the
/// artifact.
static void hide(llvm::GlobalValue &value) {
  if (!value.hasLocalLinkage())
    return;
  value.setLinkage(llvm::GlobalValue::ExternalLinkage);
  value.setVisibility(llvm::GlobalValue::HiddenVisibility);
  value.setDSOLocal(true);
}

std::vector<Bitcode> pc::artifact::splitModule(llvm::Module &module) {
  PartMap partOf;
  unsigned parts = dealFunctions(module, partOf);
  for (llvm::Function &function : module)
    if (partOf.lookup(&function) != 0 || isUsedElsewhere(function, partOf))
      hide(function);
  for (llvm::GlobalVariable &global : module.globals())
    if (isUsedElsewhere(global, partOf)) {
      if (!global.hasName())
        global.setName("shared");
      hide(global);
    }

  std::vector<Bitcode> result;
  for (unsigned part = 0; part < parts; ++part) {
    llvm::ValueToValueMapTy values;
    std::unique_ptr<llvm::Module> clone =
        llvm::CloneModule(module, values, [&](const llvm::GlobalValue *value) {
          return partOf.lookup(value) == part;
        });
    for (llvm::GlobalValue &value :
         llvm::make_early_inc_range(clone->global_values()))
      if (value.isDeclaration() && value.use_empty())
        value.eraseFromParent();
    result.push_back(writePart(*clone));
  }
  return result;
}

Bitcode pc::artifact::writePart(const llvm::Module &module) {
  Bitcode part;
  llvm::raw_svector_ostream stream(part);
  llvm::WriteBitcodeToFile(module, stream);
  return part;
}

std::unique_ptr<llvm::Module>
pc::artifact::readPart(const Bitcode &part, llvm::LLVMContext &context) {
  StringRef bytes(part.data(), part.size());
  return llvm::cantFail(llvm::parseBitcodeFile({bytes, "part"}, context),
                        "what this process wrote can be read");
}

std::unique_ptr<llvm::Module>
pc::artifact::joinParts(ArrayRef<Bitcode> parts, ArrayRef<std::string> names,
                        llvm::LLVMContext &context) {
  std::unique_ptr<llvm::Module> module = readPart(parts.front(), context);
  module->setModuleIdentifier(module->getSourceFileName());
  for (const Bitcode &part : parts.drop_front())
    if (llvm::Linker::linkModules(*module, readPart(part, context)))
      llvm_unreachable("parts of a module define different names");
  for (llvm::GlobalValue &value : module->global_values())
    if (!value.isDeclaration() && value.hasHiddenVisibility()) {
      value.setVisibility(llvm::GlobalValue::DefaultVisibility);
      value.setLinkage(llvm::GlobalValue::InternalLinkage);
    }
  for (StringRef name : names)
    if (llvm::Function *function = module->getFunction(name)) {
      function->removeFromParent();
      module->getFunctionList().push_back(function);
    }
  return module;
}
