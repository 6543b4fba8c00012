"""What the peers share: the round, real pictures, the training loop behind --seconds, sampling."""
import argparse
import gzip
import json
import os
import sys
import time

import numpy as np
import torch
from torch.nn import functional as F


class Gan:
    """A generator, a critic and their optimizers; all are set by the subclass."""

    latent = 100

    def noise(self, count):
        return torch.randn(count, self.latent)

    def round(self, real, z_critic=None, z_generator=None):
        """Critic step, then generator step, each on fresh noise; returns both losses as tensors."""
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


def mnist(folder=None):
    """Real training digits, uint8 [60000, 1, 28, 28]; None when there is no MNIST.

    Looked for in `folder`, else in $GAN_DATA_DIR; both may hold the file itself or a folder `mnist`.
    """
    folder = folder or os.environ.get("GAN_DATA_DIR", "")
    for place in (folder, os.path.join(folder, "mnist")):
        path = os.path.join(place, "train-images-idx3-ubyte.gz")
        if os.path.isfile(path):
            with gzip.open(path) as handle:
                raw = np.frombuffer(handle.read(), np.uint8, offset=16)
            return torch.from_numpy(raw.copy()).view(-1, 1, 28, 28)
    return None


def pictures(channels, size, count=2048, folder=None):
    """MNIST where the shape fits and the files are there, else uniform noise of the same shape.

    Noise is as good as digits for timing, and useless for training.
    """
    real = mnist(folder) if (channels, size) == (1, 28) else None
    if real is None:
        print(f"note: no MNIST for {channels}x{size}x{size}: uniform noise stands in", file=sys.stderr)
        rng = torch.Generator().manual_seed(0)
        real = torch.randint(0, 256, (count, channels, size, size), generator=rng, dtype=torch.uint8)
    return real


def batches(real, size, seed=0):
    """Endless shuffled batches, float32 in [-1, 1]; the incomplete last one of an epoch is dropped."""
    rng = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(real), generator=rng)
        for start in range(0, len(real) - size + 1, size):
            yield real[order[start:start + size]].float().div_(127.5).sub_(1)


def draw(gan, count, batch=500):
    """`count` pictures of the generator in evaluation mode, uint8 [count, height, width(, channels)]."""
    gan.generator.eval()
    out = []
    with torch.no_grad():
        for start in range(0, count, batch):
            fake = gan.generator(gan.noise(min(batch, count - start)))
            out.append(fake.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8))
    gan.generator.train()
    out = torch.cat(out)
    if out.dim() == 2:
        out = out.view(-1, 1, 28, 28)
    return out.squeeze(1).numpy() if out.shape[1] == 1 else out.permute(0, 2, 3, 1).numpy()


def train(build, parser=None):
    """`python vanilla.py --seconds 22 --out digits.npy`: trains on MNIST, stores 10,000 samples."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60, help="wall time of training")
    parser.add_argument("--out", default="samples.npy")
    parser.add_argument("--data", help="folder with MNIST's IDX files; default $GAN_DATA_DIR")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    gan = build(args)
    source = batches(pictures(gan.channels, gan.size, folder=args.data), gan.batch, args.seed)
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < args.seconds:
        critic, generator = gan.round(next(source))
        rounds += 1
    spent = time.perf_counter() - start
    np.save(args.out, draw(gan, 10000))
    print(json.dumps({
        "name": gan.name, "rounds": rounds, "kimg": round(rounds * gan.batch / 1000, 2), "seconds": round(spent, 2),
        "images_per_s": round(rounds * gan.batch / spent), "loss_critic": round(critic.item(), 4),
        "loss_generator": round(generator.item(), 4), "load1": round(os.getloadavg()[0], 2), "out": args.out,
    }))
