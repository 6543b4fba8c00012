"""Forward passes of every network in PyTorch, as fixtures for the Rust tests.

python forward.py [FOLDER]    reads forward.json, writes forward_<case>.safetensors

`forward.json` is written by the Rust test that reads the fixtures (`crates/gan-models/tests/pytorch_forward.rs`):
for each case the model of a preset at full size, and the same one made narrow. The networks are those of
`python/gan_networks.py`, with drawn weights, statistics and singular vectors. A fixture holds `g.<name>` and
`d.<name>`, the `state_dict`s of both narrow players as PyTorch has them; `rows`, what the generator
takes; `pictures` = G(rows); `classes`, what the critic is told of them, if anything; `score` = D(pictures), or of sources and
pictures side by side, and
`logits` where it has a classifier; `counts`, the number of trainable values of both players at full size; for
`dcgan-28` also `pooled`, the critic's feature maps under a grid of 4 x 4, and `guided`, guided backpropagation from
channel 1 of the last one. Results are compared with float64 here. Last, `written_by_rust.pt`, which Rust wrote, is opened and checked.
"""
import copy
import json
import os
import sys
import zlib

import torch
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "python"))
from gan_networks import MinibatchDiscrimination, build  # noqa: E402


def draw(network):
    """Weights that keep the size of what passes, and everything else different from its beginning."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            with torch.no_grad():
                if isinstance(module, MinibatchDiscrimination):
                    # Near enough to each other for the exponential of the distance to be seen.
                    parameter.normal_(0, (1 / len(parameter)) ** 0.5)
                elif parameter.dim() > 1:
                    is_transposed = isinstance(module, nn.ConvTranspose2d)
                    inputs = parameter[:, 0].numel() / 4 if is_transposed else parameter[0].numel()
                    parameter.normal_(0, (1.5 / max(inputs, 1)) ** 0.5)
                elif name == "weight":
                    parameter.uniform_(0.5, 1.5)
                else:
                    parameter.normal_(0, 0.3)
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        if hasattr(module, "reference") and isinstance(module.reference, torch.Tensor):
            module.reference.normal_()
        if hasattr(module, "weight_u"):
            axis = int(isinstance(module, nn.ConvTranspose2d))
            w = module.weight_orig.detach().transpose(0, axis).flatten(1)
            for _ in range(5):
                module.weight_v.copy_(nn.functional.normalize(module.weight_u @ w, dim=0))
                module.weight_u.copy_(nn.functional.normalize(w @ module.weight_v, dim=0))
            module.weight_v.copy_(nn.functional.normalize(module.weight_u @ w, dim=0))
    return network


def doubled(network):
    """The same in float64. Spectral normalisation leaves a weight that is no leaf, which cannot be copied."""
    for module in network.modules():
        if hasattr(module, "weight_orig"):
            module.weight = module.weight_orig.detach()
    return copy.deepcopy(network).double()


def check(exact, found):
    error = (exact.float() - found).abs().max().item()
    assert error < 1e-5 * max(1.0, found.abs().max().item()), error


def told(model, count):
    """What follows the latent, and what the critic is told."""
    kind = model.get("condition", {}).get("kind")
    if kind == "classes" or "classes" in model:
        classes = model["condition"]["count"] if kind else model["classes"]
        rows = torch.eye(classes)[torch.arange(count) % classes]
        return (rows if kind else rows[:, :0]), rows
    if kind == "code":
        categories = model["condition"]["categories"]
        chosen = torch.eye(categories)[torch.arange(count) % categories]
        rows = torch.cat([chosen, torch.rand(count, model["condition"]["continuous"]) * 2 - 1], 1)
        return rows, rows
    return torch.zeros(count, 0), None


class Guided(torch.autograd.Function):
    """Leaky ReLU that lets pass only positive gradients, at positive units."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return nn.functional.leaky_relu(x, 0.2)

    @staticmethod
    def backward(context, gradient):
        x, = context.saved_tensors
        return gradient.clamp(min=0) * (x > 0)


def views(critic, pictures):
    """What the critic's convolutions see: features for a classifier, and guided backpropagation."""
    maps, x = [], pictures
    with torch.no_grad():
        for block in critic.blocks:
            x = block(x)
            maps.append(x)
    pooled = torch.cat([nn.functional.adaptive_max_pool2d(x, 4).flatten(1) for x in maps], 1)
    x = start = pictures.clone().requires_grad_()
    for block in critic.blocks:
        norm = block.after.norm or nn.Identity()
        x = Guided.apply(norm(block.layer(x)))
    guided, = torch.autograd.grad(x[:, 1].flatten(1).max(1).values.sum(), start)
    assert guided.abs().max() > 0
    return {"pooled": pooled, "guided": guided}


def fixture(name, model, full):
    count = 2 if model["generator"].get("image", {}).get("size") == 64 else 4
    generator, critic = draw(build(model)), draw(build(model, "critic"))
    condition, classes = told(model, count)
    rows = torch.cat([torch.randn(count, generator.latent_size - condition.shape[1]), condition], 1)
    with torch.no_grad():
        pictures = generator(rows)
        seen = pictures
        if "task" in model:
            seen = torch.cat([rows[:, generator.noise_size:].reshape(-1, *generator.source), pictures], 1)
        score, logits = critic(seen, classes)
        check(doubled(generator)(rows.double()), pictures)
        doubles = None if classes is None else classes.double()
        check(doubled(critic)(seen.double(), doubles)[0], score)
    tensors = {"rows": rows, "pictures": pictures, "score": score}
    if classes is not None:
        tensors["classes"] = classes
    if logits is not None:
        tensors["logits"] = logits
    for prefix, network in (("g", generator), ("d", critic)):
        for key, value in network.state_dict().items():
            tensors[f"{prefix}.{key}"] = value.detach()
    if name == "dcgan-28":
        tensors.update(views(critic, pictures))
    count = lambda player: sum(p.numel() for p in build(full, player).parameters())
    tensors["counts"] = torch.tensor([count("generator"), count("critic")])
    return {key: value.contiguous().clone() for key, value in tensors.items()}


def check_file(path):
    tensors = torch.load(path, weights_only=True)
    assert list(tensors) == ["conv.bias", "conv.weight", "double", "norm.num_batches_tracked"]
    assert torch.equal(tensors["conv.bias"], torch.tensor([0.5, -1.0]))
    assert torch.equal(tensors["conv.weight"], (torch.arange(24) / 8).reshape(2, 3, 2, 2))
    assert torch.equal(tensors["double"], torch.tensor([1 / 3], dtype=torch.float64))
    assert torch.equal(tensors["norm.num_batches_tracked"], torch.tensor(0))


def main(folder):
    with open(os.path.join(HERE, "..", "forward.json")) as file:
        cases = json.load(file)
    for name, case in sorted(cases.items()):
        torch.manual_seed(1 + zlib.crc32(name.encode()))
        tensors = fixture(name, case["narrow"], case["full"])
        save_file(tensors, os.path.join(folder, f"forward_{name}.safetensors"))
        pictures = tensors["pictures"]
        print(f"{name}: {sum(value.numel() for value in tensors.values())} values, pictures "
              f"{list(pictures.shape)} from {pictures.min():.2f} to {pictures.max():.2f}, parameters at full "
              f"size {tensors['counts'].tolist()}")
    check_file(os.path.join(HERE, "..", "written_by_rust.pt"))
    print("written_by_rust.pt is read by torch.load")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, ".."))
