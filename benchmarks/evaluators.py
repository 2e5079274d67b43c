"""Evaluates files with one evaluator, in a process of its own, and prints what it took.

    python -m benchmarks.evaluators NAME RESULTS ANNOTATIONS OUT_DIR

Prints a JSON object with the seconds of each phase and AP by class score.
"""

import contextlib
import importlib
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODULES = {
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools"),
    "hotcoco": ("hotcoco", "hotcoco"),
}
"""Evaluator of one ranking, by its name on PyPI -> the modules of ``COCO`` and ``COCOeval``."""

OURS = "report"

_PHASES = ("load_annotations", "read_results", "evaluate_scores", "write_report")


def report(results: str, annotations: str, out: str) -> tuple[dict[str, float], float]:
    """Runs our command; returns the seconds of its phases, and AP by class score."""
    # as the command, whose import of the package does not wait for MMDetection
    sys.argv, sys.orig_argv = ["-m"], [sys.executable, "-m", "msrcnn_mm", "report"]
    start = time.perf_counter()
    command = importlib.import_module("msrcnn_mm.cli.report")
    seconds = {"imports": time.perf_counter() - start}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            start = time.perf_counter()
            value = function(*given)
            seconds[name] = time.perf_counter() - start
            return value

        return call

    for name in _PHASES:
        setattr(command, name, timed(name, getattr(command, name)))
    with contextlib.redirect_stdout(io.StringIO()):
        command.main([results, annotations, out])
    written = json.loads((Path(out) / "report.json").read_text())
    return seconds, written["models"][0]["evaluation"]["rankings"]["class_score"]["ap"]["AP"]


def one_ranking(name: str, results: str, annotations: str) -> tuple[dict[str, float], float]:
    """Runs another evaluator; returns the seconds of its phases, and AP by class score."""
    marks = [time.perf_counter()]
    of_data, of_evaluation = (importlib.import_module(module) for module in MODULES[name])
    data = of_data.COCO
    evaluator = getattr(of_evaluation, "COCOeval", None) or of_evaluation.COCOeval_faster
    marks.append(time.perf_counter())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = data(annotations)
        detections = truth.loadRes(results)
        marks.append(time.perf_counter())
        evaluation = evaluator(truth, detections, "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    marks.append(time.perf_counter())
    names = ("imports", "reading", "evaluation")
    seconds = {n: b - a for n, a, b in zip(names, marks, marks[1:], strict=False)}
    return seconds, float(evaluation.stats[0])


def main() -> None:
    """Runs the evaluator that is named."""
    name, results, annotations, out = sys.argv[1:]
    if name == OURS:
        seconds, ap = report(results, annotations, out)
    else:
        seconds, ap = one_ranking(name, results, annotations)
    sys.stdout.write(json.dumps({"seconds": seconds, "ap": ap}) + "\n")


if __name__ == "__main__":
    main()
