"""Critic steps with gradient penalties, ours and PyTorch's double backward in turn, A B A B, on this machine.

python penalty.py [--critics mlp,conv,conv-norm,residual] [--penalties none,r1,wgan_gp] [--turns 3]

Wants `cargo build --release --example penalty_cost` first, and the virtual environment of README.md. A step is the
Wasserstein loss on 64 real and 64 generated pictures (in one batch where the critic does not compare samples, and in the
pass of the penalty where that looks at the same pictures), the penalty, one backward and Adam. Prints medians over the turns, their ratio (below 1: ours is faster) and each penalised
step in units of the plain one.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def example(name):
    """Our side, built beforehand."""
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release/examples", name)


def output(command):
    """The JSON a command prints."""
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def build(name):
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        """LeakyReLU, 3 x 3, LeakyReLU, 3 x 3, halved by means, beside a 1 x 1 of the halved input; over sqrt 2."""

        def __init__(self, inside, out):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(inside, out, 3, 1, 1), nn.Conv2d(out, out, 3, 1, 1)
            self.skip = nn.Conv2d(inside, out, 1, bias=False) if inside != out else nn.Identity()

        def forward(self, x):
            y = self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))
            return (F.avg_pool2d(y, 2) + self.skip(F.avg_pool2d(x, 2))) * 0.5 ** 0.5

    class Stddev(nn.Module):
        def forward(self, x):
            n, c, h, w = x.shape
            groups = x.view(4, n // 4, c, h, w)
            spread = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean([1, 2, 3])
            return torch.cat([x, spread.repeat(4).view(n, 1, 1, 1).expand(n, 1, h, w)], 1)

    act = lambda: nn.LeakyReLU(0.2)
    if name == "mlp":
        return (1, 28, 28), nn.Sequential(nn.Flatten(), nn.Linear(784, 512), act(), nn.Linear(512, 256), act(),
                                          nn.Linear(256, 1))
    if name in ("conv", "conv-norm"):
        norm = [nn.InstanceNorm2d(128, affine=True)] if name == "conv-norm" else []
        return (1, 28, 28), nn.Sequential(nn.Conv2d(1, 64, 4, 2, 1), act(),
                                          nn.Conv2d(64, 128, 4, 2, 1, bias=not norm), *norm, act(),
                                          nn.Flatten(), nn.Linear(128 * 49, 1))
    if name == "residual":
        return (3, 32, 32), nn.Sequential(nn.Conv2d(3, 32, 1), Block(32, 32), Block(32, 64), Block(64, 128), act(),
                                          Stddev(), nn.Flatten(), nn.Linear(129 * 16, 1))
    sys.exit(f"--critics: {name} is not mlp, conv, conv-norm or residual")


def theirs(args):
    """In the child process: milliseconds of a step by penalty."""
    import torch
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    phi = {"r1": lambda n2: n2 / 2, "r2": lambda n2: n2 / 2, "wgan_gp": lambda n2: 10 * (n2.sqrt() - 1) ** 2,
           "wgan_lp": lambda n2: 10 * (n2.sqrt() - 1).clamp(min=0) ** 2, "wgan_div": lambda n2: 2 * n2 ** 3,
           "max_gp": lambda n2: 10 * n2.max(), "zero_centered": lambda n2: 10 * n2,
           "dragan": lambda n2: 10 * (n2.sqrt() - 1) ** 2}
    shape, _ = build(args.case)
    both = torch.rand(2 * args.batch, *shape) * 2 - 1
    real, fake = both[:args.batch], both[args.batch:]
    out = {}
    for penalty in args.penalties.split(","):
        _, critic = build(args.case)
        adam = torch.optim.Adam(critic.parameters(), 1e-4, betas=(0.0, 0.9))

        def step():
            x, at_x = None, None
            if penalty in ("r1", "r2"):
                # One pass for the loss and the penalty at the same samples, as on our side.
                x = (real if penalty == "r1" else fake).clone().requires_grad_(True)
                at_x = critic(x)
            if at_x is not None:
                on_real, on_fake = (at_x, critic(fake)) if penalty == "r1" else (critic(real), at_x)
            elif args.case == "residual":
                on_real, on_fake = critic(real), critic(fake)
            else:
                on_real, on_fake = critic(both).chunk(2)
            loss = on_fake.mean() - on_real.mean()
            if penalty != "none":
                if penalty == "dragan":
                    x = real + 0.5 * real.std() * torch.rand_like(real)
                elif x is None:
                    alpha = torch.rand(len(real), 1, 1, 1)
                    x = fake + alpha * (real - fake)
                if at_x is None:
                    x.requires_grad_(True)
                    at_x = critic(x)
                g, = torch.autograd.grad(at_x.sum(), x, create_graph=True)
                loss = loss + phi[penalty](g.flatten(1).square().sum(1)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            loss.item()

        seconds = []
        for index in range(args.steps + 5):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        out[penalty] = 1e3 * statistics.median(seconds[5:])
    print(json.dumps(out))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--critics", default="mlp,conv,conv-norm,residual")
    parser.add_argument("--penalties", default="none,r1,wgan_gp")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return theirs(args)
    common = ["--penalties", args.penalties, "--steps", str(args.steps), "--batch", str(args.batch)]
    print(f"load before: {os.getloadavg()[0]:.2f}")
    print("| critic | penalty | ours ms | PyTorch ms | ratio | ours, plain steps | PyTorch, plain steps |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for critic in args.critics.split(","):
        ours = [example("penalty_cost"), "--critic", critic, *common]
        peer = [sys.executable, os.path.abspath(__file__), "--case", critic, "--threads", str(args.threads), *common]
        turns = [(output(ours), output(peer)) for _ in range(args.turns)]
        middle = lambda side, penalty: statistics.median(turn[side][penalty] for turn in turns)
        for penalty in args.penalties.split(","):
            a, b = middle(0, penalty), middle(1, penalty)
            units = [f"{middle(side, penalty) / middle(side, 'none'):.2f}" if "none" in turns[0][0] else "" for side in (0, 1)]
            print(f"| {critic} | {penalty} | {a:.1f} | {b:.1f} | **{a / b:.2f}** | {units[0]} | {units[1]} |", flush=True)


if __name__ == "__main__":
    main()
