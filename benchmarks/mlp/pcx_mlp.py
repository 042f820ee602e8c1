#!/usr/bin/env python3
"""PCX's side of the MLP benchmark: the same network, data and algorithm.

A 784-128-128-128-10 classifier, the activation in front of each hidden vode, a
linear output vode, squared error, batch 128, T = 8 inference steps, SGD with
momentum on the states (reset for every batch), AdamW on the weights. PCX
(import name `pcx`, >= 0.6.2) is used as a library. What is timed is one epoch:
the Python loop over jitted training steps on batches that are ready on the
device, closed by jax.block_until_ready. Epoch 0 (compilation) is dropped.

    python pcx_mlp.py --idx /usr/share/datasets/fashion-mnist --json out.json
    python pcx_mlp.py --algo ipc|bp --loop scan
"""
import argparse, gzip, json, os, platform, struct, sys, time

ap = argparse.ArgumentParser()
ap.add_argument("--dims", default="784,128,128,128,10")
ap.add_argument("--act", default="leaky_relu", help="any of relu leaky_relu gelu tanh hard_tanh sigmoid silu")
ap.add_argument("--energy", default="se", choices=["se", "ce"])
ap.add_argument("--algo", default="pc", choices=["pc", "ipc", "bp"])
ap.add_argument("--loop", default="unroll", choices=["unroll", "scan"], help="T loop: python-unrolled (PCX default) or pxf.scan")
ap.add_argument("--batch", type=int, default=128)
ap.add_argument("--T", type=int, default=8)
ap.add_argument("--beta", type=float, default=1.0, help="nudging: h_L = u_L + beta (y - u_L); <0 is negative nudging")
ap.add_argument("--h-lr", type=float, default=0.010534787245955935)
ap.add_argument("--h-momentum", type=float, default=0.65)
ap.add_argument("--w-lr", type=float, default=0.0002968930522737348)
ap.add_argument("--w-wd", type=float, default=0.0003550241114984682)
ap.add_argument("--schedule", action="store_true", help="the paper's warmup-cosine on the w learning rate")
ap.add_argument("--epochs", type=int, default=6, help="epoch 0 is dropped from the mean")
ap.add_argument("--steps", type=int, default=468, help="batches per epoch of synthetic data (468 = MNIST, drop_last)")
ap.add_argument("--idx", default=None, help="folder with {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]")
ap.add_argument("--host-data", action="store_true", help="pass numpy batches (H2D inside the timing), as the PCX scripts do")
ap.add_argument("--precision", default=None, help="jax_default_matmul_precision: default|tensorfloat32|float32|highest")
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--json", default=None)
A = ap.parse_args()

import numpy as np
import jax
import jax.numpy as jnp
import optax

if A.precision:
    jax.config.update("jax_default_matmul_precision", A.precision)

import pcx as px
import pcx.functional as pxf
import pcx.nn as pxnn
import pcx.predictive_coding as pxc
import pcx.utils as pxu

DIMS = [int(d) for d in A.dims.split(",")]
ACT = getattr(jax.nn, A.act) if hasattr(jax.nn, A.act) else getattr(jnp, A.act)
ENERGY = {"se": pxc.se_energy, "ce": pxc.ce_energy}[A.energy]
VODE = pxc.VodeParam | pxc.VodeParam.Cache


# ----------------------------------------------------------------------------------------------- model
class PCMLP(pxc.EnergyModule):
    def __init__(self, dims, act_fn, energy_fn):
        super().__init__()
        self.act_fn = px.static(act_fn)
        self.layers = [pxnn.Linear(i, o) for i, o in zip(dims[:-1], dims[1:])]
        self.vodes = [pxc.Vode() for _ in dims[1:-1]] + [pxc.Vode(energy_fn)]
        self.vodes[-1].h.frozen = True

    def __call__(self, x, y=None, beta=None):
        for vode, layer in zip(self.vodes[:-1], self.layers[:-1]):
            x = vode(self.act_fn(layer(x)))
        self.vodes[-1](self.layers[-1](x))
        u = self.vodes[-1].get("u")
        if y is not None:
            self.vodes[-1].set("h", u + beta * (y - u))
        return u


class BPMLP(px.Module):
    def __init__(self, dims, act_fn):
        super().__init__()
        self.act_fn = px.static(act_fn)
        self.layers = [pxnn.Linear(i, o) for i, o in zip(dims[:-1], dims[1:])]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = self.act_fn(layer(x))
        return self.layers[-1](x)


def h_mask():
    return pxu.M_hasnot(pxc.VodeParam, frozen=True)


def w_mask():
    return pxu.M(pxnn.LayerParam)


# ------------------------------------------------------------------------------------------ PC / iPC step
@pxf.vmap(pxu.M(VODE).to((None, 0)), in_axes=(0, 0, None), out_axes=0)
def forward(x, y, beta, *, model):
    return model(x, y, beta)


