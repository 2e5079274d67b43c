"""Measures AP by every kind of score on the same detections, from class score to quality oracle.

    python -m benchmarks.ladder measure RESULTS.json ANNOTATIONS.json [--max-dets 100]
        [--other LABEL RESULTS.json ...] [--also RESULTS.json ANNOTATIONS.json] [--draws 3]
        [--json LADDER.json]
    python -m benchmarks.ladder draw PICTURE.png NAME LADDER.json [NAME LADDER.json ...]

RESULTS.json is that of a detector with a ``TPShareHead``, tested with views: its rescored scores
are those of that head, its mask scores those of a paper's head beside it
(``benchmarks.scorer_ideas``, YOLACT++). --other names results of the same detector with other
rescored scores, such as those of a frozen host, or with mask scores. Re-scorers are fitted on the
images of the other four fifths and on all of --also (``benchmarks.rescored_ap``). The second one
knows the score of ``TPShareHead`` instead of the paper's. Gains have a 95% interval over images;
where there are several trainings or divisions, it is that of the first.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.rescored_ap import out_of_fold, read
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import Estimate
from msrcnn_mm.evaluation.intervals import ap_difference
from msrcnn_mm.evaluation.protocol import (
    AGREEMENT_SCORE,
    CLASS_SCORE,
    CONSENSUS,
    MASK_SCORE,
    MASKNESS,
    QUALITY_ORACLE,
    RESCORED_SCORE,
)
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.report.figures.style import INK, RULE
from msrcnn_mm.report.score_styles import STYLES

OF_RESULTS = {
    "class score": CLASS_SCORE,
    "maskness": MASKNESS,
    "mask score": MASK_SCORE,
    "TPShareHead": RESCORED_SCORE,
    "agreement score": AGREEMENT_SCORE,
    "consensus": CONSENSUS,
}
LEARNED = STYLES[RESCORED_SCORE].colour
COLOURS = {name: STYLES[score].colour for name, score in OF_RESULTS.items()}


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

    @property
    def ap(self) -> float:
        """The mean."""
        return float(np.mean(self.aps))


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
        low, high = (self.rungs[name].ap for name in ("class score", "quality oracle"))
        return [
            [
                name,
                f"{rung.ap:.1f}",
                f"{100 * (rung.ap - low) / (high - low):.0f}%",
                *(between(gain) for gain in (rung.gain, rung.over_maskness)),
                " ".join(f"{one:.2f}" for one in rung.aps),
            ]
            for name, rung in self.rungs.items()
        ]


def between(gain: Estimate) -> str:
    """Formats a difference of AP and its interval."""
    if gain.low is None or gain.high is None:
        return f"{100 * gain.value:+.1f}"
    return f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def measure(args: argparse.Namespace) -> None:
    """Prints the ladder, and writes it where ``--json`` says."""
    ladder = Ladder(args.results, args.annotations, args.max_dets)
    for name, score in OF_RESULTS.items():
        if score in ladder.base.rankings:
            ladder.add(name, score)
    for label, *files in args.other:
        some = [read(Path(file), args.annotations, args.max_dets)[1] for file in files]
        rescored = some[0].rescored_scores is not None
        ladder.add(label, RESCORED_SCORE if rescored else MASK_SCORE, some)
    on_head = ["re-scorer on TPShareHead"] if RESCORED_SCORE in ladder.base.rankings else []
    for name in ("re-scorer", *on_head):
        labelled = [
            read(*paths, args.max_dets, on_head=name != "re-scorer")[-1]
            for paths in ((args.results, args.annotations), *args.also)
        ]
        draws = [out_of_fold(labelled[0], labelled[1:], seed) for seed in range(args.draws)]
        some = [replace(ladder.detections, rescored_scores=one) for one in draws]
        ladder.add(name, RESCORED_SCORE, some)
    ladder.add("quality oracle", QUALITY_ORACLE)
    header = ["ranked by", "AP", "recovered", "over class score", "over maskness", "each"]
    print(text_table(header, ladder.rows()))
    if args.json is not None:
        gains = {
            name: [rung.ap, rung.gain.low, rung.gain.high] for name, rung in ladder.rungs.items()
        }
        args.json.write_text(json.dumps(gains, indent=1))


Bar = tuple[str, str, float, list[float | None]]


def above(low: float, gain: Sequence[float | None]) -> list[float | None]:
    """Returns AP in percent from the AP of the class score and gains over it as fractions."""
    return [None if one is None else low + 100 * one for one in gain]


def draw_bars(axes: Axes, title: str, ends: tuple[float, float], bars: list[Bar]) -> None:
    """Draws AP by scores as bars between class score and quality oracle.

    Args:
        axes: to draw on.
        title: of the panel.
        ends: AP by class score and by quality oracle, in percent.
        bars: name, colour, AP and its interval, in percent, of each score.
    """
    low, high = ends
    axes.barh(range(len(bars)), [high - low] * len(bars), 0.9, left=low, color=RULE)
    for row, (_, colour, ap, (least, most)) in enumerate(bars):
        axes.barh(row, ap - low, 0.55, left=low, color=colour)
        if least is not None and most is not None:
            axes.plot([least, most], [row, row], color=INK)
        axes.annotate(f"{ap:.1f}", (high, row), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", color=INK)
    axes.set_xlabel(f"AP, from class score {low:.1f} to quality oracle {high:.1f}")
    axes.spines[["top", "right"]].set_visible(False)


def draw(args: argparse.Namespace) -> None:
    """Draws ladders, two in a row, each rung with the interval of its gain."""
    pairs = list(zip(args.ladders[::2], args.ladders[1::2], strict=True))
    columns = min(len(pairs), 2)
    rows = -(-len(pairs) // columns)
    figure = plt.figure(figsize=(4.9 * columns, 3.3 * rows), layout="constrained")
    for number, (title, file) in enumerate(pairs, start=1):
        rungs = json.loads(Path(file).read_text())
        ends = tuple(rungs.pop(name)[0] for name in ("class score", "quality oracle"))
        bars = [
            (name, COLOURS.get(name, LEARNED), ap, above(ends[0], gain))
            for name, (ap, *gain) in rungs.items()
        ]
        draw_bars(figure.add_subplot(rows, columns, number), title, ends, bars)
    figure.savefig(args.picture, dpi=110)


def main() -> None:
    """Measures or draws."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("measure")
    one.add_argument("results", type=Path)
    one.add_argument("annotations", type=Path)
    one.add_argument(
        "--other", nargs="+", action="append", default=[], metavar=("LABEL", "RESULTS")
    )
    one.add_argument("--also", nargs=2, type=Path, action="append", default=[])
    one.add_argument("--max-dets", type=int, default=100)
    one.add_argument("--draws", type=int, default=3)
    one.add_argument("--json", type=Path, help="file for the figures, which draw reads")
    one.set_defaults(run=measure)
    two = commands.add_parser("draw")
    two.add_argument("picture", type=Path)
    two.add_argument("ladders", nargs="+", metavar="NAME LADDER")
    two.set_defaults(run=draw)
    args = parser.parse_args()
    if len(getattr(args, "ladders", ())) % 2:
        two.error("give a NAME before each LADDER.json")
    args.run(args)


if __name__ == "__main__":
    main()
