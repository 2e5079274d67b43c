"""Times a training step of one process and of two, and what the second one costs.

    python -m benchmarks.scaling [--batch 1] [--depth 50] [--turns 10] [--json FILE]

Two processes of one thread each train Mask Scoring R-CNN by gloo, each with batches of its own, on
images of 8 ellipses, loaded in the process. In each turn the first process does a step while the
other rests; then both do one without exchange, and wait for each other; then both do one of
``DistributedDataParallel``; then they exchange as many bytes as the gradients have, and nothing
else. Last comes arithmetic for more processes: see :func:`efficiency`.
"""

import argparse
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed, multiprocessing

from benchmarks.detector_steps import optimizer_of
from benchmarks.detectors import build_detectors, give_proposals
from benchmarks.training import data_loader, write_images
from benchmarks.turns import add_to_json, machine

PARTS = (
    "step of one process",
    "step of two, without exchange",
    "waiting for the slower one",
    "step of two, with exchange",
    "exchange alone",
    "loading of a batch",
)

R50_GRADIENTS = 242.0e6
"""Bytes of the gradients of R-50 with 80 classes, counted by --depth 50."""
LINKS = {
    "NVLink, 300 GB/s": 300e9,
    "100 Gbit/s network": 12.5e9,
    "25 Gbit/s network": 3.1e9,
    "10 Gbit/s network": 1.25e9,
}
"""Assumed bytes a second of the slowest link of a ring."""
STEPS = {"16 images, mixed precision": 0.710, "2 images": 0.109}
"""Seconds of a step on an H100, by docs/performance.md."""
PROCESSES = (2, 8, 16, 64)
BACKWARD = 0.5  # assumed share of a step that the exchange overlaps with


def efficiency(
    processes: int, size: float, step: float, bandwidth: float, overlap: float = 0.0
) -> float:
    """Returns the share of perfect scaling that a ring all-reduce leaves.

    Each link of a ring carries ``2 (N - 1) / N`` times the gradients (Patarasuk and Yuan, 2009).
    Latency, loading and the wait for the slowest process are not counted.

    Args:
        processes: N.
        size: Bytes of the gradients.
        step: Seconds of a step of one process.
        bandwidth: Bytes a second of the slowest link.
        overlap: Share of the step during which gradients are exchanged already.

    Returns:
        In (0, 1].
    """
    exchange = 2 * (processes - 1) / processes * size / bandwidth
    return step / (step + max(0.0, exchange - overlap * step))


def run(rank: int, port: int, folder: Path, args: argparse.Namespace) -> None:
    """Runs one of the two processes."""
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    measure(rank, folder, args)  # a wrapper that outlived the process group would hang
    distributed.destroy_process_group()


def measure(rank: int, folder: Path, args: argparse.Namespace) -> None:
    """Measures in both processes; the first prints and writes the figures."""
    detector = build_detectors("cpu", args.depth, ("ours",))["ours"].train()
    give_proposals(detector)
    optimizer = optimizer_of(detector, False, "cpu")
    parallel = MMDistributedDataParallel(detector, broadcast_buffers=False)
    count = sum(p.numel() for p in detector.parameters() if p.requires_grad)
    gradients = torch.zeros(count)
    loader = data_loader(folder, tuple(args.size), args.batch)

    def load(turn: int) -> dict:
        first = 2 * turn * args.batch + rank * args.batch
        places = [(first + i) % len(loader.dataset) for i in range(args.batch)]
        return loader.collate_fn([loader.dataset[place] for place in places])

    def step(batch: dict, exchange: bool) -> None:
        data = dict(batch, data_samples=[sample.clone() for sample in batch["data_samples"]])
        # not by no_sync(): in its second step the wrapper waits for the other process all the same
        (parallel if exchange else detector).train_step(data, optimizer)

    rows = []
    for turn in range(args.turns + 1):
        start = time.perf_counter()
        batch = load(turn)
        loading = time.perf_counter() - start
        alone = timed(lambda b=batch: step(b, False)) if rank == 0 else 0.0
        distributed.barrier()
        own = timed(lambda b=batch: step(b, False))
        wait = timed(distributed.barrier)
        both = timed(lambda b=batch: step(b, True))
        distributed.barrier()
        exchange = timed(lambda: distributed.all_reduce(gradients))
        distributed.barrier()
        rows.append((alone, own, wait, both, exchange, loading))
    of_all: list = [None, None]
    distributed.all_gather_object(of_all, rows[1:])  # the first turn warms up
    if rank == 0:
        report(1000 * np.array(of_all), 4 * count, args)


def timed(function: Callable[[], object]) -> float:
    """Returns the seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def report(times: np.ndarray, size: int, args: argparse.Namespace) -> None:
    """Prints the figures and adds them to the JSON file.

    Args:
        times: Milliseconds of each process, turn and part, (2, turns, parts).
        size: Bytes of the gradients.
        args: Those of the command line.
    """
    print(f"{machine('cpu')}\nbatches of {args.batch}, {args.size[0]} x {args.size[1]}")
    figures: dict[str, object] = {"gradient_bytes": size}
    slower = times.max(axis=0)  # what both wait for
    slower[:, 2] = times[:, :, 2].mean(axis=0)
    for name, part in zip(PARTS, slower.T, strict=True):
        low, middle, high = np.quantile(part, (0.25, 0.5, 0.75))
        figures[name] = dict(ms=middle, low=low, high=high)
        print(f"  {name:32} {middle:9.1f} ms ({low:.1f} to {high:.1f})")
    alone, _, _, both, exchange, _ = slower.T
    share, ratio = np.median(exchange / both), np.median(alone / both)
    figures.update(exchange_share=share, efficiency=ratio)
    speed = size / np.median(exchange) / 1e6
    print(
        f"  gradients of {size / 1e6:.0f} MB, {speed:.2f} GB/s; the exchange alone is "
        f"{share:.2f} of a step of two\n  a step of one is {ratio:.2f} of a step of two"
    )
    print("arithmetic for R-50, not measured: share of perfect scaling without and with overlap")
    for name, step in STEPS.items():
        for link, bandwidth in LINKS.items():
            cells = [
                f"N={n}: {efficiency(n, R50_GRADIENTS, step, bandwidth):.2f} "
                f"{efficiency(n, R50_GRADIENTS, step, bandwidth, BACKWARD):.2f}"
                for n in PROCESSES
            ]
            print(f"  {name}, {link:20} {'   '.join(cells)}")
    add_to_json(args.json, f"scaling batch {args.batch} depth {args.depth}", "cpu", figures)


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=1, help="images of a process [1]")
    parser.add_argument("--depth", type=int, default=50, help="of the ResNet [50]")
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1333), metavar=("H", "W"))
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), 2 * args.batch * (args.turns + 1), tuple(args.size))
        multiprocessing.spawn(run, (port, Path(name), args), nprocs=2)


if __name__ == "__main__":
    main()
