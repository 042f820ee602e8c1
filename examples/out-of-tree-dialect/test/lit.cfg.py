"""lit's configuration: where pc-opt, FileCheck and the plugin are."""

import lit.formats

config.name = "Acts"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".pcir"]
config.test_source_root = config.source_dir
config.test_exec_root = config.binary_dir
config.environment["PATH"] = f"{config.pcx_bin}:{config.llvm_bin}"
config.substitutions.append(("%plugin", f"--load-dialect-plugin={config.plugin}"))
