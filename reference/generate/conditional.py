"""Forward passes of networks that know classes, as fixtures for the Rust tests.

python conditional.py [FOLDER]    writes conditional_{two_tower,conv,resnet,deep}.safetensors

Each file holds `g.<name>` and `d.<name>`, the state of a generator and of a critic; `rows` [n, latent +
classes], what the generator takes; `pictures` = G(rows) in inference mode; `x` and `classes` [n, K], what
the critic takes; and what it says: `score` [n, 1], and `logits` [n, K] where it has a classifier. The
names are those of the Rust modules without the names of enum variants. Everything float32; results
are compared with float64 here.
"""
import copy
import os
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

CLASSES = 3


def lrelu(x):
    return F.leaky_relu(x, 0.2)


def one_hot(labels):
    return F.one_hot(labels, CLASSES).float()


class Maxout(nn.Module):
    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x):
        y = self.linear(x)
        return y.reshape(len(x), -1, self.pieces).amax(2)


class TwoTowerGenerator(nn.Module):
    latent_size = 5

    def __init__(self):
        super().__init__()
        self.latent = nn.Linear(5, 6)
        self.add_module("class", nn.Linear(CLASSES, 7))
        self.joint, self.output = nn.Linear(13, 11), nn.Linear(11, 64)

    def forward(self, rows):
        z, y = rows[:, :5], rows[:, 5:]
        both = torch.cat([F.relu(self.latent(z)), F.relu(getattr(self, "class")(y))], 1)
        return torch.tanh(self.output(F.relu(self.joint(both)))).reshape(-1, 1, 8, 8)


class TwoTowerCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = Maxout(64, 6, 5)
        self.add_module("class", Maxout(CLASSES, 4, 5))
        self.joint, self.logit = Maxout(10, 5, 4), nn.Linear(5, 1)

    def forward(self, x, y):
        both = torch.cat([self.image(x.flatten(1)), getattr(self, "class")(y)], 1)
        return self.logit(self.joint(both)), None


class Block(nn.Module):
    """A layer under the name `layer`."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer


class ConvGenerator(nn.Module):
    """Dense, one transposed convolution with leaky ReLU, one with tanh: 8 pixels; the latent is multiplied
    with a vector of the class."""

    latent_size = 5

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 5)
        self.network = nn.Module()
        self.network.stem = nn.Linear(5, 4 * 16)
        self.network.output = Block(nn.ConvTranspose2d(4, 1, 4, 2, 1))

    def forward(self, rows):
        z = rows[:, :5] * (rows[:, 5:] @ self.embedding.weight)
        x = lrelu(self.network.stem(z).reshape(-1, 4, 4, 4))
        return torch.tanh(self.network.output.layer(x))


class ConvCritic(nn.Module):
    """A plane of the class as second channel, one strided convolution, and a classifier."""

    def __init__(self):
        super().__init__()
        self.plane = nn.Embedding(CLASSES, 64)
        self.network = nn.Module()
        self.network.blocks = nn.ModuleList([Block(nn.Conv2d(2, 4, 4, 2, 1))])
        self.network.logit = nn.Linear(4 * 16, 1)
        self.head = nn.Module()
        self.head.classifier = nn.Linear(4 * 16, CLASSES)

    def forward(self, x, y):
        plane = (y @ self.plane.weight).reshape(-1, 1, 8, 8)
        h = lrelu(self.network.blocks[0].layer(torch.cat([x, plane], 1))).flatten(1)
        return self.network.logit(h), self.head.classifier(h)


def sigma(weight, u):
    """The estimate of the largest singular value that PyTorch's spectral_norm makes of u."""
    w = weight.flatten(1)
    v = F.normalize(u @ w, dim=0, eps=1e-12)
    return u @ (w @ v)


class Norm(nn.Module):
    """The buffer of a spectral normalisation."""

    def __init__(self, weight):
        super().__init__()
        u = F.normalize(torch.randn(len(weight)), dim=0)
        for _ in range(5):
            w = weight.detach().flatten(1)
            u = F.normalize(w @ F.normalize(u @ w, dim=0), dim=0)
        self.register_buffer("u", u)


class Spectral(nn.Module):
    """Linear, convolution or embedding, with the weight divided by its largest singular value."""

    def __init__(self, layer):
        super().__init__()
        self.weight = layer.weight
        self.bias = getattr(layer, "bias", None)
        self.spectral_norm = Norm(layer.weight)
        self.padding = layer.padding[0] if isinstance(layer, nn.Conv2d) else None
        self.transposed = isinstance(layer, nn.Embedding)

    def forward(self, x):
        w = self.weight / sigma(self.weight, self.spectral_norm.u)
        if self.padding is not None:
            return F.conv2d(x, w, self.bias, padding=self.padding)
        return x @ w if self.transposed else F.linear(x, w, self.bias)


