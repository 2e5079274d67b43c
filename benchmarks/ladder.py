"""Measures AP by every kind of score on the same detections, from class score to quality oracle.

    python -m benchmarks.ladder RESULTS.json ANNOTATIONS.json [--frozen RESULTS.json ...]
        [--also RESULTS.json ANNOTATIONS.json] [--max-dets 100] [--draws 3] [--out LADDER.json]

RESULTS.json is that of a detector of ``benchmarks.scorer_ideas``, tested with views: its mask
scores are those of the paper's head, its rescored scores those of ``TPShareHead``. --frozen names
results of the same detector with a scorer that was trained while it was frozen. Re-scorers are
fitted on the images of the other four fifths and on all of --also (``benchmarks.rescored_ap``). The
second one knows the score of ``TPShareHead`` instead of the paper's. Gains have a 95% interval over
images; where there are several trainings or divisions, it is that of the first.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.rescored_ap import out_of_fold, read
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import write_results
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, MASKNESS, QUALITY_ORACLE, RESCORED_SCORE
from msrcnn_mm.evaluation.summaries import text_table


@dataclass
class Rung:
    """AP by one kind of score, in percent.

    Attributes:
        aps: of each training of the scorer or division of the images.
        gain: of the first over the class score.
        over_maskness: likewise.
    """

    aps: list[float]
    gain: Estimate
    over_maskness: Estimate


class Ladder:
    """Collects the rungs of one detector."""

    def __init__(self, results: Path, annotations: Path, max_dets: int) -> None:
        self.annotations, self.max_dets = annotations, max_dets
        self.coco, self.detections, self.protocol, _ = read(results, annotations, max_dets)
        self.base = evaluate_scores(self.coco, self.detections, self.protocol)
        self.rungs: dict[str, Rung] = {}

    def add(self, name: str, score: str, some: list[Detections] | None = None) -> None:
        """Adds AP by a score of the detections, or of each of some that have another one."""
        found = [evaluate_scores(self.coco, one, self.protocol) for one in some or []]
        found = found or [self.base]
        gains = [
            ap_difference(found[0], score, self.base, other) for other in (CLASS_SCORE, MASKNESS)
        ]
        assert gains[0] is not None and gains[1] is not None
        aps = [100 * (one.rankings[score].ap["AP"] or 0) for one in found]
        self.rungs[name] = Rung(aps, gains[0], gains[1])

    def rows(self) -> list[list[str]]:
        """Returns name, AP, recovered share of the quality gap, and both gains."""
        low, high = (
            100 * (self.base.rankings[name].ap["AP"] or 0) for name in (CLASS_SCORE, QUALITY_ORACLE)
        )
        rows = []
        for name, rung in self.rungs.items():
            ap = float(np.mean(rung.aps))
            rows.append(
                [
                    name,
                    f"{ap:.1f}",
                    f"{100 * (ap - low) / (high - low):.0f}%",
                    *(between(gain) for gain in (rung.gain, rung.over_maskness)),
                    " ".join(f"{one:.2f}" for one in rung.aps),
                ]
            )
        return rows


def between(gain: Estimate) -> str:
    """Formats a difference of AP and its interval."""
    if gain.low is None or gain.high is None:
        return f"{100 * gain.value:+.1f}"
    return f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def main() -> None:
    """Prints the ladder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--frozen", type=Path, nargs="+", action="append", default=[])
    parser.add_argument("--also", nargs=2, type=Path, action="append", default=[])
    parser.add_argument("--max-dets", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, help="results with the re-scorer on the better head")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    ladder = Ladder(args.results, args.annotations, args.max_dets)
    scores = {
        "class score": CLASS_SCORE,
        "maskness": MASKNESS,
        "MaskIoUHead": "mask_score",
        "TPShareHead": RESCORED_SCORE,
    }
    for name, score in scores.items():
        if score in ladder.base.rankings:
            ladder.add(name, score)
    for i, files in enumerate(args.frozen):
        some = [read(file, args.annotations, args.max_dets)[1] for file in files]
        ladder.add(f"frozen host {i + 1}", RESCORED_SCORE, some)
    for score in ("agreement_score", "consensus"):
        if score in ladder.base.rankings:
            ladder.add(score.replace("_", " "), score)
    for name in ("re-scorer", "re-scorer on TPShareHead"):
        labelled = []
        for paths in ((args.results, args.annotations), *args.also):
            labelled.append(read(*paths, args.max_dets, on_head=name != "re-scorer"))
        own, also = labelled[0], [one[-1] for one in labelled[1:]]
        draws = [out_of_fold(own[-1], also, seed) for seed in range(args.draws)]
        some = [replace(ladder.detections, rescored_scores=one) for one in draws]
        ladder.add(name, RESCORED_SCORE, some)
    if args.out is not None:
        write_results(some[0], args.out)
    ladder.add("quality oracle", QUALITY_ORACLE)
    header = ["ranked by", "AP", "recovered", "over class score", "over maskness", "each"]
    print(text_table(header, ladder.rows()))
    if args.json is not None:
        args.json.write_text(json.dumps(ladder.rows(), indent=1))


if __name__ == "__main__":
    main()
