"""Gradient penalties by double backward, as fixtures for the Rust tests.

python double_backward.py [FOLDER]    writes penalty_{mlp,conv,residual,spectral,projection,patch}_batch{5,1}.safetensors
                                      and path_length_batch{5,1}.safetensors

Each file holds `x`, `param.<name>`, and for every penalty `value.<penalty>` [1] and
`grad.<penalty>.<name>`: the penalty at x and its gradient with respect to every parameter (zeros where it does not
depend on one). g_i is the gradient at picture i of the *sum* of the critic's outputs over the batch (and over the map of
logits of the patch critic); a penalty is the mean over the batch of the function in PENALTIES, `max_gp` the maximum.
Parameters have the names of the Rust modules: a layer in an enum comes after the variant (`Conv`, `Group`).
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

PENALTIES = {  # of n2, the squares of the lengths; the first two for all critics, the others for the mlp
    "r1": lambda n2: (2 / 2 * n2).mean(),
    "wgan_gp": lambda n2: (10 * (n2.sqrt() - 1) ** 2).mean(),
    "wgan_gp_one_sided": lambda n2: (10 * (n2.sqrt() - 0.4).clamp(min=0) ** 2).mean(),
    "wgan_div": lambda n2: (2 * n2 ** (6 / 2)).mean(),
    "wgan_lp": lambda n2: (3 * (n2.sqrt() - 1).clamp(min=0) ** 2).mean(),
    "dragan": lambda n2: (10 * (n2.sqrt() - 2) ** 2).mean(),
    "max_gp": lambda n2: 10 * n2.max(),
    "zero_centered": lambda n2: (4 * n2).mean(),
}
WEIGHT, DECAY, MEAN = 2.0, 0.2, 0.3  # of the path length: its weight, and the running mean and its share of the newest


def variant(name, module):
    return nn.ModuleDict({name: module})


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


class Attention(nn.Module):
    """SAGAN's: keys and values are maxima of 2 x 2 squares; no biases."""

    def __init__(self, channels):
        super().__init__()
        inner, half = channels // 8, channels // 2
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, half, 1, bias=False)
        self.output = nn.Conv2d(half, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.tensor([0.7]))

    def forward(self, x):
        query = self.query(x).flatten(2)
        key = F.max_pool2d(self.key(x), 2).flatten(2)
        value = F.max_pool2d(self.value(x), 2).flatten(2)
        weights = torch.softmax(torch.einsum("ncj,nci->nji", query, key), 2)
        seen = torch.einsum("nci,nji->ncj", value, weights).unflatten(2, x.shape[2:])
        return x + self.gamma * self.output(seen)


class Residual(nn.Module):
    """conv_in; block: x + conv2(lrelu(conv1(lrelu(x)))), 8 channels; attention; stddev map as ninth channel; linear."""

    shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(1, 8, 3, 2, 1)
        self.conv1, self.conv2 = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.attention = Attention(8)
        self.fc = nn.Linear(9 * 4 * 4, 1)

    def forward(self, x):
        x = self.conv_in(x)
        x = x + self.conv2(F.leaky_relu(self.conv1(F.leaky_relu(x, 0.2)), 0.2))
        x = self.attention(x)
        spread = (x.var(0, unbiased=False) + 1e-8).sqrt().mean()
        x = torch.cat([x, spread.expand(len(x), 1, 4, 4)], 1)
        return self.fc(x.flatten(1))


class Estimate(nn.Module):
    """Left singular vector of the largest singular value."""

    def __init__(self, weight):
        super().__init__()
        w = weight.detach().double().flatten(1)
        u = torch.ones(len(w), dtype=torch.float64)
        for _ in range(20000):  # So far that another step changes nothing.
            u = F.normalize(w @ F.normalize(w.T @ u, dim=0), dim=0)
        self.register_buffer("u", u.float())


class Spectral(nn.Module):
    """A layer with weight W / (u W v); u and v, the direction of u W, are constants."""

    def __init__(self, layer, apply):
        super().__init__()
        self.weight, self.bias, self.apply_layer = layer.weight, layer.bias, apply
        self.spectral_norm = Estimate(layer.weight)

    def forward(self, x):
        w = self.weight.flatten(1)
        u = self.spectral_norm.u
        v = F.normalize(w.detach().T @ u, dim=0)
        return self.apply_layer(x, self.weight / (u @ w @ v), self.bias)


