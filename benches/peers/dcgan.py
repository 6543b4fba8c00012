"""DCGAN in PyTorch, at 28 pixels (grey) or 64 (colour).

28: noise 100 -> linear to 128x7x7, BN, ReLU -> transposed 4x4 stride 2 to 64, BN, ReLU -> transposed
4x4 stride 2 to 1, tanh; critic: convolution 4x4 stride 2 to 64, LeakyReLU 0.2 -> convolution 4x4
stride 2 to 128, BN, LeakyReLU -> linear to a logit.
64: noise 100 -> 8w, 4w, 2w, w -> 3, the critic mirrored, where w is `--base`: 64 is what PyTorch's
own example uses (512, 256, 128, 64), 128 the paper's (1024, 512, 256, 128). Layers without batch norm
have a bias, which the example leaves out, so that both sides compute the same.
Adam 2e-4 (0.5, 0.999), weights N(0, 0.02), batch-norm scales N(1, 0.02), binary cross-entropy.
The critic sees real and fake pictures in separate batches.
"""
import argparse

import torch
from torch import nn

import common


def generator_28():
    return nn.Sequential(
        nn.Linear(100, 128 * 49, bias=False), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh())


def critic_28():
    return nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(128 * 49, 1))


def generator_64(base):
    layers = [nn.Unflatten(1, (100, 1, 1)), nn.ConvTranspose2d(100, 8 * base, 4, 1, 0, bias=False),
              nn.BatchNorm2d(8 * base), nn.ReLU()]
    for width in (8 * base, 4 * base, 2 * base):
        layers += [nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False), nn.BatchNorm2d(width // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(base, 3, 4, 2, 1), nn.Tanh())


def critic_64(base):
    layers = [nn.Conv2d(3, base, 4, 2, 1), nn.LeakyReLU(0.2)]
    for width in (base, 2 * base, 4 * base):
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * base, 1, 4, 1, 0), nn.Flatten())


def initialise(module):
    """DCGAN's initialisation; biases start at zero."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


class Dcgan(common.Gan):
    def __init__(self, size=28, base=64, batch=64):
        if size not in (28, 64):
            raise SystemExit(f"--size {size}: only 28 and 64 are there")
        self.size, self.batch, self.channels = size, batch, 1 if size == 28 else 3
        self.name = "dcgan-28" if size == 28 else f"dcgan-64-base{base}"
        self.generator = (generator_28() if size == 28 else generator_64(base)).apply(initialise)
        self.critic = (critic_28() if size == 28 else critic_64(base)).apply(initialise)
        adam = dict(lr=2e-4, betas=(0.5, 0.999), eps=1e-8)
        self.adam_generator = torch.optim.Adam(self.generator.parameters(), **adam)
        self.adam_critic = torch.optim.Adam(self.critic.parameters(), **adam)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, choices=(28, 64), default=28)
    parser.add_argument("--base", type=int, default=64, help="narrowest width at 64 pixels")
    parser.add_argument("--batch", type=int, default=64)
    return parser


if __name__ == "__main__":
    common.train(lambda args: Dcgan(args.size, args.base, args.batch), arguments())
