"""The networks of this project in PyTorch: same names, same layouts, same numbers.

    from gan_networks import load
    generator = load("generator.safetensors")            # or load("generator.pt", "RUN/config.json")
    pictures = generator(torch.randn(16, generator.latent_size))     # [16, C, H, W] in [-1, 1]

A model of classes takes rows: the latent, then a one-hot row of the class (or the code of InfoGAN); a model that
makes pictures of pictures, the noise and then the source, flattened, which its critic takes beside the picture. A
critic takes pictures and, if it knows classes, one-hot rows; it returns the score and the class logits
(`None` where it has none). Everything is for inference; `build(config).train()` has the training behaviour of
PyTorch's own layers.

    python gan_networks.py generator.safetensors generator.check.safetensors

compares the pictures of an `export --check N` and fails if they differ by more than 1e-4.

Covers every `kind` of network of a config.json, as of this version. Left out: the `reader` of InfoGAN's critic,
which is there for training only.
"""
import json
import sys

import torch
from torch import nn
from torch.nn import functional as F


def choice(spec):
    """Serde's enums: "relu", or {"leaky_relu": {"slope": 0.2}}."""
    if isinstance(spec, str):
        return spec, {}
    (name, values), = spec.items()
    return name, values


def activation(spec):
    name, values = choice(spec)
    if name == "leaky_relu":
        return nn.LeakyReLU(values["slope"])
    if name == "elu":
        return nn.ELU(values["alpha"])
    plain = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
             "silu": nn.SiLU, "softplus": nn.Softplus}
    return plain[name]()


class PixelNorm(nn.Module):
    def __init__(self, epsilon):
        super().__init__()
        self.epsilon = epsilon

    def forward(self, x):
        return x * (x.square().mean(1, keepdim=True) + self.epsilon).rsqrt()


class VirtualBatchNorm(nn.Module):
    """Every sample by the statistics of the reference, which comes first, and its own."""

    def __init__(self, channels, reference, epsilon):
        super().__init__()
        self.reference, self.epsilon = reference, epsilon
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        axes = tuple(range(2, x.dim()))

        def shared(x):
            own = x.mean(axes, keepdim=True)
            reference = own[:self.reference].mean(0, keepdim=True)
            with_one = reference + (own - reference) / (self.reference + 1)
            return torch.cat([reference.expand_as(own[:self.reference]), with_one[self.reference:]])

        mean = shared(x)
        x = (x - mean) / (shared(x.square()) - mean.square() + self.epsilon).sqrt()
        shape = [1, -1] + [1] * len(axes)
        return x * self.weight.view(shape) + self.bias.view(shape)


def normalisation(spec, channels, of_rows):
    name, values = choice(spec)
    epsilon = values.get("epsilon", 1e-8 if name == "pixel" else 1e-5)
    if name == "none":
        return None
    if name == "batch":
        kind = nn.BatchNorm1d if of_rows else nn.BatchNorm2d
        return kind(channels, epsilon, values.get("momentum", 0.1))
    if name == "pixel":
        return PixelNorm(epsilon)
    if name == "virtual_batch":
        return VirtualBatchNorm(channels, values["reference"], epsilon)
    groups = {"instance": channels, "layer": 1, "group": values.get("groups")}[name]
    return nn.GroupNorm(groups, channels, epsilon)


def cancels_bias(spec):
    return choice(spec)[0] in ("batch", "instance", "virtual_batch")


class NormActivation(nn.Module):
    """Normalisation, then activation; pixel normalisation comes after it."""

    def __init__(self, channels, norm, act, of_rows=False):
        super().__init__()
        self.norm = normalisation(norm, channels, of_rows)
        self.activation = activation(act)

    def forward(self, x):
        if isinstance(self.norm, PixelNorm):
            return self.norm(self.activation(x))
        return self.activation(x if self.norm is None else self.norm(x))


def spectral(layer, config):
    """Spectral normalisation, if the configuration has it."""
    return layer if config.get("spectral_norm") is None else nn.utils.spectral_norm(layer)


class Mlp(nn.Module):
    def __init__(self, config, widths, norm, hidden, output):
        super().__init__()
        self.layers, self.after = nn.ModuleList(), nn.ModuleList()
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            last = index == len(widths) - 2
            this = "none" if last else norm
            layer = nn.Linear(inputs, outputs, bias=not cancels_bias(this))
            self.layers.append(spectral(layer, config))
            self.after.append(NormActivation(outputs, this, output if last else hidden, True))

    def features(self, x):
        for layer, after in list(zip(self.layers, self.after))[:-1]:
            x = after(layer(x))
        return x

    def last(self, x):
        return self.after[-1](self.layers[-1](x))


