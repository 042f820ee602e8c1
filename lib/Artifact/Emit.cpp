//===- Emit.cpp - LLVM IR, assembly and objects ---------------------------===//
//
// Part of pcc, the predictive-coding compiler, under the Apache License v2.0
// with LLVM Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The code must not need a library, so LLVM is told that there is none: it may
// not turn a loop into memset, nor pow(x, 2) into anything with a name. What
// the back end calls regardless, memcpy, memmove and memset for large or
// unknown sizes, is defined here, next to the code, and dropped by the linker
// when nothing needs it.
//
//===----------------------------------------------------------------------===//

#include "Parts.h"
#include "pc/Artifact/Artifact.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Threading.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include "llvm/Transforms/IPO/SCCP.h"

using namespace mlir;
using namespace pc::artifact;

//===----------------------------------------------------------------------===//
// Target
//===----------------------------------------------------------------------===//

/// The machine of functions that name no other; also that of the query
/// function, which must run anywhere.
static std::unique_ptr<llvm::TargetMachine>
createTargetMachine(unsigned optLevel,
                    function_ref<InFlightDiagnostic()> emitError) {
  static const bool initialised = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmParser();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  (void)initialised;

  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!target) {
    emitError() << "this build of LLVM has no x86-64 back end: " << message;
    return nullptr;
  }
  llvm::TargetOptions options;
  // Fuses llvm.fmuladd, which vector.fma becomes, and no product and sum that
  // are written as two operations.
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  // One section each, for the linker to drop what is not used.
  options.FunctionSections = true;
  options.DataSections = true;
  constexpr llvm::CodeGenOptLevel levels[] = {
      llvm::CodeGenOptLevel::None, llvm::CodeGenOptLevel::Less,
      llvm::CodeGenOptLevel::Default, llvm::CodeGenOptLevel::Aggressive};
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, "x86-64", "", options, llvm::Reloc::PIC_, llvm::CodeModel::Small,
      levels[optLevel]));
}

