"""The tutorial GAN (preset `vanilla`) in PyTorch.

Generator 100-256-512-1024-784, ReLU, tanh at the end; critic 784-1024-512-256-1, LeakyReLU 0.2, a
logit at the end; binary cross-entropy; Adam 2e-4 (0.9, 0.999), epsilon 1e-8; batch 64; pictures in
[-1, 1]; normal noise. PyTorch's default initialisation.
"""
import torch
from torch import nn
from torch.nn import functional as F

import common


class Perceptron(nn.Module):
    """Linear layers with an activation between them, on flattened input; `last` is applied at the end."""

    def __init__(self, widths, activation, last):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.activation, self.last = activation, last

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.last(self.layers[-1](x))


class Vanilla(common.Gan):
    name, channels, size = "vanilla", 1, 28

    def __init__(self, batch=64):
        self.batch = batch
        self.generator = Perceptron([100, 256, 512, 1024, 784], F.relu, torch.tanh)
        self.critic = Perceptron([784, 1024, 512, 256, 1], lambda x: F.leaky_relu(x, 0.2), nn.Identity())
        adam = dict(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
        self.adam_generator = torch.optim.Adam(self.generator.parameters(), **adam)
        self.adam_critic = torch.optim.Adam(self.critic.parameters(), **adam)


if __name__ == "__main__":
    common.train(lambda args: Vanilla())