def num_values(image):
    return image["channels"] * image["size"] ** 2


class MlpGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.image, self.latent_size = config["image"], config["latent_size"]
        widths = [self.latent_size, *config["widths"], num_values(self.image)]
        self.mlp = Mlp(config, widths, config["norm"], config["activation"], config["output_activation"])

    def forward(self, z):
        size = self.image["size"]
        return self.mlp.last(self.mlp.features(z)).reshape(-1, self.image["channels"], size, size)


class PictureCritic(nn.Module):
    """Judges pictures: `judge` gives the score and the features that a head sees."""

    def forward(self, x, classes=None):
        return self.judge(x)[0], None


class MlpCritic(PictureCritic):
    def __init__(self, config):
        super().__init__()
        widths = [num_values(config["image"]), *config["widths"], 1]
        self.mlp = Mlp(config, widths, config["norm"], config["activation"], "identity")
        self.feature_size = widths[-2]

    def judge(self, x):
        features = self.mlp.features(x.flatten(1))
        return self.mlp.last(features), features


class Resize(nn.Module):
    """Repeated pixels, then a convolution."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2))


class ConvBlock(nn.Module):
    def __init__(self, layer, after, pool=False):
        super().__init__()
        self.layer, self.after, self.pool = layer, after, pool

    def forward(self, x):
        x = self.layer(x)
        return self.after(F.avg_pool2d(x, 2) if self.pool else x)


class ResidualBlock(nn.Module):
    def __init__(self, config, inputs, outputs, resample):
        super().__init__()
        norm, act = config["norm"], config["activation"]
        self.before_1, self.before_2 = NormActivation(inputs, norm, act), NormActivation(outputs, norm, act)
        first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=not cancels_bias(norm))
        self.conv_1 = spectral(first, config)
        self.conv_2 = spectral(nn.Conv2d(outputs, outputs, 3, padding=1), config)
        skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None
        self.skip = skip if skip is None else spectral(skip, config)
        self.resample = resample

    def forward(self, x):
        up = lambda t: F.interpolate(t, scale_factor=2) if self.resample == "up" else t
        down = lambda t: F.avg_pool2d(t, 2) if self.resample == "down" else t
        y = self.conv_1(up(self.before_1(x)))
        y = down(self.conv_2(self.before_2(y)))
        x = x if self.skip is None else self.skip(x)
        return (y + down(up(x))) * 0.5 ** 0.5


def extra(config, index):
    return (config.get("extra_convs") or [0] * len(config["widths"]))[index]


class ConvGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.latent_size = config, config["latent_size"]
        self.base_size = 7 if config["image"]["size"] == 28 else 4
        widths, residual = config["widths"], config.get("residual", False)
        bias = residual or not cancels_bias(config["norm"])
        if config["stem"] == "dense":
            stem = nn.Linear(self.latent_size, widths[0] * self.base_size ** 2, bias=bias)
        else:
            stem = nn.ConvTranspose2d(self.latent_size, widths[0], self.base_size, bias=bias)
        self.stem = spectral(stem, config)
        after = lambda channels: NormActivation(channels, config["norm"], config["activation"])
        self.after_stem = None if residual else after(widths[0])
        self.blocks = nn.ModuleList()
        for index, channels in enumerate(widths):
            if index > 0:
                self.blocks.append(self.doubling(widths[index - 1], channels, residual, after))
            for _ in range(extra(config, index)):
                self.blocks.append(self.same(channels, residual, after))
        self.before_output = after(widths[-1]) if residual else None
        name, values = choice(config["output"])
        channels = config["image"]["channels"]
        if name == "upsample":
            layer = self.upsampling(widths[-1], channels, True)
        else:
            kernel = values["kernel"]
            layer = spectral(nn.Conv2d(widths[-1], channels, kernel, padding=kernel // 2), config)
        self.output = ConvBlock(layer, NormActivation(channels, "none", config["output_activation"]))
        name, values = choice(config["norm"])
        if name == "virtual_batch":
            self.register_buffer("reference", torch.zeros(values["reference"], self.latent_size))

    def upsampling(self, inputs, outputs, bias):
        if self.config["upsample"] == "transposed4":
            return spectral(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias), self.config)
        return Resize(spectral(nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias), self.config))

    def doubling(self, inputs, outputs, residual, after):
        if residual:
            return ResidualBlock(self.config, inputs, outputs, "up")
        bias = not cancels_bias(self.config["norm"])
        return ConvBlock(self.upsampling(inputs, outputs, bias), after(outputs))

    def same(self, channels, residual, after):
        if residual:
            return ResidualBlock(self.config, channels, channels, "same")
        bias = not cancels_bias(self.config["norm"])
        layer = spectral(nn.Conv2d(channels, channels, 3, padding=1, bias=bias), self.config)
        return ConvBlock(layer, after(channels))

    def forward(self, z):
        if not hasattr(self, "reference"):
            return self.draw(z)
        return self.draw(torch.cat([self.reference, z]))[len(self.reference):]

    def draw(self, z):
        if isinstance(self.stem, nn.Linear):
            x = self.stem(z).reshape(len(z), -1, self.base_size, self.base_size)
        else:
            x = self.stem(z[:, :, None, None])
        x = x if self.after_stem is None else self.after_stem(x)
        for block in self.blocks:
            x = block(x)
        x = x if self.before_output is None else self.before_output(x)
        return self.output(x)


class MinibatchStddev(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.group_size, self.epsilon = config["group_size"], config["epsilon"]

    def forward(self, x):
        n, c, h, w = x.shape
        group = max(size for size in range(1, min(self.group_size, n) + 1) if n % size == 0)
        y = x.reshape(group, n // group, c * h * w)
        y = (y.var(0, unbiased=False) + self.epsilon).sqrt().mean(1)
        return torch.cat([x, y.repeat(group).reshape(n, 1, 1, 1).expand(n, 1, h, w)], 1)


class MinibatchDiscrimination(nn.Module):
    """Section 3.2 of Salimans et al. 2016, where no sample is compared with itself."""

    def __init__(self, features, config):
        super().__init__()
        self.kernels = config["kernels"]
        self.weight = nn.Parameter(torch.empty(features, self.kernels * config["size"]))
        nn.init.normal_(self.weight, std=0.05)

    def forward(self, x):
        rows = (x @ self.weight).reshape(len(x), self.kernels, -1)
        distances = (rows[:, None] - rows[None]).abs().sum(3)
        return torch.cat([x, (-distances).exp().sum(1) - 1], 1)


class ConvCritic(PictureCritic):
    """An encoder has a code of length `code` in place of the score."""

    def __init__(self, config, code=1):
        super().__init__()
        widths, residual = config["widths"], config.get("residual", False)
        norm, channels = config["norm"], config["image"]["channels"]
        after = lambda channels, norm: NormActivation(channels, norm, config["activation"])
        self.from_image = spectral(nn.Conv2d(channels, widths[0], 1), config) if residual else None
        self.blocks = nn.ModuleList()
        kernel, stride = {"strided4": (4, 2), "strided3": (3, 2), "pool3": (3, 1)}[config["downsample"]]
        inputs = widths[0] if residual else channels
        for index, outputs in enumerate(widths):
            this = "none" if index == 0 else norm
            if residual:
                self.blocks.append(ResidualBlock(config, inputs, outputs, "down"))
            else:
                layer = nn.Conv2d(inputs, outputs, kernel, stride, 1, bias=not cancels_bias(this))
                self.blocks.append(ConvBlock(spectral(layer, config), after(outputs, this), stride == 1))
            for _ in range(extra(config, index)):
                if residual:
                    self.blocks.append(ResidualBlock(config, outputs, outputs, "same"))
                else:
                    layer = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=not cancels_bias(norm))
                    self.blocks.append(ConvBlock(spectral(layer, config), after(outputs, norm)))
            inputs = outputs
        self.before_dense = after(widths[-1], norm) if residual else None
        stddev = config.get("minibatch_stddev")
        self.minibatch_stddev = None if stddev is None else MinibatchStddev(stddev)
        size = config["image"]["size"] >> len(widths)
        flat, hidden = (widths[-1] + (stddev is not None)) * size ** 2, config.get("hidden")
        self.hidden = None if hidden is None else spectral(nn.Linear(flat, hidden), config)
        features, compare = flat if hidden is None else hidden, config.get("minibatch_discrimination")
        self.minibatch_discrimination = compare and MinibatchDiscrimination(features, compare)
        self.feature_size = features + (compare["kernels"] if compare else 0)
        self.logit = spectral(nn.Linear(self.feature_size, code), config)
        self.activation = activation(config["activation"])

    def judge(self, x):
        x = x if self.from_image is None else self.from_image(x)
        for block in self.blocks:
            x = block(x)
        x = x if self.before_dense is None else self.before_dense(x)
        x = x if self.minibatch_stddev is None else self.minibatch_stddev(x)
        x = x.flatten(1)
        x = x if self.hidden is None else self.activation(self.hidden(x))
        x = x if self.minibatch_discrimination is None else self.minibatch_discrimination(x)
        return self.logit(x), x


class Autoencoder(PictureCritic):
    """Its score is minus the mean error of a reconstruction, its features are the code."""

    def __init__(self, config):
        super().__init__()
        self.feature_size = config["decoder"]["latent_size"]
        self.encoder = ConvCritic(config["encoder"], self.feature_size)
        self.decoder = ConvGenerator(config["decoder"])
        self.error = {"absolute": torch.abs, "squared": torch.square}[config.get("error", "absolute")]

    def judge(self, x):
        code, _ = self.encoder.judge(x)
        error = self.error(x - self.decoder(code))
        return -error.flatten(1).mean(1, keepdim=True), code


class Table(nn.Embedding):
    """An embedding that takes rows of weights over the classes."""

    def forward(self, rows):
        return rows @ self.weight


class EmbeddedGenerator(nn.Module):
    """Any generator of pictures, told of the class at its input."""

    def __init__(self, config, width):
        super().__init__()
        self.network = generator_of(config["network"], width)
        inside = self.network.latent_size
        multiplies = config["input"] == "multiply"
        self.embedding = Table(width, inside) if multiplies else None
        self.latent_size = inside + width if multiplies else inside

    def forward(self, rows):
        if self.embedding is None:
            return self.network(rows)
        size = self.network.latent_size
        return self.network(rows[:, :size] * self.embedding(rows[:, size:]))


class Head(nn.Module):
    """What a critic makes of classes."""

    def __init__(self, head, features, width, config):
        super().__init__()
        self.kind = kind = head["kind"]
        linear = lambda inputs, outputs: spectral(nn.Linear(inputs, outputs), config)
        embedding = hidden = classifier = second = None
        if kind == "projection":
            embedding = spectral(Table(width, features), config)
        elif kind in ("contrastive", "data_to_data"):
            embedding = spectral(Table(width, head["size"]), config)
            classifier = linear(features, head["size"])
        elif kind == "information":
            hidden = linear(features, head["hidden"])
            classifier = linear(head["hidden"], width)
        elif kind != "none":
            classifier = linear(features, width * (2 if kind == "auxiliary_discriminative" else 1))
            second = linear(features, width) if kind == "twin_auxiliary" else None
        self.embedding, self.hidden, self.classifier, self.second = embedding, hidden, classifier, second

    def forward(self, score, features, classes):
        seen = features if self.hidden is None else F.leaky_relu(self.hidden(features), 0.1)
        logits = None if self.classifier is None else self.classifier(seen)
        if self.kind == "projection":
            score = score + (self.embedding(classes) * features).sum(1, keepdim=True)
        elif self.kind == "k_plus_one":
            score = score + logits.logsumexp(1, keepdim=True)
        return score, logits


class HeadedCritic(nn.Module):
    """Any critic of pictures, with a head for the class."""

    def __init__(self, config, width):
        super().__init__()
        network = config["network"]
        self.size = network["image"]["size"]
        self.plane = Table(width, self.size ** 2) if config["input"] == "plane" else None
        self.network = critic_of(network, width)
        self.head = Head(config["head"], self.network.feature_size, width, network.get("encoder", network))

    def forward(self, x, classes):
        if self.plane is not None:
            x = torch.cat([x, self.plane(classes).reshape(-1, 1, self.size, self.size)], 1)
        return self.head(*self.network.judge(x), classes)


class TwoTowerGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.image, self.split = config["image"], config["latent_size"]
        self.latent_size = self.split + config["classes"]
        self.latent = nn.Linear(self.split, config["latent_units"])
        self.add_module("class", nn.Linear(config["classes"], config["class_units"]))
        self.joint = nn.Linear(config["latent_units"] + config["class_units"], config["joint_units"])
        self.output = nn.Linear(config["joint_units"], num_values(self.image))

    def forward(self, rows):
        z, y = rows[:, :self.split], rows[:, self.split:]
        both = torch.cat([F.relu(self.latent(z)), F.relu(getattr(self, "class")(y))], 1)
        x = torch.tanh(self.output(F.relu(self.joint(both))))
        return x.reshape(-1, self.image["channels"], self.image["size"], self.image["size"])


class Maxout(nn.Module):
    def __init__(self, inputs, units, pieces):
        super().__init__()
        self.linear, self.pieces = nn.Linear(inputs, units * pieces), pieces

    def forward(self, x):
        return self.linear(x).reshape(len(x), -1, self.pieces).amax(2)


class TwoTowerCritic(nn.Module):
    def __init__(self, config):
        super().__init__()
        image, classes, joint = config["image_units"], config["class_units"], config["joint_units"]
        self.image = Maxout(num_values(config["image"]), *image)
        self.add_module("class", Maxout(config["classes"], *classes))
        self.joint = Maxout(image[0] + classes[0], *joint)
        self.logit = nn.Linear(joint[0], 1)

    def forward(self, x, classes):
        both = torch.cat([self.image(x.flatten(1)), getattr(self, "class")(classes)], 1)
        return self.logit(self.joint(both)), None


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose weight and bias are maps of a condition."""

    def __init__(self, channels, condition, config):
        super().__init__()
        self.gain = spectral(nn.Linear(condition, channels, bias=False), config)
        self.bias = spectral(nn.Linear(condition, channels, bias=False), config)
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x, y):
        x = F.batch_norm(x, self.running_mean, self.running_var, training=self.training)
        return x * (1 + self.gain(y))[:, :, None, None] + self.bias(y)[:, :, None, None]