class SpectralCritic(nn.Module):
    """Two convolutions (3 x 3, stride 2, padding 1) with LeakyReLU, and a linear layer, all normalised."""

    shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        strided = lambda x, w, b: F.conv2d(x, w, b, 2, 1)
        self.conv1 = Spectral(nn.Conv2d(1, 4, 3, 2, 1), strided)
        self.conv2 = Spectral(nn.Conv2d(4, 8, 3, 2, 1), strided)
        self.fc = Spectral(nn.Linear(32, 1), F.linear)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.conv2(x), 0.2)
        return self.fc(x.flatten(1))


class Projection(nn.Module):
    """Linear, layer norm (affine), SiLU; then psi(h) + <embedding of the label, h>. Labels are i mod 3."""

    shape = (6,)

    def __init__(self):
        super().__init__()
        self.fc, self.norm = nn.Linear(6, 16), nn.GroupNorm(1, 16)
        self.logit = nn.Linear(16, 1)
        self.head = nn.ModuleDict({"embedding": nn.Linear(16, 3, bias=False)})

    def forward(self, x):
        h = F.silu(self.norm(self.fc(x)))
        embedded = self.head["embedding"].weight[torch.arange(len(x)) % 3]
        return self.logit(h) + (embedded * h).sum(1, keepdim=True)


class Patch(nn.Module):
    """Kernels 4, padding 1: stride 2 to 4 and 6 channels, stride 1 to 4, stride 1 to a map of logits; LeakyReLU after all
    but the last, group norm (two groups, affine) before the second and third of them."""

    shape = (2, 16, 16)

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList()
        for index, (inside, out, stride) in enumerate([(2, 4, 2), (4, 6, 2), (6, 4, 1)]):
            block = {"layer": variant("Conv", nn.Conv2d(inside, out, 4, stride, 1))}
            if index:
                block["after"] = nn.ModuleDict({"norm": variant("Group", nn.GroupNorm(2, out))})
            self.blocks.append(nn.ModuleDict(block))
        self.logits = nn.Conv2d(4, 1, 4, 1, 1)

    def forward(self, x):
        for block in self.blocks:
            x = block["layer"]["Conv"](x)
            if "after" in block:
                x = block["after"]["norm"]["Group"](x)
            x = F.leaky_relu(x, 0.2)
        return self.logits(x)


class Generator(nn.Module):
    """Two latents of 3 per picture -> linear to 2 x 4 x 4, LeakyReLU, transposed 4 x 4 convolution of stride 2, tanh."""

    def __init__(self):
        super().__init__()
        self.fc, self.up = nn.Linear(6, 32), nn.ConvTranspose2d(2, 3, 4, 2, 1)

    def forward(self, w):
        x = F.leaky_relu(self.fc(w.flatten(1)), 0.2).unflatten(1, (2, 4, 4))
        return torch.tanh(self.up(x))


def by_parameter(value, module):
    names, parameters = zip(*module.named_parameters())
    grads = torch.autograd.grad(value, parameters, allow_unused=True)
    return value.detach(), {n: torch.zeros_like(p) if d is None else d for n, p, d in zip(names, parameters, grads)}


def penalties(critic, x):
    """{penalty: (value, {name: gradient})} of the critic at x."""
    out = {}
    for penalty, f in PENALTIES.items():
        if penalty in ("r1", "wgan_gp") or isinstance(critic, Mlp):
            x = x.detach().requires_grad_(True)
            g, = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
            out[penalty] = by_parameter(f(g.flatten(1).square().sum(1)), critic)
    return out


def path_length(generator, w, y):
    """The same for StyleGAN2's path length, and its running mean, which is updated first and has no gradient."""
    w = w.detach().requires_grad_(True)
    pictures = generator(w)
    noise = y / (pictures.shape[2] * pictures.shape[3]) ** 0.5
    g, = torch.autograd.grad((pictures * noise).sum(), w, create_graph=True)
    lengths = g.square().sum(2).mean(1).sqrt()
    mean = torch.as_tensor(MEAN, dtype=lengths.dtype).lerp(lengths.mean().detach(), DECAY)
    return {"path_length": by_parameter(WEIGHT * (lengths - mean).square().mean(), generator)}, mean


