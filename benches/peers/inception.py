"""Times pytorch-fid's Inception features of random pictures, as its own program makes them but without reading files.

    python reference/generate/inception.py --weights /tmp/inception.pth
    python benches/peers/inception.py /tmp/inception.pth 500

The other side is crates/gan-metrics/examples/time_inception.rs. Needs pytorch-fid and torchvision."""
import resource
import sys
import time

import torch
from pytorch_fid import inception as published

BATCH = 50  # pytorch-fid's default


def main():
    path, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
    torch.set_num_threads(2)

    published.load_state_dict_from_url = lambda *_, **__: torch.load(path)
    start = time.time()
    net = published.InceptionV3([3]).eval()
    print(f"loaded in {time.time() - start:.2f} s")
    torch.manual_seed(1)
    total = 0.0
    start = time.time()
    rounds = -(-count // BATCH)
    for _ in range(rounds):
        with torch.no_grad():
            x = torch.randint(0, 256, (BATCH, 3, 32, 32), dtype=torch.uint8).float() / 255
            total += net(x)[0].squeeze(3).squeeze(2).numpy().sum()
    seconds = time.time() - start
    done = rounds * BATCH
    print(f"{done} pictures in {seconds:.2f} s: {1e3 * seconds / done:.1f} ms each (sum {total:.3f})")
    print(f"VmHWM: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss} kB")


main()