class SelfAttention(nn.Module):
    """Section 3 of SAGAN with the max pooling of its authors' code."""

    def __init__(self, channels, config):
        super().__init__()
        conv = lambda a, b: spectral(nn.Conv2d(a, b, 1, bias=False), config)
        keys, values = max(channels // 8, 1), max(channels // 2, 1)
        self.query, self.key = conv(channels, keys), conv(channels, keys)
        self.value, self.output = conv(channels, values), conv(values, channels)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        n, _, h, w = x.shape
        query = self.query(x).flatten(2)
        key = F.max_pool2d(self.key(x), 2).flatten(2)
        value = F.max_pool2d(self.value(x), 2).flatten(2)
        attention = torch.softmax(query.transpose(1, 2) @ key, -1)
        seen = (value @ attention.transpose(1, 2)).reshape(n, -1, h, w)
        return x + self.gamma * self.output(seen)


def conv(inputs, outputs, kernel, config):
    return spectral(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), config)


class ResnetGeneratorBlock(nn.Module):
    def __init__(self, inputs, outputs, condition, config):
        super().__init__()
        # A table of classes has no spectral normalisation, a map of an embedding has it.
        maps = config if config.get("shared_embedding") is not None else {}
        self.norm_1 = ConditionalBatchNorm(inputs, condition, maps)
        self.norm_2 = ConditionalBatchNorm(outputs, condition, maps)
        self.conv_1, self.conv_2 = conv(inputs, outputs, 3, config), conv(outputs, outputs, 3, config)
        self.skip = conv(inputs, outputs, 1, config)

    def forward(self, x, y):
        up = lambda t: F.interpolate(t, scale_factor=2)
        h = self.conv_1(up(F.relu(self.norm_1(x, y))))
        return self.conv_2(F.relu(self.norm_2(h, y))) + self.skip(up(x))


class ResnetGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, classes, shared = config["widths"], config["classes"], config.get("shared_embedding")
        self.split, self.attention_size = config["latent_size"], config.get("attention")
        self.latent_size = self.split + classes
        self.base_size = 7 if config["image"]["size"] == 28 else 4
        self.hierarchical = config["hierarchical"]
        self.part = self.split // (len(widths) if self.hierarchical else 1)
        self.shared = None if shared is None else Table(classes, shared)
        condition = (shared or classes) + (self.part if self.hierarchical else 0)
        self.linear = spectral(nn.Linear(self.part, widths[0] * self.base_size ** 2), config)
        self.blocks = nn.ModuleList(
            ResnetGeneratorBlock(a, b, condition, config) for a, b in zip(widths, widths[1:]))
        sizes = [self.base_size << index for index in range(len(widths))]
        self.attention = None
        if self.attention_size is not None:
            self.attention = SelfAttention(widths[sizes.index(self.attention_size)], config)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.output = conv(widths[-1], config["image"]["channels"], 3, config)

    def forward(self, rows):
        y = rows[:, self.split:]
        y = y if self.shared is None else self.shared(y)
        part = lambda index: rows[:, index * self.part:(index + 1) * self.part]
        x = self.linear(part(0)).reshape(len(rows), -1, self.base_size, self.base_size)
        for index, block in enumerate(self.blocks):
            x = block(x, torch.cat([y, part(index + 1)], 1) if self.hierarchical else y)
            if self.attention is not None and x.shape[2] == self.attention_size:
                x = self.attention(x)
        return torch.tanh(self.output(F.relu(self.norm(x))))


