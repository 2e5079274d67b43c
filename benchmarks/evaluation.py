"""Compares the time and memory of `python -m msrcnn_mm report` with those of evaluators of AP.

    python -m benchmarks.evaluation [--images 5000] [--against hotcoco pycocotools]
    python -m benchmarks.evaluation --images 100 1000 10000 --against --out FIGURE.png

Writes annotations and results like those of COCO's val2017, then runs each evaluator on the files
in a process of its own, in turns. Ours writes the whole report: all rankings, both gaps,
calibration, LRP, intervals, figures and the page. The others compute AP by class score alone.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from .coco_like import write_files
from .evaluators import MODULES, OURS
from .turns import add_to_json, in_turns, machine, ratio, ratio_line

_INTERVAL = 0.1  # seconds between two looks at the memory


def run(name: str, files: tuple[Path, Path], out: Path) -> dict[str, Any]:
    """Runs an evaluator; returns its seconds by phase and of processors, its AP, its peak GB."""
    before = _processor_seconds()
    command = [sys.executable, "-m", "benchmarks.evaluators", name, *map(str, files), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(_memory, _family(process.pid))))
        time.sleep(_INTERVAL)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    if process.returncode:
        raise SystemExit(f"{name} failed")
    found = {"processor_seconds": _processor_seconds() - before, "gigabytes": peak}
    return {**json.loads(lines[-1]), **found}


def _processor_seconds() -> float:
    """Returns what all processes that have ended took."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _family(process: int) -> list[int]:
    """Returns the ids of a process and of all that it started."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return [process]
    return [process, *(one for child in text.split() for one in _family(int(child)))]


def _memory(process: int) -> float:
    """Returns the GB that a process holds, its part of what it shares with others."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e6


def measure(images: int, detections: int, against: list[str], turns: int, folder: Path) -> Any:
    """Prints what each evaluator takes, in turns; returns the figures."""
    files = write_files(folder, images, detections)
    size = files[0].stat().st_size / 1e6
    print(f"{images} images x {detections} detections, results of {size:.0f} MB", flush=True)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (OURS, *against)}
    functions = [
        lambda name=name: runs[name].append(run(name, files, folder / "out")) for name in runs
    ]
    taken = in_turns(functions, "cpu", turns, warm_up=0)
    figures: dict[str, Any] = {}
    for row, (name, of_name) in enumerate(runs.items()):
        peak = max(one["gigabytes"] for one in of_name)
        best = min(of_name, key=lambda one: sum(one["seconds"].values()))["seconds"]
        phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in best.items())
        processors = min(one["processor_seconds"] for one in of_name)
        print(
            f"{name}: {taken[row].min() / 1000:.1f} s ({phases}), {processors:.1f} s of "
            f"processors, {peak:.2f} GB at most",
            flush=True,
        )
        figures[name] = {"ms": taken[row].tolist(), "gigabytes": peak, "seconds": best}
        figures[name]["processor_seconds"] = processors
        figures[name]["ap"] = of_name[0]["ap"]
        if name != OURS:
            figures[name]["ratio"] = ratio(taken[0], taken[row])
            print(ratio_line("whole report over AP of one ranking", figures[name]["ratio"], name))
            same = "equal" if figures[name]["ap"] == figures[OURS]["ap"] else "DIFFERENT"
            print(f"  the APs are {same}: {figures[name]['ap']:.6f}", flush=True)
    return figures


def draw(figures: dict[int, Any], path: Path) -> None:
    """Draws what the report takes against the number of images."""
    figure, ax = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
    for key, label in (("processor_seconds", "processor seconds"), ("gigabytes", "GB")):
        ax.loglog([*figures], [of[OURS][key] for of in figures.values()], marker="o", label=label)
    ax.set_xlabel("images")
    ax.grid(True, which="both", alpha=0.2)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measures at each number of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[5000])
    parser.add_argument("--detections", type=int, default=100, help="of each image")
    parser.add_argument(
        "--against",
        nargs="*",
        choices=MODULES,
        default=["pycocotools"],
        help="those of them that are installed are measured",
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, help="picture of the growth")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    installed = [
        name for name in args.against if importlib.util.find_spec(MODULES[name][0].split(".")[0])
    ]
    print(f"{machine('cpu')}, {len(os.sched_getaffinity(0))} cores")
    figures = {}
    for images in args.images:
        with tempfile.TemporaryDirectory() as folder:
            figures[images] = measure(images, args.detections, installed, args.turns, Path(folder))
    if args.out:
        draw(figures, args.out)
    add_to_json(args.json, "evaluation", "cpu", figures)


if __name__ == "__main__":
    main()