# psum + scale_by=1/B on w is the same algorithm as the paper scripts' pmean + scale_by_batch_size on h:
# h sees per-sample gradients, w sees the batch mean.
@pxf.vmap(pxu.M(VODE).to((None, 0)), in_axes=(0,), out_axes=(None, 0), axis_name="batch")
def energy(x, *, model):
    u = model(x)
    return jax.lax.psum(model.energy(), "batch"), u


def _grad(mask):
    return pxf.value_and_grad(mask.to([False, True]), has_aux=True)(energy)


def _init(x, y, beta, *, model, optim_h):
    # the explicit (INIT, None) tuple restores the status on every PCX version
    with pxu.step(model, (pxc.STATUS.INIT, None), clear_params=pxc.VodeParam.Cache):
        forward(x, y, beta, model=model)
    optim_h.init(h_mask()(model))


@pxf.jit(static_argnums=0)
def train_pc(T, x, y, beta, *, model, optim_w, optim_h):
    model.train()
    B = x.shape[0]
    _init(x, y, beta, model=model, optim_h=optim_h)
    if A.loop == "unroll":
        for _ in range(T):
            with pxu.step(model, clear_params=pxc.VodeParam.Cache):
                _, g = _grad(h_mask())(x, model=model)
            optim_h.step(model, g["model"])
    else:
        def body(i, x, *, model, optim_h):
            with pxu.step(model, clear_params=pxc.VodeParam.Cache):
                _, g = _grad(h_mask())(x, model=model)
            optim_h.step(model, g["model"])
            return x, None

        pxf.scan(body, xs=jnp.arange(T))(x, model=model, optim_h=optim_h)
    optim_h.clear()
    with pxu.step(model, clear_params=pxc.VodeParam.Cache):
        (e, _), g = _grad(w_mask())(x, model=model)
    optim_w.step(model, g["model"], scale_by=1.0 / (B * beta))
    return e / B


@pxf.jit(static_argnums=0)
def train_ipc(T, x, y, beta, *, model, optim_w, optim_h):
    model.train()
    B = x.shape[0]
    _init(x, y, beta, model=model, optim_h=optim_h)
    for _ in range(T):  # both gradients come from the same point; T weight updates a batch
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            (e, _), g = _grad(h_mask() | w_mask())(x, model=model)
        optim_h.step(model, g["model"])
        optim_w.step(model, g["model"], scale_by=1.0 / (B * beta))
    optim_h.clear()
    return e / B


@pxf.jit()
def eval_pc(x, y, *, model):
    model.eval()
    with pxu.step(model, (pxc.STATUS.INIT, None), clear_params=pxc.VodeParam.Cache):
        u = forward(x, None, None, model=model)
    return (u.argmax(axis=-1) == y.argmax(axis=-1)).mean()


# -------------------------------------------------------------------------------------------- BP baseline
@pxf.vmap({"model": None}, in_axes=(0,), out_axes=0)
def bp_forward(x, *, model):
    return model(x)


@pxf.vmap({"model": None}, in_axes=(0, 0), out_axes=(None, 0), axis_name="batch")
def bp_loss(x, y, *, model):
    u = model(x)
    if A.energy == "se":
        loss = jnp.square(u - y).sum()  # no 1/2: as in the paper's BP_SE.py
    else:
        loss = -(y * jax.nn.log_softmax(u)).sum()
    return jax.lax.pmean(loss, "batch"), u


@pxf.jit()
def train_bp(x, y, *, model, optim_w):
    model.train()
    with pxu.step(model):
        (e, _), g = pxf.value_and_grad(w_mask().to([False, True]), has_aux=True)(bp_loss)(x, y, model=model)
    optim_w.step(model, g["model"])
    return e


@pxf.jit()
def eval_bp(x, y, *, model):
    model.eval()
    u = bp_forward(x, model=model)
    return (u.argmax(axis=-1) == y.argmax(axis=-1)).mean()


# --------------------------------------------------------------------------------------------------- data
def read_idx(folder, name):
    path = os.path.join(folder, name)
    op = gzip.open if not os.path.exists(path) else open
    with op(path if op is open else path + ".gz", "rb") as f:
        magic = struct.unpack(">HBB", f.read(4))
        shape = struct.unpack(">" + "I" * magic[2], f.read(4 * magic[2]))
        return np.frombuffer(f.read(), np.uint8).reshape(shape)