class ResnetCriticBlock(nn.Module):
    def __init__(self, inputs, outputs, first, halves, config):
        super().__init__()
        hidden = outputs if config["wide"] or first else inputs
        self.conv_1, self.conv_2 = conv(inputs, hidden, 3, config), conv(hidden, outputs, 3, config)
        self.skip = conv(inputs, outputs, 1, config) if inputs != outputs or halves else None
        self.first, self.halves = first, halves

    def forward(self, x):
        down = lambda t: F.avg_pool2d(t, 2) if self.halves else t
        h = self.conv_1(x if self.first else F.relu(x))
        h = down(self.conv_2(F.relu(h)))
        return h + (x if self.skip is None else down(self.skip(x)))


class ResnetCritic(nn.Module):
    def __init__(self, config, width):
        super().__init__()
        widths, self.attention_size = config["widths"], config.get("attention")
        inputs, size = config["image"]["channels"], config["image"]["size"]
        self.blocks, self.attention = nn.ModuleList(), None
        for index, outputs in enumerate(widths):
            halves = index < config["halvings"]
            self.blocks.append(ResnetCriticBlock(inputs, outputs, index == 0, halves, config))
            size >>= halves
            if size == self.attention_size and self.attention is None:
                self.attention = SelfAttention(outputs, config)
            inputs = outputs
        self.logit = spectral(nn.Linear(inputs, 1), config)
        self.head = Head(config["head"], inputs, width, config)

    def forward(self, x, classes):
        waiting = self.attention is not None
        for block in self.blocks:
            x = block(x)
            if waiting and x.shape[2] == self.attention_size:
                x, waiting = self.attention(x), False
        features = F.relu(x).sum((2, 3))
        return self.head(self.logit(features), features, classes)


