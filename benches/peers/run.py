"""Times the peers: python run.py [--only vanilla,dcgan-28] [--rounds 60] > peers.json

Each case runs in a process of its own, so that its peak memory and its start are its own. Cases:
vanilla, dcgan-28, dcgan-64 (base width 64), sampling-vanilla, sampling-dcgan-28 (10,000 digits as
uint8 in memory). The median of the rounds after the warm-up is reported; all times are wall time.
"""
import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

CASES = ["vanilla", "dcgan-28", "dcgan-64", "sampling-vanilla", "sampling-dcgan-28"]


def peak_rss_mib():
    """This process's peak resident memory; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2 ** 20 if sys.platform == "darwin" else 2 ** 10), 1)


def build(name, batch, base):
    from dcgan import Dcgan
    from vanilla import Vanilla
    if name.endswith("vanilla"):
        return Vanilla(batch)
    return Dcgan(28 if name.endswith("28") else 64, base, batch)


def timed(work, count, warm_up):
    """Median seconds of `count` calls, after `warm_up` uncounted ones."""
    for _ in range(warm_up):
        work()
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def case(args):
    """Runs in the child process; prints one JSON line."""
    import torch
    import common
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    gan = build(args.case, args.batch, args.base)
    result = {"name": args.case, "batch": args.batch}
    if args.case.startswith("sampling"):
        count = 10_000
        seconds = timed(lambda: common.draw(gan, count), 3, 1)
        result |= {"batch": 500, "images": count, "ms": round(seconds * 1000, 1), "images_per_s": round(count / seconds)}
    else:
        source = common.batches(common.pictures(gan.channels, gan.size, folder=args.data), args.batch)

        def work():
            # Reading the losses ends the round: nothing is left running when the clock is read.
            for loss in gan.round(next(source)):
                loss.item()

        work()
        result["startup_to_first_round_s"] = round(time.time() - args.started, 2)
        seconds = timed(work, args.rounds, args.warm_up)
        result |= {"ms": round(seconds * 1000, 2), "images_per_s": round(args.batch / seconds)}
        result["rounds"] = args.rounds
        result["base"] = args.base if args.case == "dcgan-64" else None
    result |= {"peak_rss_mib": peak_rss_mib(), "threads": args.threads, "torch": torch.__version__}
    print(json.dumps({k: v for k, v in result.items() if v is not None}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(CASES), help="cases, with commas between them")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--base", type=int, default=64, help="narrowest width of dcgan-64; the paper's is 128")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", help="folder with MNIST's IDX files; default $GAN_DATA_DIR, else noise")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return case(args)
    if unknown := [name for name in args.only.split(",") if name not in CASES]:
        parser.error(f"--only {','.join(unknown)}: cases are {', '.join(CASES)}")
    results = []
    for name in args.only.split(","):
        before = os.getloadavg()[0]
        command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--case", name, "--started", str(time.time())]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"case {name} failed with status {done.returncode}")
        results.append(json.loads(done.stdout) | {"load1_before": round(before, 2)})
    print(json.dumps({"machine": platform.platform(), "cores": os.cpu_count(), "results": results}, indent=1))


if __name__ == "__main__":
    main()
