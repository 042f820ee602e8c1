"""The networks as .pcir files. As a program, writes those of all sections:

    python3 networks.py FOLDER
"""

from __future__ import annotations

import pathlib
import sys

from cases import SECTIONS, Case


def pcir(case: Case) -> str:
    """The network and its algorithm as a .pcir file."""
    lines = ["pc.model @net {",
             f"  %h0 = pc.input @image : tensor<{case.dims[0]}xf32>"]
    for i in range(1, case.layers + 1):
        rows, columns = case.dims[i], case.dims[i - 1]
        last = i == case.layers
        name = case.output_activation if last else case.activation
        lines.append(f"  %a{i} = pc.linear @fc{i} %h{i - 1} : "
                     f"tensor<{columns}xf32> -> tensor<{rows}xf32>")
        prediction = f"%a{i}"
        if name != "identity":
            prediction = f"%u{i}"
            lines.append(f"  %u{i} = pc.{name} %a{i} : tensor<{rows}xf32>")
        lines.append(f"  %h{i} = pc.vode @{'label' if last else f'h{i}'} "
                     f"{prediction} energy(se) : tensor<{rows}xf32>")
    lines += ["}", "",
              f"pc.program @train on @net (%image: tensor<{case.dims[0]}xf32>, "
              f"%label: tensor<{case.dims[-1]}xf32>) {{"]
    lines += [f"  {line}" for line in statements(case)]
    return "\n".join(lines + ["}", ""])


def statements(case: Case) -> list[str]:
    """The training program's body."""
    adamw = f"adamw(lr = %w_lr, weight_decay = {case.weight_decay!r})"
    momentum = f", momentum = {case.h_momentum!r}" if case.h_momentum else ""
    infer = f"pc.infer sgd(lr = %h_lr{momentum})"
    head = [f'%w_lr = pc.hyper "w_lr" default {case.w_lr!r}',
            f"pc.clamp @image = %image : tensor<{case.dims[0]}xf32>"]
    label = f"tensor<{case.dims[-1]}xf32>"
    if case.algorithm == "bp":
        return head + [f"pc.backprop @label = %label loss(sse) {adamw}",
                       f'    report("energy") : {label}']
    head = [f'%h_lr = pc.hyper "h_lr" default {case.h_lr!r}'] + head
    head += [f"pc.init {case.init}", f"pc.clamp @label = %label : {label}",
             f"pc.repeat {case.steps} {{"]
    report = 'pc.report "energy" = energy'
    if case.algorithm == "pc":
        return head + [f"  {infer}", "}", report, f"pc.learn {adamw}"]
    return head + [f"  {report}", "  pc.joint {", f"    {infer}",
                   f"    pc.learn {adamw}", "  }", "}"]


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in SECTIONS.values():
        for case in make([1]):
            (folder / f"{case.key}.pcir").write_text(pcir(case))


if __name__ == "__main__":
    main()
