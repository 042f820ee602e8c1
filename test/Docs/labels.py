"""Compares the labels of constraints in sources, specification and tests.

usage: labels.py SOURCE-ROOT

A verifier names the constraint that it checks in a comment (`// linear_c1`).
Each of those must stand in docs/spec.md and in a test; each that the
specification names must stand in a test, unless it is a convention that no
single operation checks; and the labels of one name count up from 1.
"""

import pathlib
import re
import sys

# Conventions: every operand type of every operation.
CONVENTIONS = {"tensor_c1", "tensor_c2"}


def labels(files, pattern):
    found = {}
    for file in files:
        for label in re.findall(pattern, file.read_text()):
            found.setdefault(label, file)
    return found


def main(root):
    sources = labels(
        sorted(root.glob("lib/**/*.cpp")), r"//[^\n]*?\b([a-z_]+_c[0-9]+)\b"
    )
    spec = labels([root / "docs/spec.md"], r"`([a-z_]+_c[0-9]+)`")
    tests = labels(
        sorted(root.glob("test/**/*.mlir")) + sorted(root.glob("test/**/*.test")),
        r"\b([a-z_]+_c[0-9]+)(?![0-9])",
    )
    problems = []
    for label, file in sorted(sources.items()):
        if label not in spec:
            problems.append(f"{file}: {label} is not in docs/spec.md")
        if label not in tests:
            problems.append(f"{file}: {label} is in no test")
    for label in sorted(spec.keys() - sources.keys() - tests.keys() - CONVENTIONS):
        problems.append(f"docs/spec.md: {label} is in no test")
    numbers = {}
    for label in spec:
        name, number = label.rsplit("_c", 1)
        numbers.setdefault(name, set()).add(int(number))
    for name, used in sorted(numbers.items()):
        if used != set(range(1, len(used) + 1)):
            problems.append(f"docs/spec.md: {name}_c* does not count up from 1")
    if not spec or not sources:
        problems.append("no labels found: has the notation changed?")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(spec)} constraints, {len(sources)} of them in verifiers")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
