//===- Serialize.cpp - Kernels as PTX and as bitcode ----------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "pc/Codegen/GPU/Serialize.h"
#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "pc/Artifact/Artifact.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/Vectorize/LoadStoreVectorizer.h"

using namespace mlir;
using namespace pc;

static std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const GPUTarget &target, unsigned optLevel,
                    function_ref<InFlightDiagnostic()> emitError) {
  static const bool initialised = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialised;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *found =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!found) {
    emitError() << "this build of LLVM has no NVPTX back end: " << message;
    return nullptr;
  }
  llvm::TargetOptions options;
  // Products and sums that are written as two operations stay two.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  constexpr llvm::CodeGenOptLevel levels[] = {
      llvm::CodeGenOptLevel::None, llvm::CodeGenOptLevel::Less,
      llvm::CodeGenOptLevel::Default, llvm::CodeGenOptLevel::Aggressive};
  return std::unique_ptr<llvm::TargetMachine>(found->createTargetMachine(
      triple, target.getName(), target.features, options, llvm::Reloc::PIC_,
      std::nullopt, levels[optLevel]));
}

/// Writes `image` of `module`.
static LogicalResult serialize(std::unique_ptr<llvm::Module> module,
                               unsigned optLevel, KernelImage &image,
                               function_ref<InFlightDiagnostic()> emitError) {
  std::unique_ptr<llvm::TargetMachine> machine =
      createTargetMachine(image.target, optLevel, emitError);
  if (!machine)
    return failure();
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  artifact::optimize(*module, *machine, optLevel);
  std::string problem;
  llvm::raw_string_ostream problems(problem);
  if (llvm::verifyModule(*module, &problems))
    return emitError() << "the kernels are not valid LLVM IR: " << problem;
  if (image.bitcode) {
    // The back end begins with it: accesses that the optimiser took apart are
    // counted as they are in PTX.
    if (optLevel > 0) {
      llvm::legacy::PassManager vectors;
      vectors.add(llvm::createTargetTransformInfoWrapperPass(
          machine->getTargetIRAnalysis()));
      vectors.add(llvm::createLoadStoreVectorizerPass());
      vectors.run(*module);
    }
    llvm::raw_string_ostream os(image.text);
    llvm::WriteBitcodeToFile(*module, os);
    return success();
  }
  SmallString<0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::legacy::PassManager emission;
  if (machine->addPassesToEmitFile(emission, os, nullptr,
                                   llvm::CodeGenFileType::AssemblyFile))
    return emitError() << "LLVM cannot write PTX";
  emission.run(*module);
  image.text = bytes.str().str();
  return success();
}

LogicalResult pc::serializeKernels(MLIRContext &context, unsigned optLevel,
                                   MutableArrayRef<KernelImage> images) {
  registerBuiltinDialectTranslation(context);
  registerGPUDialectTranslation(context);
  registerLLVMDialectTranslation(context);
  registerNVVMDialectTranslation(context);
  // Translation may change what it translates, and takes no time: one after the
  // other.
  std::vector<llvm::LLVMContext> contexts(images.size());
  SmallVector<std::unique_ptr<llvm::Module>> modules;
  for (auto [image, own] : llvm::zip_equal(images, contexts))
    if (!modules.emplace_back(
            translateModuleToLLVMIR(image.kernels, own, "kernels")))
      return emitError(image.kernels.getLoc())
             << "cannot translate the kernels to LLVM IR";
  return failableParallelForEachN(&context, 0, images.size(), [&](size_t i) {
    return serialize(std::move(modules[i]), optLevel, images[i],
                     [&]() { return emitError(images[i].kernels.getLoc()); });
  });
}
