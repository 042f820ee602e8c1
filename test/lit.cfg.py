# Configuration of lit: text tests of the compiler and of the tools.
import os
import shutil

import lit.formats
from lit.llvm import llvm_config

config.name = "PC"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".pcir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.pc_obj_root, "test")
config.excludes = ["Inputs", "lib", "lit.cfg.py"]

config.environment["FILECHECK_OPTS"] = (
    "--enable-var-scope --allow-unused-prefixes=false"
)
llvm_config.with_system_environment(["HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS"])

# %models: the zoo; %shared: data sets and golden numbers beside the checkout.
config.substitutions.append(("%models", os.path.join(config.pc_src_root, "models")))
config.substitutions.append(("%shared", config.pc_shared_dir))
if os.path.isdir(os.path.join(config.pc_shared_dir, "golden")):
    config.available_features.add("shared")
if shutil.which("ptxas"):
    config.available_features.add("ptxas")

bin_dir = os.path.join(config.pc_obj_root, "bin")
tools = ["pc-opt", "FileCheck", "not", "count", "split-file"]
for tool in ["pcc", "pc-reduce", "pc-interpret", "pc-lsp-server", "pcx-run"]:
    if os.path.exists(os.path.join(bin_dir, tool)):
        config.available_features.add(tool)
        tools.append(tool)
llvm_config.add_tool_substitutions(tools, [bin_dir, config.llvm_tools_dir])