class ConditionalBatchNorm(nn.Module):
    def __init__(self, channels, condition):
        super().__init__()
        self.gain = Spectral(nn.Linear(condition, channels, bias=False))
        self.bias = Spectral(nn.Linear(condition, channels, bias=False))
        self.register_buffer("running_mean", torch.randn(channels) * 0.1)
        self.register_buffer("running_var", torch.rand(channels) + 0.5)

    def forward(self, x, y):
        x = F.batch_norm(x, self.running_mean, self.running_var, eps=1e-5)
        return x * (1 + self.gain(y))[:, :, None, None] + self.bias(y)[:, :, None, None]


class Attention(nn.Module):
    """Section 3 of SAGAN with the max pooling of its authors' code."""

    def __init__(self, channels):
        super().__init__()
        conv = lambda a, b: Spectral(nn.Conv2d(a, b, 1, bias=False))
        self.query, self.key = conv(channels, channels // 8), conv(channels, channels // 8)
        self.value, self.output = conv(channels, channels // 2), conv(channels // 2, channels)
        self.gamma = nn.Parameter(torch.tensor([0.7]))

    def forward(self, x):
        n, c, h, w = x.shape
        q = self.query(x).flatten(2)
        k = F.max_pool2d(self.key(x), 2).flatten(2)
        v = F.max_pool2d(self.value(x), 2).flatten(2)
        a = torch.softmax(q.transpose(1, 2) @ k, -1)
        seen = (v @ a.transpose(1, 2)).reshape(n, c // 2, h, w)
        return x + self.gamma * self.output(seen)


def conv(inputs, outputs, kernel):
    return Spectral(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2))


class GeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs, condition):
        super().__init__()
        self.norm_1 = ConditionalBatchNorm(inputs, condition)
        self.norm_2 = ConditionalBatchNorm(outputs, condition)
        self.conv_1, self.conv_2 = conv(inputs, outputs, 3), conv(outputs, outputs, 3)
        self.skip = conv(inputs, outputs, 1)

    def forward(self, x, y):
        up = lambda t: F.interpolate(t, scale_factor=2)
        h = self.conv_1(up(F.relu(self.norm_1(x, y))))
        return self.conv_2(F.relu(self.norm_2(h, y))) + self.skip(up(x))


class ResnetGenerator(nn.Module):
    """BigGAN's order of operations: 8 pixels, 8 channels, latents of 2 x 3, attention at 8."""

    latent_size = 6

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(CLASSES, 4)
        self.linear = Spectral(nn.Linear(3, 8 * 16))
        self.blocks = nn.ModuleList([GeneratorBlock(8, 8, 4 + 3)])
        self.attention = Attention(8)
        self.norm = nn.BatchNorm2d(8)
        self.norm.running_mean.normal_(0, 0.1)
        self.norm.running_var.uniform_(0.5, 1.5)
        self.output = conv(8, 3, 3)

    def forward(self, rows):
        shared = rows[:, 6:] @ self.shared.weight
        x = self.linear(rows[:, :3]).reshape(-1, 8, 4, 4)
        x = self.blocks[0](x, torch.cat([shared, rows[:, 3:6]], 1))
        x = self.attention(x)
        return torch.tanh(self.output(F.relu(self.norm(x))))


class CriticBlock(nn.Module):
    def __init__(self, inputs, outputs, first, halves):
        super().__init__()
        self.conv_1, self.conv_2 = conv(inputs, outputs, 3), conv(outputs, outputs, 3)
        self.skip = conv(inputs, outputs, 1) if inputs != outputs or halves else None
        self.first, self.halves = first, halves

    def forward(self, x):
        down = lambda t: F.avg_pool2d(t, 2) if self.halves else t
        h = x if self.first else F.relu(x)
        h = down(self.conv_2(F.relu(self.conv_1(h))))
        return h + (down(self.skip(x)) if self.skip is not None else x)


class ResnetCritic(nn.Module):
    """BigGAN's order of operations: attention at 4, a projection."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([CriticBlock(3, 8, True, True), CriticBlock(8, 8, False, False)])
        self.attention = Attention(8)
        self.logit = Spectral(nn.Linear(8, 1))
        self.head = nn.Module()
        self.head.embedding = Spectral(nn.Embedding(CLASSES, 8))

    def forward(self, x, y):
        h = self.attention(self.blocks[0](x))
        h = F.relu(self.blocks[1](h)).sum((2, 3))
        return self.logit(h) + (self.head.embedding(y) * h).sum(1, keepdim=True), None


class DeepGeneratorBlock(nn.Module):
    """The bottleneck of BigGAN-deep."""

    def __init__(self, inputs, outputs, doubles, condition):
        super().__init__()
        inside = inputs // 2
        self.norm_1 = ConditionalBatchNorm(inputs, condition)
        self.norm_2, self.norm_3, self.norm_4 = (
            ConditionalBatchNorm(inside, condition) for _ in range(3)
        )
        self.conv_1, self.conv_2 = conv(inputs, inside, 1), conv(inside, inside, 3)
        self.conv_3, self.conv_4 = conv(inside, inside, 3), conv(inside, outputs, 1)
        self.outputs, self.doubles = outputs, doubles

    def forward(self, x, y):
        up = lambda t: F.interpolate(t, scale_factor=2) if self.doubles else t
        h = self.conv_1(F.relu(self.norm_1(x, y)))
        h = self.conv_2(up(F.relu(self.norm_2(h, y))))
        h = self.conv_3(F.relu(self.norm_3(h, y)))
        h = self.conv_4(F.relu(self.norm_4(h, y)))
        return h + up(x[:, : self.outputs])


class DeepGenerator(nn.Module):
    """8 pixels, 12 and 8 channels, two blocks, attention at 8."""

    latent_size = 6

    def __init__(self):
        super().__init__()
        self.shared = nn.Embedding(CLASSES, 4)
        self.linear = Spectral(nn.Linear(6 + 4, 12 * 16))
        self.blocks = nn.ModuleList(
            [DeepGeneratorBlock(12, 12, False, 10), DeepGeneratorBlock(12, 8, True, 10)]
        )
        self.attention = Attention(8)
        self.norm = nn.BatchNorm2d(8)
        self.norm.running_mean.normal_(0, 0.1)
        self.norm.running_var.uniform_(0.5, 1.5)
        self.output = conv(8, 3, 3)

    def forward(self, rows):
        y = torch.cat([rows[:, :6], rows[:, 6:] @ self.shared.weight], 1)
        x = self.linear(y).reshape(-1, 12, 4, 4)
        for block in self.blocks:
            x = block(x, y)
        return torch.tanh(self.output(F.relu(self.norm(self.attention(x)))))


class DeepCriticBlock(nn.Module):
    """The bottleneck of BigGAN-deep."""

    def __init__(self, inputs, outputs, halves):
        super().__init__()
        inside = outputs // 2
        self.conv_1, self.conv_2 = conv(inputs, inside, 1), conv(inside, inside, 3)
        self.conv_3, self.conv_4 = conv(inside, inside, 3), conv(inside, outputs, 1)
        self.skip = conv(inputs, outputs - inputs, 1) if inputs < outputs else None
        self.halves = halves

    def forward(self, x):
        down = lambda t: F.avg_pool2d(t, 2) if self.halves else t
        h = self.conv_2(F.relu(self.conv_1(F.relu(x))))
        h = self.conv_4(down(F.relu(self.conv_3(F.relu(h)))))
        x = down(x)
        return h + (x if self.skip is None else torch.cat([x, self.skip(x)], 1))


class DeepCritic(nn.Module):
    """4, 8 and 8 channels, two groups of two blocks, the first of which halves, attention at 4 after it."""

    def __init__(self):
        super().__init__()
        self.input = conv(3, 4, 3)
        widths = [(4, 8, True), (8, 8, False), (8, 8, False), (8, 8, False)]
        self.blocks = nn.ModuleList([DeepCriticBlock(*width) for width in widths])
        self.attention = Attention(8)
        self.logit = Spectral(nn.Linear(8, 1))
        self.head = nn.Module()
        self.head.embedding = Spectral(nn.Embedding(CLASSES, 8))

    def forward(self, x, y):
        h = self.blocks[1](self.blocks[0](self.input(x)))
        h = self.blocks[3](self.blocks[2](self.attention(h)))
        h = F.relu(h).sum((2, 3))
        return self.logit(h) + (self.head.embedding(y) * h).sum(1, keepdim=True), None


def check(close_to, found):
    error = (close_to.float() - found).abs().max().item()
    assert error < 1e-5 * max(1.0, found.abs().max().item()), error


def main(folder):
    cases = {
        "two_tower": (TwoTowerGenerator, TwoTowerCritic, 1),
        "conv": (ConvGenerator, ConvCritic, 1),
        "resnet": (ResnetGenerator, ResnetCritic, 3),
        "deep": (DeepGenerator, DeepCritic, 3),
    }
    for index, (name, (make_generator, make_critic, channels)) in enumerate(cases.items()):
        torch.manual_seed(index)
        generator, critic = make_generator().eval(), make_critic().eval()
        labels = one_hot(torch.tensor([0, 1, 2, 1]))
        rows = torch.cat([torch.randn(4, generator.latent_size), labels], 1)
        x, classes = torch.randn(4, channels, 8, 8), one_hot(torch.tensor([2, 0, 1, 1]))
        with torch.no_grad():
            pictures = generator(rows)
            score, logits = critic(x, classes)
            exact = copy.deepcopy(generator).double()(rows.double())
            exact_score, _ = copy.deepcopy(critic).double()(x.double(), classes.double())
        check(exact, pictures)
        check(exact_score, score)
        tensors = {"rows": rows, "pictures": pictures, "x": x, "classes": classes, "score": score}
        if logits is not None:
            tensors["logits"] = logits
        for prefix, module in (("g", generator), ("d", critic)):
            for key, value in module.state_dict().items():
                if not key.endswith("num_batches_tracked"):
                    tensors[f"{prefix}.{key}"] = value.detach()
        tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
        save_file(tensors, os.path.join(folder, f"conditional_{name}.safetensors"))
        print(name, sum(value.numel() for value in tensors.values()), "values")


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, ".."))