class DeepGeneratorBlock(nn.Module):
    """The bottleneck of BigGAN-deep."""

    def __init__(self, inputs, outputs, doubles, condition, config):
        super().__init__()
        inside = inputs // config["ratio"]
        norm = lambda channels: ConditionalBatchNorm(channels, condition, config)
        self.norm_1, self.norm_2 = norm(inputs), norm(inside)
        self.norm_3, self.norm_4 = norm(inside), norm(inside)
        self.conv_1, self.conv_2 = conv(inputs, inside, 1, config), conv(inside, inside, 3, config)
        self.conv_3, self.conv_4 = conv(inside, inside, 3, config), conv(inside, outputs, 1, config)
        self.outputs, self.doubles = outputs, doubles

    def forward(self, x, y):
        up = lambda t: F.interpolate(t, scale_factor=2) if self.doubles else t
        h = self.conv_1(F.relu(self.norm_1(x, y)))
        h = self.conv_2(up(F.relu(self.norm_2(h, y))))
        h = self.conv_3(F.relu(self.norm_3(h, y)))
        h = self.conv_4(F.relu(self.norm_4(h, y)))
        return h + up(x[:, :self.outputs])


class DeepGenerator(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths, classes, self.split = config["widths"], config["classes"], config["latent_size"]
        self.latent_size, self.attention_size = self.split + classes, config.get("attention")
        self.base_size = 7 if config["image"]["size"] == 28 else 4
        condition = self.split + config["shared_embedding"]
        self.shared = Table(classes, config["shared_embedding"])
        self.linear = spectral(nn.Linear(condition, widths[0] * self.base_size ** 2), config)
        self.blocks, self.attention = nn.ModuleList(), None
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            for place in range(config["depth"]):
                last = place == config["depth"] - 1
                block = DeepGeneratorBlock(inputs, outputs if last else inputs, last, condition, config)
                self.blocks.append(block)
            if self.base_size << (index + 1) == self.attention_size:
                self.attention = SelfAttention(outputs, config)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.output = conv(widths[-1], config["image"]["channels"], 3, config)

    def forward(self, rows):
        y = torch.cat([rows[:, :self.split], self.shared(rows[:, self.split:])], 1)
        x = self.linear(y).reshape(len(rows), -1, self.base_size, self.base_size)
        for block in self.blocks:
            x = block(x, y)
            if self.attention is not None and block.doubles and x.shape[2] == self.attention_size:
                x = self.attention(x)
        return torch.tanh(self.output(F.relu(self.norm(x))))


class DeepCriticBlock(nn.Module):
    """The bottleneck of BigGAN-deep."""

    def __init__(self, inputs, outputs, halves, config):
        super().__init__()
        inside = outputs // config["ratio"]
        self.conv_1, self.conv_2 = conv(inputs, inside, 1, config), conv(inside, inside, 3, config)
        self.conv_3, self.conv_4 = conv(inside, inside, 3, config), conv(inside, outputs, 1, config)
        self.skip = conv(inputs, outputs - inputs, 1, config) if inputs < outputs else None
        self.halves = halves

    def forward(self, x):
        down = lambda t: F.avg_pool2d(t, 2) if self.halves else t
        h = self.conv_2(F.relu(self.conv_1(F.relu(x))))
        h = self.conv_4(down(F.relu(self.conv_3(F.relu(h)))))
        x = down(x)
        return h + (x if self.skip is None else torch.cat([x, self.skip(x)], 1))


class DeepCritic(nn.Module):
    def __init__(self, config, width):
        super().__init__()
        widths, size, depth = config["widths"], config["image"]["size"], config["depth"]
        self.input = conv(config["image"]["channels"], widths[0], 3, config)
        self.blocks, self.attention, self.attention_after = nn.ModuleList(), None, 0
        for index, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            halves = index < config["halvings"]
            for place in range(depth):
                start = inputs if place == 0 else outputs
                self.blocks.append(DeepCriticBlock(start, outputs, halves and place == 0, config))
            size >>= halves
            if size == config.get("attention") and self.attention is None:
                self.attention, self.attention_after = SelfAttention(outputs, config), len(self.blocks)
        self.logit = spectral(nn.Linear(widths[-1], 1), config)
        self.head = Head(config["head"], widths[-1], width, config)

    def forward(self, x, classes):
        x = self.input(x)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if self.attention is not None and self.attention_after == index + 1:
                x = self.attention(x)
        features = F.relu(x).sum((2, 3))
        return self.head(self.logit(features), features, classes)


class UNet(nn.Module):
    """Rows are the numbers that decide what dropout drops, and the source. Skips are taken before an activation."""

    def __init__(self, config):
        super().__init__()
        widths, norm, channels = config["widths"], config["norm"], config["image"]["channels"]
        self.config, self.last = config, len(widths) - 1
        block = lambda layer, outputs, norm: ConvBlock(layer, NormActivation(outputs, norm, "identity"))
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        inputs = config["in_channels"]
        for index, outputs in enumerate(widths):
            this = "none" if index in (0, self.last) else norm
            layer = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not cancels_bias(this))
            self.encoder.append(block(layer, outputs, this))
            inputs = outputs
        for outputs in reversed(widths[:-1]):
            layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=not cancels_bias(norm))
            self.decoder.append(block(layer, outputs, norm))
            inputs = 2 * outputs
        self.output = block(nn.ConvTranspose2d(inputs, channels, 4, 2, 1), channels, "none")
        self.act_in, self.act_out = (activation(config[f"{part}_activation"]) for part in ("encoder", "decoder"))
        size = config["image"]["size"]
        self.source = [config["in_channels"], size, size]
        self.dropped = [
            [widths[self.last - 1 - layer], size >> self.last - layer, size >> self.last - layer]
            for layer in range(config["dropout_layers"])]
        self.noise_size = sum(c * h * w for c, h, w in self.dropped)
        self.latent_size = self.noise_size + self.source[0] * size ** 2

    def forward(self, rows):
        noise, x = rows[:, :self.noise_size], rows[:, self.noise_size:].reshape(-1, *self.source)
        noise = noise.split([c * h * w for c, h, w in self.dropped], 1)
        skips = []
        for index, block in enumerate(self.encoder):
            if index > 0:
                skips.append(x)
                x = self.act_in(x)
            x = block(x)
        rate = self.config["dropout"]
        for index, block in enumerate(self.decoder):
            x = block(self.act_out(x))
            if index < len(noise):
                x = x * ((noise[index] >= 2 * rate - 1) / (1 - rate)).reshape(-1, *self.dropped[index])
            x = torch.cat([x, skips.pop()], 1)
        return activation(self.config["output_activation"])(self.output(self.act_out(x)))


