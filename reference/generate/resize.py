"""Pictures resized to 299 x 299 by the programs that gan-metrics imitates: reference/resize.safetensors.

  pytorch-fid         torch.nn.functional.interpolate, bilinear, align_corners=False, on [0, 1], times 255
  clean               Pillow, bicubic, one float32 channel at a time, clipped to [0, 255]
  legacy-tensorflow   the formula of tf.image.resize_bilinear of TensorFlow 1 (no half-pixel centres), NumPy, float32

Inputs come from pseudorandom.py; of every output, all channels of every 13th row and 7th column are kept."""
import os

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file

from pseudorandom import picture_bytes

SIZES = [(32, 32), (40, 53), (299, 299), (331, 420)]
SIDE = 299


def pytorch_fid(x):
    x = torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255
    x = torch.nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return (x[0] * 255).permute(1, 2, 0).numpy()


def clean(x):
    planes = [Image.fromarray(x[:, :, c].astype(np.float32)) for c in range(3)]
    planes = [np.asarray(p.resize((SIDE, SIDE), resample=Image.BICUBIC)).clip(0, 255) for p in planes]
    return np.stack(planes, 2)


def legacy_tensorflow(x):
    x = x.astype(np.float32)

    def axis(size):
        source = np.arange(SIDE, dtype=np.float32) * np.float32(np.float32(size) / np.float32(SIDE))
        low = np.floor(source).astype(int)
        return low, np.minimum(low + 1, size - 1), source - low.astype(np.float32)

    top, bottom, v = axis(x.shape[0])
    left, right, u = axis(x.shape[1])
    v, u = v[:, None, None], u[None, :, None]
    upper = x[top][:, left] + (x[top][:, right] - x[top][:, left]) * u
    lower = x[bottom][:, left] + (x[bottom][:, right] - x[bottom][:, left]) * u
    return upper + (lower - upper) * v


def main():
    tensors = {}
    for height, width in SIZES:
        x = picture_bytes(f"resize.{height}x{width}", height, width, 3)
        for name, resize in [("pytorch-fid", pytorch_fid), ("clean", clean), ("legacy-tensorflow", legacy_tensorflow)]:
            y = resize(x)
            assert y.shape == (SIDE, SIDE, 3) and y.dtype == np.float32
            tensors[f"{name}.{height}x{width}"] = np.ascontiguousarray(y[::13, ::7])
    save_file(tensors, os.path.join(os.path.dirname(__file__), "..", "resize.safetensors"))


if __name__ == "__main__":
    main()
