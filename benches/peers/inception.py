"""Times pytorch-fid's Inception features of pictures, and its Fréchet distance between the first half of them and the
second, as its own program makes both but without reading files.

    python reference/generate/inception.py --weights /tmp/inception.pth
    python benches/peers/inception.py /tmp/inception.pth 5000 /tmp/pictures.bin

The pictures are written to the third argument if that is not there, or else read from it. The other side is
crates/gan-metrics/examples/time_inception.rs. Needs pytorch-fid, torchvision and SciPy."""
import os
import resource
import sys
import time

import numpy as np
import torch
from pytorch_fid import inception as published
from pytorch_fid.fid_score import calculate_frechet_distance

BATCH = 50  # pytorch-fid's default
SIDE = 32


def write_pictures(path, count):
    """Squares of eight pixels and noise; those of the second half have less contrast."""
    numbers = np.random.default_rng(1)
    squares = numbers.integers(0, 256, (count, SIDE // 8, SIDE // 8, 3)).repeat(8, 1).repeat(8, 2)
    contrast = np.where(np.arange(count) < count // 2, 0.75, 0.5)[:, None, None, None]
    pictures = squares * contrast + numbers.integers(0, 64, squares.shape)
    pictures.astype(np.uint8).tofile(path)


def statistics(features):
    return features.mean(0), np.cov(features, rowvar=False)


def main():
    weights, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if not os.path.exists(path):
        write_pictures(path, count)
    torch.set_num_threads(2)

    published.load_state_dict_from_url = lambda *_, **__: torch.load(weights)
    start = time.time()
    net = published.InceptionV3([3]).eval()
    print(f"loaded in {time.time() - start:.2f} s")
    pictures = np.memmap(path, np.uint8, "r", shape=(count, SIDE, SIDE, 3))
    features = np.empty((count, 2048))  # float64, as there
    start = time.time()
    for begin in range(0, count, BATCH):
        with torch.no_grad():
            x = torch.from_numpy(np.array(pictures[begin:begin + BATCH])).permute(0, 3, 1, 2).float() / 255
            features[begin:begin + BATCH] = net(x)[0].squeeze(3).squeeze(2).numpy()
    seconds = time.time() - start
    print(f"{count} pictures in {seconds:.2f} s: {1e3 * seconds / count:.1f} ms each (sum {features.sum():.3f})")
    start = time.time()
    halves = statistics(features[:count // 2]), statistics(features[count // 2:])
    distance = calculate_frechet_distance(*halves[0], *halves[1])
    print(f"distance {distance:.9f} in {time.time() - start:.2f} s")
    print(f"VmHWM: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB")


main()