class PatchCritic(nn.Module):
    """A logit for every patch of source and picture, one after the other along the channels."""

    def __init__(self, config):
        super().__init__()
        self.blocks, inputs = nn.ModuleList(), config["in_channels"]
        for index, outputs in enumerate(config["widths"]):
            this = "none" if index == 0 else config["norm"]
            stride = 1 if index == len(config["widths"]) - 1 else 2
            layer = nn.Conv2d(inputs, outputs, 4, stride, 1, bias=not cancels_bias(this))
            self.blocks.append(ConvBlock(layer, NormActivation(outputs, this, config["activation"])))
            inputs = outputs
        self.logits = nn.Conv2d(inputs, 1, 4, 1, 1)

    def forward(self, x, classes=None):
        for block in self.blocks:
            x = block(x)
        return self.logits(x).flatten(1), None


def generator_of(config, width):
    kinds = {"mlp": MlpGenerator, "conv": ConvGenerator, "two_tower": TwoTowerGenerator,
             "resnet": ResnetGenerator, "deep": DeepGenerator}
    if config["kind"] == "image":
        return EmbeddedGenerator(config, width)
    return kinds[config["kind"]](config)


def critic_of(config, width):
    kinds = {"mlp": MlpCritic, "conv": ConvCritic, "autoencoder": Autoencoder, "two_tower": TwoTowerCritic}
    if config["kind"] == "image":
        return HeadedCritic(config, width)
    if config["kind"] in ("resnet", "deep"):
        return {"resnet": ResnetCritic, "deep": DeepCritic}[config["kind"]](config, width)
    return kinds[config["kind"]](config)


