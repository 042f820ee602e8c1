# -*- Python -*-
#
# Configuration of the lit test suite.

import os
import re
import shutil
import subprocess
import sys

import lit.formats
from lit.llvm import llvm_config

config.name = "PCX"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".pcir", ".test"]
config.excludes = ["Inputs", "corpus", "lib", "CMakeLists.txt", "lit.cfg.py"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.pc_obj_root, "test")

config.environment["FILECHECK_OPTS"] = (
    "--enable-var-scope --allow-unused-prefixes=false"
)
for name in ["ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"]:
    if name in os.environ:
        config.environment[name] = os.environ[name]
if "address" in config.pc_sanitizer:
    # The shared LLVM is not instrumented: what it allocates and its containers
    # cannot be followed.
    config.environment["ASAN_OPTIONS"] = ":".join(
        [
            "detect_leaks=0:allow_user_poisoning=0:detect_container_overflow=0",
            config.environment.get("ASAN_OPTIONS", ""),
        ]
    )

llvm_config.with_system_environment(["HOME", "TMPDIR"])
# Our tools; each is also a feature, so that a partial build tests what it has.
tools = [
    "pc-interpret",
    "pc-lsp-server",
    "pc-opt",
    "pc-reduce",
    "pc-sim-check",
    "pcc",
    "pcx-run",
]
for tool in tools:
    if os.path.exists(os.path.join(config.pc_tools_dir, tool)):
        config.available_features.add(tool)
        llvm_config.add_tool_substitutions([tool], [config.pc_tools_dir])
llvm_config.add_tool_substitutions(
    [
        "FileCheck",
        "count",
        "llc",
        "llvm-dwarfdump",
        "llvm-nm",
        "llvm-readelf",
        "llvm-symbolizer",
        "mlir-translate",
        "not",
        "opt",
        "split-file",
    ],
    [config.llvm_tools_dir],
)
# For a program that runs without our environment.
config.substitutions.append(
    (
        "%asan_options",
        "ASAN_OPTIONS=" + config.environment["ASAN_OPTIONS"]
        if "address" in config.pc_sanitizer
        else "",
    )
)
config.substitutions.append(("%build_root", config.pc_obj_root))
config.substitutions.append(("%llvm_tools", config.llvm_tools_dir))
config.substitutions.append(("%models", os.path.join(config.pc_src_root, "models")))
config.substitutions.append(("%pc_tools", config.pc_tools_dir))
config.substitutions.append(("%shared", config.pc_shared_dir))
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%src_root", config.pc_src_root))

# sim-device: programs may run with --device=sim.
if os.path.exists(os.path.join(config.pc_obj_root, "lib/libpcx-sim.so")):
    config.available_features.add("sim-device")
# shared: golden numbers and real data sets are at hand.
if os.path.isdir(os.path.join(config.pc_shared_dir, "golden")):
    config.available_features.add("shared")
if os.path.isdir("/usr/share/datasets/fashion-mnist"):
    config.available_features.add("fashion-mnist")
ptxas = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
if os.path.exists(ptxas):
    config.available_features.add("ptxas")
    config.substitutions.append(("%ptxas", ptxas))
# unshare: a mount namespace of its own, to hide folders from a program.
if (
    shutil.which("unshare")
    and subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount"]
        + ["/bin/sh", "-c", "mount -t tmpfs none /usr/include"],
        stderr=subprocess.DEVNULL,
    ).returncode
    == 0
):
    config.available_features.add("unshare")


def cpu_flags():
    try:
        with open("/proc/cpuinfo") as file:
            found = re.search(r"^flags\s*:(.*)$", file.read(), re.MULTILINE)
            return set(found.group(1).split()) if found else set()
    except OSError:
        return set()


flags = cpu_flags()
if flags >= {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe"}:
    config.available_features.add("x86-64-v3")
if flags >= {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}:
    config.available_features.add("x86-64-v4")
if len(os.sched_getaffinity(0)) > 1:
    config.available_features.add("several-cpus")
# What sapphirerapids and cooperlake need: see lib/Codegen/CPU/Target.cpp.
if "x86-64-v4" in config.available_features and flags >= {"avx512_bf16", "avx512_vnni"}:
    config.available_features.add("avx512-bf16")
    if flags >= {"amx_tile", "amx_bf16", "amx_int8", "avx512_fp16"}:
        config.available_features.add("amx-bf16")
