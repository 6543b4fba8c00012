"""Outputs of pytorch-fid's InceptionV3 with random weights from pseudorandom.py: reference/inception.safetensors.

With --weights FILE, writes those weights as a PyTorch file instead (95 MB; not committed), to try the programs with.

Needs pytorch-fid 0.3.0 and torchvision from PyPI."""
import argparse
import os

import numpy as np
import torch
from pytorch_fid import inception as published
from safetensors.numpy import save_file
from torchvision.models import inception_v3

from pseudorandom import smooth_picture, state_dict
from resize import clean

PICTURES = [smooth_picture(f"inception.{i}", 40, 36, 3) for i in range(2)]


def random_weights():
    """Names and shapes are those of torchvision without the auxiliary head, with 1008 classes; pytorch-fid's file has
    the same."""
    shapes = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False).state_dict()
    return {k: torch.from_numpy(v) for k, v in state_dict({k: tuple(v.shape) for k, v in shapes.items()}).items()}


def network(**options):
    weights = random_weights()
    published.load_state_dict_from_url = lambda *_, **__: weights
    return published.InceptionV3([3], **options).eval(), weights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights")
    path = parser.parse_args().weights
    if path:
        torch.save(random_weights(), path)
        return
    tensors = {}
    for mode in ["pytorch-fid", "clean"]:
        with torch.no_grad():
            if mode == "pytorch-fid":
                net, weights = network()
                x = torch.from_numpy(np.stack(PICTURES)).permute(0, 3, 1, 2).float() / 255
            else:
                net, weights = network(resize_input=False, normalize_input=False)
                x = torch.from_numpy(np.stack([clean(p) for p in PICTURES])).permute(0, 3, 1, 2)
                x = (x - 128) / 128
            features = net(x)[0][:, :, 0, 0]
            # Without the bias of `fc`, as the Inception Score is defined.
            probabilities = (features @ weights["fc.weight"].T).softmax(1)
        tensors[f"{mode}.features"] = features.numpy()
        tensors[f"{mode}.probabilities"] = probabilities.numpy()
        print(mode, features.mean().item(), features.std().item(), probabilities.max().item())
    save_file(tensors, os.path.join(os.path.dirname(__file__), "..", "inception.safetensors"))


if __name__ == "__main__":
    main()
