"""VGG16 features and LPIPS with random weights from pseudorandom.py: reference/vgg_lpips.safetensors.

With --weights FILE, writes torchvision's VGG16 with those weights instead, as PyTorch wrote files in 2017, the year of
vgg16-397923af.pth (528 MB; not committed), to try the programs with.

Needs lpips 0.1.4 and torchvision from PyPI. reference/lpips_vgg.pth is weights/v0.1/vgg.pth of that package."""
import argparse
import os
import pickle
import types

import lpips
import numpy as np
import torch
from safetensors.numpy import save_file
from torchvision.models import vgg16

from pseudorandom import smooth_picture, state_dict, unit

PICTURES = [smooth_picture(f"lpips.{i}", 48, 40, 3) for i in range(3)]


def tensors_of(module, keep):
    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items() if keep(k)}
    return {k: torch.from_numpy(v) for k, v in state_dict(shapes).items()}


class OldPickler(pickle.Pickler):
    """Tensors as PyTorch pickled them before version 0.4."""

    def reducer_override(self, value):
        if isinstance(value, torch.Tensor):
            parts = (value._typed_storage(), value.storage_offset(), tuple(value.shape), value.stride())
            return torch._utils._rebuild_tensor, parts
        return NotImplemented


def save_old(tensors, path):
    module = types.ModuleType("old_pickle")
    module.Pickler, module.dump = OldPickler, pickle.dump
    torch.save(tensors, path, pickle_module=module, pickle_protocol=2, _use_new_zipfile_serialization=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights")
    path = parser.parse_args().weights
    trunk = vgg16(weights=None).eval()
    # The first two dense layers have 120 million weights; they are filled with a cheap pattern of their own.
    weights = tensors_of(trunk, lambda k: k.startswith("features"))
    for name, outputs, inputs in [("classifier.0", 4096, 512 * 7 * 7), ("classifier.3", 4096, 4096)]:
        rows, columns = unit(name + ".rows", outputs), unit(name + ".columns", inputs)
        matrix = np.float32(2) * (rows[:, None] + columns[None] - np.floor(rows[:, None] + columns[None])) - np.float32(1)
        weights[name + ".weight"] = torch.from_numpy(matrix * np.float32(np.sqrt(np.float32(6.0) / np.float32(inputs))))
        weights[name + ".bias"] = torch.from_numpy((unit(name + ".bias", outputs) - np.float32(0.5)) * np.float32(0.2))
    missing, unexpected = trunk.load_state_dict(weights, strict=False)
    assert missing == ["classifier.6.weight", "classifier.6.bias"] and not unexpected
    if path:
        save_old(trunk.state_dict(), path)
        return

    # With the published weights of the maps, which come with the package.
    published = lpips.LPIPS(pretrained=True, pnet_rand=True, net="vgg", verbose=False).eval()
    distance = lpips.LPIPS(pretrained=False, pnet_rand=True, net="vgg", verbose=False).eval()
    for net in [published.net, distance.net]:
        for part in [net.slice1, net.slice2, net.slice3, net.slice4, net.slice5]:
            for name, layer in part.named_children():
                layer.load_state_dict({k: weights[f"features.{name}.{k}"] for k in layer.state_dict()})
    for i in range(5):
        layer = getattr(distance, f"lin{i}").model[1]
        layer.weight.data = torch.from_numpy(unit(f"lin{i}.model.1.weight", *layer.weight.shape))

    x = torch.from_numpy(np.stack(PICTURES)).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        pairs = x[[0, 1, 0]] / 127.5 - 1, x[[1, 2, 0]] / 127.5 - 1
        d, d_published = (net(*pairs)[:, 0, 0, 0] for net in (distance, published))
        y = torch.nn.functional.interpolate(x[:2] / 255, size=(224, 224), mode="bilinear", align_corners=False)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        y = trunk.features((y - mean[:, None, None]) / std[:, None, None])
        features = trunk.classifier[:5](y.flatten(1))
    print("lpips", d.tolist(), d_published.tolist(), "features", features.mean().item(), features.std().item())
    assert d[2] == 0 and d_published[2] == 0
    save_file({"lpips": d.numpy(), "lpips.published": d_published.numpy(), "features": features.numpy()},
              os.path.join(os.path.dirname(__file__), "..", "vgg_lpips.safetensors"))


if __name__ == "__main__":
    main()