def without_spectral_norm(config):
    if isinstance(config, dict):
        return {key: None if key == "spectral_norm" else without_spectral_norm(value)
                for key, value in config.items()}
    return config


def build(model, player="generator", folded=False):
    """The network of a player, with fresh weights. `model` is the part `model` of a config.json; `folded`
    leaves spectral normalisation out."""
    config = without_spectral_norm(model[player]) if folded else model[player]
    if "task" in model:
        return (UNet if player == "generator" else PatchCritic)(config).eval()
    condition = model.get("condition", {"count": model.get("classes", 0)})
    width = sum(condition.get(part, 0) for part in ("count", "categories", "continuous"))
    network = generator_of(config, width) if player == "generator" else critic_of(config, width)
    return network.eval()


def load(path, config=None, player="generator"):
    """The network of an exported file. `config` is the config.json of the run; a safetensors file knows
    its own."""
    if path.endswith(".safetensors"):
        from safetensors import safe_open
        with safe_open(path, "pt") as file:
            model = json.loads((file.metadata() or {}).get("model", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    else:
        model, tensors = None, torch.load(path, weights_only=True)
    if config is not None:
        with open(config) as file:
            model = json.load(file)["model"]
    if model is None:
        raise ValueError(f"{path} does not say which network it is of: give the config.json of the run")
    network = build(model, player, folded=not any(name.endswith("weight_orig") for name in tensors))
    network.load_state_dict(tensors)
    return network


def main(weights, check, config=None):
    """Draws the pictures of `export --check` again and compares them."""
    from safetensors.torch import load_file
    expected = load_file(check)
    with torch.no_grad():
        found = load(weights, config)(expected["rows"])
    error = (found - expected["pictures"]).abs().max().item()
    print(f"{len(found)} pictures {list(found.shape[1:])}: largest difference {error:.2e}")
    return error < 1e-4


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python gan_networks.py WEIGHTS CHECK [CONFIG]")
    sys.exit(0 if main(*sys.argv[1:]) else 1)
