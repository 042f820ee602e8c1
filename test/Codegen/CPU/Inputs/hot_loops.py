"""What the loops of compiled kernels consist of, from their assembly.

  hot_loops.py FILE.s

Prints a line for each innermost loop of a kernel:

  <kernel>: <n> fma <register>, <n> loads, <n> broadcasts, <n> stores, <n> spills, <n> calls

where multiply-adds are those of pairs, too (vdpbf16ps), loads and broadcasts are
vector instructions that read memory (a broadcast may be folded into a
multiply-add), spills are accesses to fixed places of the stack, and the register
is the widest of the multiply-adds. Of a loop over tile registers:

  <kernel>: <n> tile products, <n> tile loads, <n> tile stores, <n> spills, <n> calls

Then one line for each function that is called and not defined in the file,
"undefined: <name>"; a call through a pointer is "indirect" and stands in no
kernel.
"""

import collections
import re
import sys

FUNCTION = re.compile(r'^"?([A-Za-z_][\w$.\-]*)"?:')
LOCAL = re.compile(r"^(\.L\w+):")
JUMP = re.compile(r"^\s+j\w+\s+(\.L\w+)")
CALL = re.compile(r"^\s+callq?\s+(\S+)")
# <program>$<cpu>$<number>$<kind>: see EmitCPU.cpp
KERNEL = re.compile(r"\$\d+\$\w+$")


def functions(lines):
    """Name and instructions of each function."""
    name, body = None, []
    for line in lines:
        found = FUNCTION.match(line)
        if found and not line.startswith("."):
            name, body = found.group(1), []
        elif name and line.startswith(".Lfunc_end"):
            yield name, body
            name = None
        elif name:
            body.append(line.rstrip())


def innermost(body):
    """The instructions of every loop that has no loop inside."""
    position = {}
    loops = []
    for index, line in enumerate(body):
        if found := LOCAL.match(line):
            position[found.group(1)] = index
        elif found := JUMP.match(line):
            start = position.get(found.group(1))
            if start is not None:
                loops.append((start, index))
    for start, end in loops:
        if not any(
            start <= other[0] and other[1] <= end and other != (start, end)
            for other in loops
        ):
            yield body[start + 1 : end + 1]


def describe(loop, stack):
    counts = collections.Counter()
    registers = set()
    for line in loop:
        code = line.split("#")[0].strip()
        memory = re.search(r"\(%\w+", code)
        if not code or code.startswith("."):
            continue
        mnemonic = code.split()[0]
        vector = re.search(r"%[xyz]mm", code)
        if mnemonic.startswith(("vfmadd", "vfnmadd", "vfmsub", "vdpbf16ps")):
            counts["fma"] += 1
            registers.update(re.findall(r"%([xyz]mm)", code))
            if memory:
                counts["broadcast" if "{1to" in code else "load"] += 1
        elif tile := re.match("tdp|tileload|tilestore", mnemonic):
            counts[tile.group()] += 1
        elif mnemonic.startswith("vbroadcast") and memory:
            counts["broadcast"] += 1
        elif vector and memory:
            # AT&T order: the target comes last.
            operands = re.sub(r"\{%k\d\}|\{z\}", "", code).rstrip()
            counts["store" if operands.endswith(")") else "load"] += 1
        if stack.search(code):
            counts["spill"] += 1
        if mnemonic.startswith("call"):
            counts["call"] += 1
    if counts["tdp"]:
        return (
            f"{counts['tdp']} tile products, {counts['tileload']} tile loads, "
            f"{counts['tilestore']} tile stores, {counts['spill']} spills, "
            f"{counts['call']} calls"
        )
    widest = max(registers, default="none")
    return (
        f"{counts['fma']} fma {widest}, {counts['load']} loads, "
        f"{counts['broadcast']} broadcasts, {counts['store']} stores, "
        f"{counts['spill']} spills, {counts['call']} calls"
    )


def main(path):
    with open(path) as file:
        lines = file.readlines()
    defined, called = set(), set()
    for name, body in functions(lines):
        defined.add(name)
        for line in body:
            if found := CALL.match(line):
                target = found.group(1).strip('"').split("@")[0]
                if target.startswith("*"):
                    target = "indirect in a kernel" if KERNEL.search(name) else ""
                called.add(target)
        if KERNEL.search(name):
            # Without a frame, rbp is a register like any other.
            frame = any(re.search(r"movq\s+%rsp, %rbp", line) for line in body)
            # With an index it is a copy of an operand, not a spilled register.
            stack = re.compile(r"\(%r[sb]p\)" if frame else r"\(%rsp\)")
            for loop in innermost(body):
                print(f"{name}: {describe(loop, stack)}")
    for name in sorted(called - defined - {""}):
        print(f"undefined: {name}")


main(sys.argv[1])