/// A library of which nothing may be used.
static llvm::TargetLibraryInfoImpl getNoLibrary(const llvm::Module &module) {
  llvm::TargetLibraryInfoImpl library(module.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

//===----------------------------------------------------------------------===//
// memcpy, memmove, memset
//===----------------------------------------------------------------------===//

namespace {
/// Defines the functions that the back end calls for llvm.memcpy and its kin.
/// They are the processor's string instructions: fast from a few hundred bytes
/// on, and what is smaller the back end expands in line.
class MemoryFunctions {
public:
  explicit MemoryFunctions(llvm::Module &module)
      : module(module), context(module.getContext()), b(context),
        pointer(llvm::PointerType::getUnqual(context)),
        word(llvm::Type::getInt64Ty(context)) {}

  void define() {
    defineCopy();
    defineMove();
    defineSet();
  }

private:
  /// Starts a hidden function; none if the module has its own.
  llvm::Function *start(StringRef name, llvm::Type *second) {
    llvm::Function *function = module.getFunction(name);
    if (function && !function->isDeclaration())
      return nullptr;
    auto *type = llvm::FunctionType::get(pointer, {pointer, second, word},
                                         /*isVarArg=*/false);
    if (!function)
      function = llvm::Function::Create(
          type, llvm::GlobalValue::ExternalLinkage, name, module);
    if (function->getFunctionType() != type)
      return nullptr;
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    function->setDSOLocal(true);
    function->setDoesNotThrow();
    // Its body must not become a call of itself.
    function->addFnAttr("no-builtins");
    function->addFnAttr(llvm::Attribute::NoInline);
    b.SetInsertPoint(llvm::BasicBlock::Create(context, "entry", function));
    return function;
  }

  /// A string instruction with its three registers in and out.
  void emitAsm(StringRef text, StringRef source, llvm::Value *rdi,
               llvm::Value *second, llvm::Value *rcx) {
    std::string outputs = "={rdi},={rcx}";
    std::string inputs = "0,1," + source.str();
    SmallVector<llvm::Type *> results = {pointer, word};
    if (source == "{rsi}") {
      outputs += ",={rsi}";
      inputs = "0,1,2";
      results.push_back(pointer);
    }
    auto *type = llvm::FunctionType::get(
        llvm::StructType::get(context, results),
        {pointer, word, second->getType()}, /*isVarArg=*/false);
    auto *assembly = llvm::InlineAsm::get(
        type, text,
        outputs + "," + inputs + ",~{memory},~{dirflag},~{fpsr},~{flags}",
        /*hasSideEffects=*/true);
    b.CreateCall(type, assembly, {rdi, rcx, second});
  }

  void defineCopy() {
    llvm::Function *f = start("memcpy", pointer);
    if (!f)
      return;
    emitAsm("rep movsb", "{rsi}", f->getArg(0), f->getArg(1), f->getArg(2));
    b.CreateRet(f->getArg(0));
  }

  void defineMove() {
    llvm::Function *f = start("memmove", pointer);
    if (!f)
      return;
    llvm::Value *to = f->getArg(0), *from = f->getArg(1), *count = f->getArg(2);
    // Upwards unless the target begins inside of the source.
    llvm::Value *distance =
        b.CreateSub(b.CreatePtrToInt(to, word), b.CreatePtrToInt(from, word));
    auto *up = llvm::BasicBlock::Create(context, "up", f);
    auto *down = llvm::BasicBlock::Create(context, "down", f);
    b.CreateCondBr(b.CreateICmpUGE(distance, count), up, down);
    b.SetInsertPoint(up);
    emitAsm("rep movsb", "{rsi}", to, from, count);
    b.CreateRet(to);
    b.SetInsertPoint(down);
    llvm::Value *last = b.CreateSub(count, b.getInt64(1));
    emitAsm("std\n\trep movsb\n\tcld", "{rsi}",
            b.CreateGEP(b.getInt8Ty(), to, last),
            b.CreateGEP(b.getInt8Ty(), from, last), count);
    b.CreateRet(to);
  }

  void defineSet() {
    llvm::Function *f = start("memset", b.getInt32Ty());
    if (!f)
      return;
    emitAsm("rep stosb", "{al}", f->getArg(0),
            b.CreateTrunc(f->getArg(1), b.getInt8Ty()), f->getArg(2));
    b.CreateRet(f->getArg(0));
  }

  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::IRBuilder<> b;
  llvm::PointerType *pointer;
  llvm::Type *word;
};
} // namespace

//===----------------------------------------------------------------------===//
// The way
//===----------------------------------------------------------------------===//

/// Makes everything but the query function local and without exceptions.
static void restrictVisibility(llvm::Module &module, bool debugInfo) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    if (function.getName() != PCX_QUERY_SYMBOL) {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      function.setVisibility(llvm::GlobalValue::DefaultVisibility);
      function.setDSOLocal(true);
    }
    function.setDoesNotThrow();
    if (debugInfo) {
      function.addFnAttr("frame-pointer", "all");
      function.setUWTableKind(llvm::UWTableKind::Async);
    }
  }
  for (llvm::GlobalVariable &global : module.globals()) {
    if (global.isDeclaration() || global.hasLocalLinkage())
      continue;
    global.setLinkage(llvm::GlobalValue::InternalLinkage);
    global.setVisibility(llvm::GlobalValue::DefaultVisibility);
    global.setDSOLocal(true);
  }
}

/// Runs the passes that `build` makes with `machine`'s cost model.
static void
runPasses(llvm::Module &module, llvm::TargetMachine &machine,
          function_ref<llvm::ModulePassManager(llvm::PassBuilder &)> build) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  llvm::TargetLibraryInfoImpl library = getNoLibrary(module);
  functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  build(builder).run(module, modules);
}

void pc::artifact::optimize(llvm::Module &module, llvm::TargetMachine &machine,
                            unsigned optLevel) {
  constexpr const llvm::OptimizationLevel *levels[] = {
      &llvm::OptimizationLevel::O0, &llvm::OptimizationLevel::O1,
      &llvm::OptimizationLevel::O2, &llvm::OptimizationLevel::O3};
  runPasses(module, machine, [&](llvm::PassBuilder &builder) {
    return builder.buildPerModuleDefaultPipeline(*levels[optLevel]);
  });
}

