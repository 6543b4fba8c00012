"""Gradient penalties by double backward, as fixtures for the Rust tests.

python double_backward.py [FOLDER]    writes penalty_{mlp,conv,residual}_batch{5,1}.safetensors

Each file holds `x`, `param.<name>`, and for every penalty `value.<penalty>` [1] and
`grad.<penalty>.<name>`: the penalty at x, mean over the batch, and its gradient with respect to every
parameter (zeros where it does not depend on one). g_i is the gradient at picture i of the *sum* of
the critic's outputs over the batch.
    r1        gamma / 2 * |g_i|^2,    gamma = 2
    wgan_gp   lambda * (|g_i| - 1)^2, lambda = 10
Everything float32; see reference/README.md for the critics. The same penalties are also computed
in float64, and a float32 result further than 1e-4 (relative to the largest gradient of its tensor's
penalty) from them is an error, as is one that disagrees with numeric differentiation.
"""
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

GAMMA, LAMBDA = 2.0, 10.0


class Mlp(nn.Module):
    shape = (6,)

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 16), nn.Linear(16, 1)

    def forward(self, x):
        return self.fc2(F.leaky_relu(self.fc1(x), 0.2))


class Conv(nn.Module):
    """Instance norm (affine, epsilon 1e-5, biased variance) after the activation of the second convolution."""

    shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.norm = nn.InstanceNorm2d(8, eps=1e-5, affine=True)
        self.fc = nn.Linear(8 * 2 * 2, 1)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.conv2(x), 0.2)
        return self.fc(self.norm(x).flatten(1))


class Residual(nn.Module):
    """conv_in; block: x + conv2(lrelu(conv1(lrelu(x)))), all 4 channels; stddev map as fifth channel; linear."""

    shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(1, 4, 3, 2, 1)
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.fc = nn.Linear(5 * 4 * 4, 1)

    def forward(self, x):
        x = self.conv_in(x)
        x = x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))
        spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        x = torch.cat([x, spread.expand(len(x), 1, 4, 4)], 1)
        return self.fc(x.flatten(1))


def penalties(critic, x):
    """{penalty: (value, {name: gradient})} of the critic at x."""
    phi = {"r1": lambda n2: GAMMA / 2 * n2, "wgan_gp": lambda n2: LAMBDA * (n2.sqrt() - 1) ** 2}
    out = {}
    for penalty, f in phi.items():
        x = x.detach().requires_grad_(True)
        g, = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        value = f(g.flatten(1).square().sum(1)).mean()
        names, parameters = zip(*critic.named_parameters())
        grads = torch.autograd.grad(value, parameters, allow_unused=True)
        out[penalty] = value.detach(), {n: torch.zeros_like(p) if d is None else d
                                        for n, p, d in zip(names, parameters, grads)}
    return out


def check(name, critic, x, results):
    """Float32 results against float64 ones, and those against differences along a random direction."""
    exact = critic.double()
    double = penalties(exact, x.double())
    for penalty, (value, grads) in results.items():
        reference, reference_grads = double[penalty]
        largest = max(g.abs().max() for g in reference_grads.values())
        worst = max((grads[n] - reference_grads[n]).abs().max() for n in grads) / largest
        step = {n: torch.randn_like(p) for n, p in exact.named_parameters()}
        ends = []
        for sign in (1e-6, -1e-6):
            with torch.no_grad():
                for n, p in exact.named_parameters():
                    p.add_(step[n], alpha=sign)
            ends.append(penalties(exact, x.double())[penalty][0])
            with torch.no_grad():
                for n, p in exact.named_parameters():
                    p.sub_(step[n], alpha=sign)
        numeric = (ends[0] - ends[1]) / 2e-6
        along = sum((reference_grads[n] * step[n]).sum() for n in step)
        off = (numeric - along).abs() / along.abs()
        print(f"{name:22} {penalty:8} value {value.item():.6f} largest gradient {largest.item():.4f} "
              f"float32 off by {worst.item():.1e}, numeric off by {off.item():.1e}")
        if worst > 1e-4 or off > 1e-4 or (value - reference).abs() > 1e-5 * (1 + reference.abs()):
            sys.exit(f"{name} {penalty}: the check failed")


def main(folder):
    torch.set_num_threads(1)
    for seed, (label, kind) in enumerate({"mlp": Mlp, "conv": Conv, "residual": Residual}.items()):
        for batch in (5, 1):
            torch.manual_seed(100 + seed)
            critic = kind()
            if label == "conv":  # Away from 1 and 0, or the affine part would go untested.
                nn.init.normal_(critic.norm.weight, 1.0, 0.3)
                nn.init.normal_(critic.norm.bias, 0.0, 0.3)
            x = torch.randn(batch, *kind.shape)
            results = penalties(critic, x)
            tensors = {"x": x} | {f"param.{n}": p.detach().clone() for n, p in critic.named_parameters()}
            for penalty, (value, grads) in results.items():
                tensors[f"value.{penalty}"] = value.reshape(1)
                tensors |= {f"grad.{penalty}.{n}": g.contiguous() for n, g in grads.items()}
            name = f"penalty_{label}_batch{batch}.safetensors"
            path = os.path.join(folder, name)
            # One key only: safetensors writes several in no fixed order, and the files would differ from run to run.
            save_file(tensors, path, metadata={"made_with": (
                f"reference/generate/double_backward.py, torch {torch.__version__}, seed {100 + seed}, "
                f"r1 gamma {GAMMA}, wgan_gp lambda {LAMBDA}")})
            os.chmod(path, 0o644)
            check(f"{label}, batch {batch}", critic, x, results)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
