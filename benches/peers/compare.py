"""Ours and PyTorch in turn, A B A B, on this machine: python compare.py [--cases vanilla,dcgan-28] [--turns 3]

Wants `cargo build --release --example peer` first, and the virtual environment of README.md. Prints a
table of medians over the turns, their ratio (below 1: ours is faster) and peak memory.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def example(name):
    """Our side, built beforehand."""
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release/examples", name)


def output(command):
    """The JSON a command prints."""
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def ours(case):
    return output([example("peer"), "--case", case])


def theirs(case):
    result = output([sys.executable, os.path.join(HERE, "run.py"), "--only", case])["results"][0]
    return result | {"ms": result.get("ms_per_round", result.get("ms"))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", default="vanilla,dcgan-28,sampling-vanilla,sampling-dcgan-28")
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f}")
    print("| case | ours ms | PyTorch ms | ratio | ours MiB | PyTorch MiB | ours start s | PyTorch start s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in args.cases.split(","):
        runs = [(ours(case), theirs(case)) for _ in range(args.turns)]

        def middle(side, key):
            values = [run[side].get(key) for run in runs]
            return statistics.median(values) if None not in values else float("nan")

        a, b = middle(0, "ms"), middle(1, "ms")
        print(
            f"| {case} | {a:.1f} | {b:.1f} | {a / b:.2f} | {middle(0, 'peak_rss_mib'):.0f} "
            f"| {middle(1, 'peak_rss_mib'):.0f} | {middle(0, 'startup_to_first_round_s'):.2f} "
            f"| {middle(1, 'startup_to_first_round_s'):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
