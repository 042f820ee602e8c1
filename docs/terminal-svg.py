#!/usr/bin/env python3
"""Draws what a command printed as an SVG of a terminal.

usage: COMMAND 2>&1 | docs/terminal-svg.py TITLE > picture.svg

Lines that begin with "$ " are drawn as commands, with "== " as headings. Of a
line that was written over (carriage returns) the last state is drawn. README.md's
picture:

  tools/quickstart | sed -n '/^== 4/,/samples  accuracy/p' |
    docs/terminal-svg.py tools/quickstart > docs/quickstart.svg
"""

import html
import re
import sys
import textwrap

FONT, LINE, WIDTH, MARGIN = 13, 18, 7.83, 16
COLUMNS = 96
STYLES = {"$": ' fill="#8ddb8c"', "==": ' fill="#6cb6ff" font-weight="bold"'}


def main(title):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sys.stdin.read())
    lines = [
        [part for part in line.split("\r") if part.strip()][-1:] or [""]
        for line in text.rstrip("\n").split("\n")
    ]
    # Long lines go on in the next, a command's as one would type them.
    styled = []
    for line in lines:
        line = line[0].rstrip()
        style = STYLES.get(line.split(" ", 1)[0], "")
        end = " \\" if line.startswith("$ ") else ""
        parts = [line]
        if len(line) > COLUMNS:
            parts = textwrap.wrap(
                line,
                COLUMNS - len(end),
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        styled += [(part + end, style) for part in parts[:-1]] + [(parts[-1], style)]
    lines = [line for line, _ in styled]
    columns = max(len(line) for line in lines)
    width = round(2 * MARGIN + columns * WIDTH)
    height = 2 * MARGIN + 28 + LINE * len(lines)
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
    )
    print(f'<rect width="{width}" height="{height}" rx="8" fill="#1c2128"/>')
    for index, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        print(f'<circle cx="{MARGIN + 6 + 20 * index}" cy="18" r="6" fill="{colour}"/>')
    print(
        f'<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" '
        f'font-size="{FONT}" fill="#cdd9e5" xml:space="preserve">'
    )
    print(
        f'<text x="{width / 2:.0f}" y="22" text-anchor="middle" fill="#768390">'
        f"{html.escape(title)}</text>"
    )
    for index, (line, style) in enumerate(styled):
        y = MARGIN + 28 + LINE * index + FONT
        if line:
            print(f'<text x="{MARGIN}" y="{y}"{style}>{html.escape(line)}</text>')
    print("</g>\n</svg>")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "terminal")
