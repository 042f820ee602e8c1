"""Associative memory: the paper's Table 3, images of Tiny ImageNet.

512-d-d-12288, tanh, trained for 500 epochs on 50, 100 or 250 images. They are then
recalled from a noisy copy (Gaussian noise of deviation 0.2, all pixels move) or
from the upper half (held; the lower half starts from zero). The score is the
squared error of a pixel, clipped to [0, 1], over the images that were learnt.
"""

import argparse
import pathlib
import re
import sys

from common import RECIPES, Tools, mean_and_error, table

# Squared error x 10,000: the paper, Table 3, by images and width.
PUBLISHED = {
    "noise": {50: {512: 6.06, 1024: 5.91, 2048: 5.95},
              100: {512: 6.99, 1024: 6.76, 2048: 6.16},
              250: {512: 9.95, 1024: 10.14, 2048: 8.90}},
    "mask": {50: {512: 0.06, 1024: 0.01, 2048: 0.00},
             100: {512: 1.15, 1024: 1.01, 2048: 0.11},
             250: {512: 39.1, 1024: 3.74, 2048: 0.22}}}
PIXELS, NOISE = 3 * 64 * 64, 0.2
SPEED = 0.40  # seconds an epoch on a V100, the paper, section 4.3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tiny-imagenet", required=True,
                        help="the folder tiny-imagenet-200")
    parser.add_argument("--tasks", nargs="+",
                        choices=[f"{kind}-{n}" for kind in PUBLISHED
                                 for n in PUBLISHED[kind]],
                        default=["noise-50", "noise-100", "noise-250",
                                 "mask-50"])
    parser.add_argument("--widths", nargs="+", type=int, default=[512],
                        choices=[512, 1024, 2048])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--speed", action="store_true",
                        help="time the network of the paper's speed figure")


def read_images(folder: str, count: int, seed: int):
    """Training images at random, [count, 12288] in [0, 1], channels first."""
    import numpy as np
    from PIL import Image

    files = sorted(pathlib.Path(folder).glob("train/*/images/*.JPEG"))
    if len(files) < count:
        sys.exit(f"{folder}: expected {count} files train/*/images/*.JPEG, "
                 f"found {len(files)}")
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    return np.stack([np.asarray(Image.open(files[index]).convert("RGB"),
                                np.float32).transpose(2, 0, 1).reshape(-1) / 255
                     for index in chosen])


def recall(tools, artifact, recipe, kind, name, images, seed):
    """What is shown and what is recalled, [n, 12288] each."""
    import numpy as np

    steps = re.search(r"recall in (\d+) steps", recipe.read_text())[1]
    rate = re.search(r"^h_lr = (\S+)", recipe.read_text(), re.M)[1]
    saved = tools.folder / f"{name}.recalled.npz"
    if not saved.exists():
        if kind == "noise":
            noise = np.random.default_rng(1000 + seed).normal(0, NOISE,
                                                              images.shape)
            shown = (images + noise).astype(np.float32)
            inputs = {"image": shown}
        else:
            known = np.zeros((3, 64, 64), np.float32)
            known[:, :32] = 1
            known = np.broadcast_to(known.reshape(-1), images.shape)
            shown = images * known
            inputs = {"image": shown, "known": known}
        out = tools.execute(artifact, f"recall_{kind}", inputs, "--params",
                            tools.saved(name), "--set", f"h_lr={rate}", "--set",
                            f"recall_steps={steps}")
        np.savez(saved, shown=shown, recalled=np.clip(out["recalled"], 0, 1))
    with np.load(saved) as archive:
        return archive["shown"], archive["recalled"]


def draw(path, pictures) -> None:
    """Rows of (name, images) above each other, ten images each."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(pictures), 10,
                                figsize=(8, 0.9 * len(pictures)))
    for row, (name, images) in zip(axes, pictures):
        for axis, image in zip(row, images):
            axis.imshow(image.reshape(3, 64, 64).transpose(1, 2, 0).clip(0, 1))
            axis.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, fontsize=7)
    figure.subplots_adjust(0.06, 0.01, 0.99, 0.99, 0.02, 0.02)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def speed(options, tools) -> None:
    import numpy as np

    data = tools.folder / "speed.npz"
    np.savez(data, image=read_images(options.tiny_imagenet, 500, 0))
    artifact = tools.compile("benchmarks/experiments/memory_deep.pcir", "--batch", "50",
                             "--sample-block", "50")
    (tools.folder / "speed.done").unlink(missing_ok=True)
    log = tools.train(artifact, "speed", "--data", data, "--batch", 50,
                      "--epochs", 6)
    seconds = sorted(line["seconds"] for line in log)
    print(f"An epoch of 500 images, five hidden layers of 512, T = 50: "
          f"{seconds[0]:.2f} s at best, median "
          f"{seconds[len(seconds) // 2]:.2f} s; the paper has {SPEED:.2f} s on a "
          "V100.")


def run(options: argparse.Namespace) -> None:
    import numpy as np

    tools = Tools(options, "memory")
    rows, pictures = [], []
    for task in options.tasks:
        kind, count = task.split("-")
        count = int(count)
        for width in options.widths:
            recipe = RECIPES / f"memory_{kind}_{count}_d{width}.toml"
            artifact = tools.compile_recipe(recipe)
            errors = []
            for seed in range(options.seeds):
                data = tools.folder / f"images_{count}.{seed}.npz"
                images = read_images(options.tiny_imagenet, count, seed)
                np.savez(data, image=images)
                name = f"{recipe.stem}.{seed}"
                log = tools.train(artifact, name, "--recipe", recipe, "--data",
                                  data, "--seed", seed)
                shown, recalled = recall(tools, artifact, recipe, kind, name,
                                         images, seed)
                errors.append(1e4 * float(np.square(recalled - images).mean()))
                if seed == 0 and width == options.widths[0]:
                    if count == 50:
                        pictures += [(f"{kind}", shown[:10]),
                                     (f"recalled", recalled[:10])]
            rows.append([kind, count, width, options.seeds,
                         mean_and_error(errors),
                         f"{PUBLISHED[kind][count][width]:.2f}",
                         f"{log[-1]['energy']:.3g}"])
            table(["task", "images", "d", "seeds", "error x 10^4", "paper",
                   "energy at the end"], rows)
    if pictures:
        draw(tools.pictures / "memory.png", pictures)
    if options.speed:
        speed(options, tools)
