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
    """Linear layers with an activation between them; `last` is applied to the final one's output."""

    def __init__(self, widths, activation, last):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.activation, self.last = activation, last

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.last(self.layers[-1](x))


class Vanilla:
    name, channels, size, latent = "vanilla", 1, 28, 100

    def __init__(self, batch=64):
        self.batch = batch
        self.generator = Perceptron([100, 256, 512, 1024, 784], F.relu, torch.tanh)
        self.critic = Perceptron([784, 1024, 512, 256, 1], lambda x: F.leaky_relu(x, 0.2), nn.Identity())
        adam = dict(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
        self.adam_generator = torch.optim.Adam(self.generator.parameters(), **adam)
        self.adam_critic = torch.optim.Adam(self.critic.parameters(), **adam)

    def noise(self, count):
        return torch.randn(count, self.latent)

    def round(self, real, z_critic=None, z_generator=None):
        """Critic step, then generator step, each on fresh noise; returns both losses as tensors."""
        real = real.reshape(len(real), 784)
        z_critic = self.noise(len(real)) if z_critic is None else z_critic
        z_generator = self.noise(len(real)) if z_generator is None else z_generator

        on_real = self.critic(real)
        on_fake = self.critic(self.generator(z_critic).detach())
        loss_critic = (F.binary_cross_entropy_with_logits(on_real, torch.ones_like(on_real))
                       + F.binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake)))
        self.adam_critic.zero_grad()
        loss_critic.backward()
        self.adam_critic.step()

        judged = self.critic(self.generator(z_generator))
        loss_generator = F.binary_cross_entropy_with_logits(judged, torch.ones_like(judged))
        self.adam_generator.zero_grad()
        loss_generator.backward()
        self.adam_generator.step()
        return loss_critic.detach(), loss_generator.detach()


if __name__ == "__main__":
    common.train(lambda args: Vanilla())