/// Propagates constants into functions while all callers are in one module: a
/// part does not see those of its functions.
static void propagateArguments(llvm::Module &module,
                               llvm::TargetMachine &machine) {
  runPasses(module, machine, [](llvm::PassBuilder &) {
    llvm::ModulePassManager passes;
    passes.addPass(
        llvm::IPSCCPPass(llvm::IPSCCPOptions(/*AllowFuncSpec=*/false)));
    return passes;
  });
}

/// Runs the back end.
static void generateCode(llvm::Module &module, llvm::TargetMachine &machine,
                         llvm::CodeGenFileType kind,
                         llvm::raw_pwrite_stream &output) {
  llvm::legacy::PassManager passes;
  passes.add(new llvm::TargetLibraryInfoWrapperPass(getNoLibrary(module)));
  [[maybe_unused]] bool none =
      machine.addPassesToEmitFile(passes, output, /*DwoOut=*/nullptr, kind);
  assert(!none && "x86-64 has assembly and objects");
  passes.run(module);
}

LogicalResult pc::artifact::emit(ModuleOp module,
                                 const Description &description, Emit kind,
                                 const EmitOptions &options,
                                 SmallVectorImpl<char> &output) {
  assert(options.optLevel <= 3 && "optimisation levels are 0 to 3");
  auto emitError = [&] { return mlir::emitError(module.getLoc()); };
  // Registering again is harmless; the caller need not know.
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());

  llvm::LLVMContext context;
  StringRef name = description.sourceName;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(
      module, context, name.empty() ? StringRef("module") : name);
  if (!llvmModule)
    return emitError() << "cannot translate the module to LLVM IR";
  std::unique_ptr<llvm::TargetMachine> machine =
      createTargetMachine(options.optLevel, emitError);
  if (!machine)
    return failure();
  llvmModule->setTargetTriple(machine->getTargetTriple());
  llvmModule->setDataLayout(machine->createDataLayout());

  if (failed(emitTable(*llvmModule, description, emitError)))
    return failure();
  restrictVisibility(*llvmModule, options.debugInfo);
  if (options.optLevel > 0)
    propagateArguments(*llvmModule, *machine);

  // Each part becomes an object where that is wanted, and stays LLVM IR where
  // one text is to be made of all.
  SmallVector<std::string> names;
  for (const llvm::Function &function : *llvmModule)
    names.push_back(function.getName().str());
  std::vector<Bitcode> parts = splitModule(*llvmModule);
  llvmModule.reset();
  std::vector<std::unique_ptr<llvm::TargetMachine>> machines;
  for (size_t part = 0; part < parts.size(); ++part)
    machines.push_back(createTargetMachine(options.optLevel, emitError));
  auto compile = [&](size_t index) {
    llvm::LLVMContext own;
    Bitcode &bytes = parts[index];
    std::unique_ptr<llvm::Module> part = readPart(bytes, own);
    optimize(*part, *machines[index], options.optLevel);
    if (index == 0)
      setStageTasks(*part);
    if (kind != Emit::Artifact) {
      bytes = writePart(*part);
      return;
    }
    if (index == 0)
      MemoryFunctions(*part).define();
    bytes.clear();
    llvm::raw_svector_ostream object(bytes);
    generateCode(*part, *machines[index], llvm::CodeGenFileType::ObjectFile,
                 object);
  };
  parallelFor(module.getContext(), 0, parts.size(), compile);

  if (kind != Emit::Artifact) {
    llvmModule = joinParts(parts, names, context);
    llvm::raw_svector_ostream stream(output);
    if (kind == Emit::LLVMIR) {
      llvmModule->print(stream, /*AAW=*/nullptr);
      return success();
    }
    MemoryFunctions(*llvmModule).define();
    generateCode(*llvmModule, *machine,
                 kind == Emit::Assembly ? llvm::CodeGenFileType::AssemblyFile
                                        : llvm::CodeGenFileType::ObjectFile,
                 stream);
    return success();
  }
  FailureOr<SmallVector<char, 0>> linked = linkObjects(parts, emitError);
  if (failed(linked))
    return failure();
  addTrailer(*linked, description);
  output.append(linked->begin(), linked->end());
  return success();
}
