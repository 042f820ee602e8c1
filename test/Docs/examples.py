"""Runs the examples of a document.

usage: examples.py SOURCE-ROOT TOOLS LLVM-TOOLS DOCUMENT WORK-FOLDER

What stands in an HTML comment right before a fenced block says what it is:

  <!-- file: NAME -->      the block is written to NAME
  <!-- part of: NAME -->   its lines stand, one after the other, in NAME: a file
                           of the repository or of an example
  <!-- run -->             the block is run by bash, with the programs in PATH
  <!-- fails -->           the same, and must exit with something else than 0
  <!-- output -->          the block's lines stand in what the last command
                           printed, in this order; "..." stands for any lines
                           or, inside a line, for any text, and the numbers of
                           SSA values are not compared
  <!-- generated: ... -->  tools/update-docs writes it, and another test checks it
  <!-- not run: WHY -->    it cannot be run here

A block without such a comment is an error, so that no example is forgotten.
"""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

FENCE = re.compile(
    r"(?:<!-- (?P<mark>(?:(?!-->).)*?) -->\n)?^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Problem(Exception):
    """An example that does not do what the document says."""


def strip(text):
    return [line.strip() for line in textwrap.dedent(text).strip("\n").split("\n")]


def check_part(body, name, root, work):
    file = work / name if (work / name).exists() else root / name
    if not file.exists():
        raise Problem(f"there is no {name}")
    lines, part = strip(file.read_text()), strip(body)
    for start in range(len(lines) - len(part) + 1):
        if lines[start : start + len(part)] == part:
            return
    raise Problem(f"these lines are not in {name}:\n{body}")


def check_output(body, printed):
    def unnumbered(text):
        return [re.sub(r"%\d+\b", "%0", line) for line in strip(text)]

    lines = iter(unnumbered(printed))
    gap = True
    for wanted in unnumbered(body):
        if wanted == "...":
            gap = True
            continue
        pattern = ".*".join(map(re.escape, wanted.split("...")))
        for line in lines:
            if re.fullmatch(pattern, line):
                break
            if not gap:
                raise Problem(f"expected '{wanted}', found '{line}' in\n{printed}")
        else:
            raise Problem(f"expected '{wanted}' in\n{printed}")
        gap = False


def run(body, environment, work, fails):
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", body],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if (result.returncode != 0) != fails:
        raise Problem(f"exit code {result.returncode} of\n{body}\n{result.stdout}")
    return result.stdout


def main(root, tools, llvm_tools, document, work):
    subprocess.run(["rm", "-rf", str(work)], check=True)
    work.mkdir(parents=True)
    # The examples name the files of the repository as from its root.
    for name in ("models", "examples"):
        (work / name).symlink_to(root / name)
    path = f"{tools}:{llvm_tools}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    text = document.read_text()
    printed = ""
    blocks = 0
    for match in FENCE.finditer(text):
        mark, body = match["mark"] or "", match["body"]
        line = text.count("\n", 0, match.start()) + 1
        kind, _, argument = (part.strip() for part in mark.partition(":"))
        blocks += 1
        try:
            if kind == "file":
                (work / argument).write_text(body)
            elif kind == "part of":
                check_part(body, argument, root, work)
            elif kind in ("run", "fails"):
                printed = run(body, environment, work, kind == "fails")
            elif kind == "output":
                check_output(body, printed)
            elif kind not in ("generated", "not run"):
                raise Problem("this block is not marked, so nothing tests it")
        except Problem as problem:
            print(f"{document}:{line}: {problem}", file=sys.stderr)
            return 1
    if blocks != len(re.findall(r"^```\w+$", text, re.MULTILINE)):
        print(f"{document}: a block without a language", file=sys.stderr)
        return 1
    print(f"{blocks} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