def load(dims, batch, steps, idx, seed):
    rng = np.random.default_rng(seed)
    din, dout = dims[0], dims[-1]
    if idx is None:
        centers = rng.standard_normal((dout, din)).astype(np.float32) * 0.15
        def make(n):
            lab = rng.integers(0, dout, n)
            return (centers[lab] + rng.standard_normal((n, din)).astype(np.float32)).astype(np.float32), lab
        (xtr, ltr), (xte, lte) = make(steps * batch), make(10 * batch)
    else:
        def get(p):
            im = read_idx(idx, f"{p}-images-idx3-ubyte").reshape(-1, din)
            return ((im.astype(np.float32) / 255.0 - 0.5) / 0.5), read_idx(idx, f"{p}-labels-idx1-ubyte").astype(np.int64)
        (xtr, ltr), (xte, lte) = get("train"), get("t10k")
    eye = np.eye(dout, dtype=np.float32)
    return (xtr, eye[ltr]), (xte, eye[lte])


def batches(x, y, b, rng=None, device=True):
    n = (len(x) // b) * b  # drop_last
    order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
    order = order[:n].reshape(-1, b)
    put = jnp.asarray if device else (lambda a: a)
    return [(put(x[o]), put(y[o])) for o in order]


# --------------------------------------------------------------------------------------------------- main
def make_optim_w(model, total_steps):
    lr = A.w_lr
    if A.schedule:
        n = total_steps * (A.T if A.algo == "ipc" else 1)
        lr = optax.warmup_cosine_decay_schedule(init_value=A.w_lr, peak_value=1.1 * A.w_lr, warmup_steps=int(0.1 * n),
                                                decay_steps=n, end_value=0.1 * A.w_lr, exponent=1.0)
    return pxu.Optim(lambda: optax.adamw(lr, weight_decay=A.w_wd), w_mask()(model))


def weights(model):
    return [p for l in model.layers for p in (l.nn.weight.get(), l.nn.bias.get())]


def main():
    px.RKG.seed(A.seed)
    (xtr, ytr), (xte, yte) = load(DIMS, A.batch, A.steps, A.idx, A.seed)
    nb = len(xtr) // A.batch
    if A.algo == "bp":
        model = BPMLP(DIMS, ACT)
        optim_w = make_optim_w(model, nb * A.epochs)
        step = lambda x, y: train_bp(x, y, model=model, optim_w=optim_w)
        evaluate = lambda x, y: eval_bp(x, y, model=model)
    else:
        model = PCMLP(DIMS, ACT, ENERGY)
        # dummy init so that jit sees arrays (not None) in the vodes from the first call: one compilation
        with pxu.step(model, (pxc.STATUS.INIT, None), clear_params=pxc.VodeParam.Cache):
            forward(jnp.zeros((A.batch, DIMS[0])), None, None, model=model)
        optim_h = pxu.Optim(lambda: optax.sgd(A.h_lr, momentum=A.h_momentum))
        optim_w = make_optim_w(model, nb * A.epochs)
        train = train_pc if A.algo == "pc" else train_ipc
        step = lambda x, y: train(A.T, x, y, A.beta, model=model, optim_w=optim_w, optim_h=optim_h)
        evaluate = lambda x, y: eval_pc(x, y, model=model)

    rng = np.random.default_rng(A.seed + 1)
    test = batches(xte, yte, A.batch)
    rows, compile_s = [], None
    for epoch in range(A.epochs):
        data = batches(xtr, ytr, A.batch, rng, device=not A.host_data)
        jax.block_until_ready(data)
        es, t0 = [], time.perf_counter()
        for i, (x, y) in enumerate(data):
            es.append(step(x, y))
            if compile_s is None:
                jax.block_until_ready(es[-1])
                compile_s = time.perf_counter() - t0
        jax.block_until_ready((es[-1], weights(model)))
        dt = time.perf_counter() - t0
        acc = float(np.mean([float(evaluate(x, y)) for x, y in test]))
        rows.append({"epoch": epoch, "seconds": dt, "energy": float(np.mean([float(e) for e in es])), "test_acc": acc})
        print(f"epoch {epoch}: {dt:.3f} s  energy/sample {rows[-1]['energy']:.5f}  test acc {acc * 100:.2f}%", flush=True)

    kept = [r["seconds"] for r in rows[1:]] or [rows[0]["seconds"]]
    res = {"bench": "mlp", "args": vars(A), "batches_per_epoch": len(data), "first_step_s": compile_s,
           "epoch_s_mean": float(np.mean(kept)), "epoch_s_std": float(np.std(kept)), "epoch_s_min": float(np.min(kept)),
           "step_ms": 1e3 * float(np.median(kept)) / len(data), "rows": rows,
           "versions": {"python": platform.python_version(), "jax": jax.__version__, "optax": optax.__version__,
                        "device": str(jax.devices()[0])}}
    print(json.dumps({k: res[k] for k in ("epoch_s_mean", "epoch_s_std", "step_ms", "first_step_s", "versions")}))
    if A.json:
        with open(A.json, "w") as f:
            json.dump(res, f, indent=1)


if __name__ == "__main__":
    sys.exit(main())
