//===- Program.cpp - Kernels compiled for this machine --------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Program.h"
#include "Hooks.h"

#include "llvm/ExecutionEngine/Orc/ThreadSafeModule.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"

using namespace llvm;
using namespace pc::sim;

static Error defineHooks(orc::LLJIT &jit, uint64_t *runs) {
  orc::SymbolMap symbols;
  auto define = [&](StringRef name, auto *address) {
    symbols[jit.mangleAndIntern(name)] = {orc::ExecutorAddr::fromPtr(address),
                                          JITSymbolFlags::Exported};
  };
  define("pcx_sim_access", &pcx_sim_access);
  define("pcx_sim_special", &pcx_sim_special);
  define("pcx_sim_shared", &pcx_sim_shared);
  define("pcx_sim_barrier", &pcx_sim_barrier);
  define("pcx_sim_warp_barrier", &pcx_sim_warp_barrier);
  define("pcx_sim_fence", &pcx_sim_fence);
  define("pcx_sim_shuffle", &pcx_sim_shuffle);
  define("pcx_sim_matrix", &pcx_sim_matrix);
  define("pcx_sim_load_matrix", &pcx_sim_load_matrix);
  define("pcx_sim_async_copy", &pcx_sim_async_copy);
  define("pcx_sim_async_commit", &pcx_sim_async_commit);
  define("pcx_sim_async_wait", &pcx_sim_async_wait);
  define("pcx.sim.runs", runs);
  return jit.getMainJITDylib().define(orc::absoluteSymbols(symbols));
}

Expected<std::unique_ptr<Program>> Program::create(MemoryBufferRef source) {
  static const bool initialised = [] {
    InitializeNativeTarget();
    InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialised;
  auto context = std::make_unique<LLVMContext>();
  SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> module = parseIR(source, diagnostic, *context);
  if (!module) {
    std::string message;
    raw_string_ostream os(message);
    diagnostic.print(nullptr, os, /*ShowColors=*/false);
    return createStringError(message);
  }
  Expected<std::unique_ptr<orc::LLJIT>> jit = orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  module->setTargetTriple((*jit)->getTargetTriple());
  module->setDataLayout((*jit)->getDataLayout());

  std::unique_ptr<Program> program(new Program);
  if (Error error = instrument(*module, *program))
    return std::move(error);
  if (Error error = defineHooks(**jit, program->runs.data()))
    return std::move(error);
  // The host's mathematical functions.
  auto process = orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  (*jit)->getMainJITDylib().addGenerator(std::move(*process));
  if (Error error = (*jit)->addIRModule(
          orc::ThreadSafeModule(std::move(module), std::move(context))))
    return std::move(error);
  for (auto &entry : program->kernels) {
    Expected<orc::ExecutorAddr> address =
        (*jit)->lookup(getRunnerName(entry.first()));
    if (!address)
      return address.takeError();
    entry.second.run = address->toPtr<void (*)(void *const *)>();
  }
  program->jit = std::move(*jit);
  return program;
}
