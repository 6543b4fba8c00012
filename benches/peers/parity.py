"""Exactly one round from given weights, noise and pictures, and how far the results are apart.

python parity.py CASE BEFORE AFTER

CASE is vanilla, dcgan-28 or dcgan-64. BEFORE and AFTER are the two checkpoint folders that
`peer --case CASE --parity FOLDER` names: the game before the round, with what went in as
inputs.safetensors (real, z_critic, z_generator), and the game after it. Plays the round in PyTorch
from BEFORE and prints one JSON line:

* parameters, statistics: the largest difference to AFTER among the parameters, and among the running
  statistics, relative to 1 or to the value itself where that is larger;
* step: the length of the difference of the two steps, over the length of PyTorch's. Adam's first step
  moves every parameter by about the learning rate, 2e-4, so weights that agree to 1e-3 prove little.
"""
import json
import os
import sys

import torch
from safetensors.torch import load_file

from dcgan import Dcgan
from vanilla import Vanilla

# Our paths and PyTorch's modules, player by player. A fully connected stem is a transposed
# convolution of one pixel with us: [latent, channels, 7, 7] instead of [channels · 49, latent].
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")
MLP = {f"Mlp.mlp.layers.{i}.{name}": f"layers.{i}.{name}" for i in range(4) for name in ("weight", "bias")}
DCGAN_GENERATOR = (
    {"Conv.stem.Transposed.weight": "0.weight"}
    | {f"Conv.after_stem.norm.Batch.{name}": f"2.{name}" for name in BATCH_NORM}
    | {"Conv.blocks.0.Plain.layer.Transposed.weight": "4.weight"}
    | {f"Conv.blocks.0.Plain.after.norm.Batch.{name}": f"5.{name}" for name in BATCH_NORM}
    | {f"Conv.output.layer.Transposed.{name}": f"7.{name}" for name in ("weight", "bias")})
DCGAN_CRITIC = (
    {f"Conv.blocks.0.Plain.layer.Conv.{name}": f"0.{name}" for name in ("weight", "bias")}
    | {"Conv.blocks.1.Plain.layer.Conv.weight": "2.weight"}
    | {f"Conv.blocks.1.Plain.after.norm.Batch.{name}": f"3.{name}" for name in BATCH_NORM}
    | {f"Conv.logit.{name}": f"6.{name}" for name in ("weight", "bias")})
# At 64 pixels a block of the generator is three of PyTorch's modules after the reshape, one of the critic too, but the first.
WIDE_GENERATOR = (
    {"Conv.stem.Transposed.weight": "1.weight"}
    | {f"Conv.output.layer.Transposed.{name}": f"13.{name}" for name in ("weight", "bias")}
    | {f"Conv.after_stem.norm.Batch.{name}": f"2.{name}" for name in BATCH_NORM}
    | {f"Conv.blocks.{i}.Plain.layer.Transposed.weight": f"{3 * i + 4}.weight" for i in range(3)}
    | {f"Conv.blocks.{i}.Plain.after.norm.Batch.{name}": f"{3 * i + 5}.{name}" for i in range(3) for name in BATCH_NORM})
WIDE_CRITIC = (
    {f"Conv.blocks.0.Plain.layer.Conv.{name}": f"0.{name}" for name in ("weight", "bias")}
    | {f"Conv.logit.{name}": f"11.{name}" for name in ("weight", "bias")}
    | {f"Conv.blocks.{i}.Plain.layer.Conv.weight": f"{3 * i - 1}.weight" for i in range(1, 4)}
    | {f"Conv.blocks.{i}.Plain.after.norm.Batch.{name}": f"{3 * i}.{name}" for i in range(1, 4) for name in BATCH_NORM})
CASES = {
    "vanilla": (Vanilla, {"generator": MLP, "critic": MLP}),
    "dcgan-28": (Dcgan, {"generator": DCGAN_GENERATOR, "critic": DCGAN_CRITIC}),
    "dcgan-64": (lambda batch: Dcgan(64, batch=batch), {"generator": WIDE_GENERATOR, "critic": WIDE_CRITIC}),
}


def fitting(ours, theirs):
    """Our tensor in the shape of theirs."""
    if ours.dim() == 4 and theirs.dim() == 2:
        ours = ours.flatten(1).T
    if ours.dim() == 2 and theirs.dim() == 4:
        ours = ours.reshape(theirs.shape)
    if ours.shape != theirs.shape:
        sys.exit(f"ours is {tuple(ours.shape)}, PyTorch's {tuple(theirs.shape)}")
    return ours


def main(case, before, after):
    build, names = CASES[case]
    inputs = load_file(os.path.join(before, "inputs.safetensors"))
    gan = build(batch=len(inputs["real"]))
    states = {player: getattr(gan, player).state_dict() for player in names}
    for player, table in names.items():
        tensors = load_file(os.path.join(before, f"{player}.safetensors"))
        left = {name for name in states[player] if "num_batches" not in name} - set(table.values())
        if left or tensors.keys() != table.keys():
            sys.exit(f"{player}: without a partner: {sorted(left)}, {sorted(tensors.keys() ^ table.keys())}")
        for ours, theirs in table.items():
            # state_dict() hands out the module's own tensors.
            states[player][theirs].copy_(fitting(tensors[ours], states[player][theirs]))
    gan.round(inputs["real"], inputs["z_critic"], inputs["z_generator"])
    worst, apart, length = {"parameters": 0.0, "statistics": 0.0}, 0.0, 0.0
    for player, table in names.items():
        old = load_file(os.path.join(before, f"{player}.safetensors"))
        new = load_file(os.path.join(after, f"{player}.safetensors"))
        for ours, theirs in table.items():
            a, b = fitting(new[ours], states[player][theirs]), states[player][theirs]
            error = ((a - b).abs() / b.abs().clamp(min=1)).max().item()
            kind = "statistics" if "running" in ours else "parameters"
            worst[kind] = max(worst[kind], error)
            if kind == "parameters":
                apart += (a - b).double().square().sum().item()
                length += (b - fitting(old[ours], b)).double().square().sum().item()
    print(json.dumps({"case": case} | worst | {"step": (apart / length) ** 0.5}))


if __name__ == "__main__":
    torch.set_num_threads(2)
    if len(sys.argv) != 4 or sys.argv[1] not in CASES:
        sys.exit(__doc__)
    main(*sys.argv[1:])
