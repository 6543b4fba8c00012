"""Exactly one round of the tutorial GAN from given weights, noise and pictures.

python parity.py IN.safetensors OUT.safetensors
IN:  generator.layers.{0..3}.weight [out, in], .bias [out]; critic.layers.{0..3}.… likewise;
     real [64, 784] in [-1, 1]; z_critic, z_generator [64, 100]. All float32.
OUT: the weights after the round, under the same names, and loss.critic, loss.generator [1].
python parity.py --make IN.safetensors writes such an input, from seed 0.
"""
import sys

import torch
from safetensors.torch import load_file, save_file

from vanilla import Vanilla

NOISE = {"real": (64, 784), "z_critic": (64, 100), "z_generator": (64, 100)}


def networks(gan):
    """Every parameter under the file's name; the tensors are the networks' own."""
    return {f"{player}.{name}": parameter
            for player in ("generator", "critic")
            for name, parameter in getattr(gan, player).named_parameters()}


def make(path):
    torch.manual_seed(0)
    tensors = {name: p.detach().clone() for name, p in networks(Vanilla()).items()}
    tensors["real"] = torch.rand(64, 784) * 2 - 1
    tensors["z_critic"], tensors["z_generator"] = torch.randn(64, 100), torch.randn(64, 100)
    save_file(tensors, path)


def main(source, target):
    tensors, gan = load_file(source), Vanilla()
    parameters = networks(gan)
    wanted = {name: tuple(p.shape) for name, p in parameters.items()} | NOISE
    given = {name: tuple(t.shape) for name, t in tensors.items()}
    if wrong := sorted(f"{n}: wanted {wanted.get(n)}, is {given.get(n)}" for n in wanted.keys() | given.keys() if wanted.get(n) != given.get(n)):
        sys.exit(f"{source}: " + "; ".join(wrong))
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
    critic, generator = gan.round(tensors["real"], tensors["z_critic"], tensors["z_generator"])
    after = {name: p.detach().clone() for name, p in parameters.items()}
    save_file(after | {"loss.critic": critic.reshape(1), "loss.generator": generator.reshape(1)}, target,
              metadata={"torch": torch.__version__})
    print(f"critic {critic.item():.6f}, generator {generator.item():.6f}: {target}")


if __name__ == "__main__":
    torch.set_num_threads(2)
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[2]) if sys.argv[1] == "--make" else main(*sys.argv[1:])