def check(name, module, results, compute):
    """Float32 results against float64 ones, and those against differences along a random direction."""
    exact = module.double()
    double = compute(exact)
    for penalty, (value, grads) in results.items():
        reference, reference_grads = double[penalty]
        largest = max(g.abs().max() for g in reference_grads.values())
        worst = max((grads[n] - reference_grads[n]).abs().max() for n in grads) / largest
        off = 0.0
        if penalty != "path_length":  # Its mean moves with the parameters, and the gradient takes it as fixed.
            step = {n: torch.randn_like(p) for n, p in exact.named_parameters()}
            ends = []
            for sign in (1e-7, -1e-7):
                with torch.no_grad():
                    for n, p in exact.named_parameters():
                        p.add_(step[n], alpha=sign)
                ends.append(compute(exact)[penalty][0])
                with torch.no_grad():
                    for n, p in exact.named_parameters():
                        p.sub_(step[n], alpha=sign)
            numeric = (ends[0] - ends[1]) / 2e-7
            along = sum((reference_grads[n] * step[n]).sum() for n in step)
            off = ((numeric - along).abs() / along.abs()).item()
        print(f"{name:22} {penalty:18} value {value.item():.6f} largest gradient {largest.item():.4f} "
              f"float32 off by {worst.item():.1e}, numeric off by {off:.1e}")
        if worst > 1e-4 or off > 1e-4 or (value - reference).abs() > 1e-5 * (1 + reference.abs()):
            sys.exit(f"{name} {penalty}: the check failed")
        if largest < 1e-2:
            sys.exit(f"{name} {penalty}: nothing to compare")


def write(folder, name, seed, module, inputs, results):
    tensors = inputs | {f"param.{n}": p.clone() for n, p in module.state_dict().items()}
    for penalty, (value, grads) in results.items():
        tensors[f"value.{penalty}"] = value.reshape(1)
        tensors |= {f"grad.{penalty}.{n}": g.contiguous() for n, g in grads.items()}
    path = os.path.join(folder, f"{name}.safetensors")
    # One key only: safetensors writes several in no fixed order, and the files would differ from run to run.
    save_file(tensors, path, metadata={"made_with": (
        f"reference/generate/double_backward.py, torch {torch.__version__}, seed {seed}")})
    os.chmod(path, 0o644)


def shake_norms(module):
    """Weights and biases of normalisations away from 1 and 0, or the affine part would go untested."""
    for part in module.modules():
        if isinstance(part, (nn.InstanceNorm2d, nn.GroupNorm)):
            nn.init.normal_(part.weight, 1.0, 0.3)
            nn.init.normal_(part.bias, 0.0, 0.3)


def main(folder):
    torch.set_num_threads(1)
    critics = {"mlp": Mlp, "conv": Conv, "residual": Residual, "spectral": SpectralCritic, "projection": Projection,
               "patch": Patch}
    for seed, (label, kind) in enumerate(critics.items()):
        for batch in (5, 1):
            torch.manual_seed(100 + seed)
            critic = kind()
            shake_norms(critic)
            if label == "mlp":  # Gradients longer than 1, or the one-sided rules would have nothing to say.
                nn.init.normal_(critic.fc2.weight, 0.0, 1.0)
            x = torch.randn(batch, *kind.shape)
            results = penalties(critic, x)
            write(folder, f"penalty_{label}_batch{batch}", 100 + seed, critic, {"x": x}, results)
            check(f"{label}, batch {batch}", critic, results, lambda exact: penalties(exact, x.double()))
    for batch in (5, 1):
        torch.manual_seed(200)
        generator = Generator()
        w, y = torch.randn(batch, 2, 3), torch.randn(batch, 3, 8, 8)
        results, mean = path_length(generator, w, y)
        inputs = {"x": w, "noise": y, "mean": mean.reshape(1)}
        write(folder, f"path_length_batch{batch}", 200, generator, inputs, results)
        check(f"path length, batch {batch}", generator, results,
              lambda exact: path_length(exact, w.double(), y.double())[0])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
