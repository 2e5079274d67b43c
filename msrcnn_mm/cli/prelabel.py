r"""Accepts masks as labels without a look, as far as a labelled split lets it promise how good.

    python -m msrcnn_mm prelabel RESULTS.json IMAGES.json --out FOLDER \
        --labelled VAL.json VAL_ANNOTATIONS.json

RESULTS.json has the masks of the images to label, which IMAGES.json lists: a file in COCO's format
without annotations. --labelled names results of the same detector on other, labelled images of the
same source. The promise, with 95% confidence: of the masks above the cut at least 95% are of an
object, and their mean IoU is at least 0.8.

FOLDER gets accepted.json, which CVAT, Label Studio and FiftyOne import; review.json, the masks that
are left to look at, in the same form; queue.json, the images of these, that of the greatest
expected gain of a look first; promise.json; and promise.png.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from msrcnn_mm.coco.annotations import AnnotationFile, load_annotations
from msrcnn_mm.coco.json_files import write_json
from msrcnn_mm.coco.prelabels import instances
from msrcnn_mm.evaluation.protocol import SCORES, words
from msrcnn_mm.evaluation.summaries import percent, text_table
from msrcnn_mm.report.figures.promise import draw_promises
from msrcnn_mm.report.figures.style import as_png, report_style
from msrcnn_mm.rescoring.promises.fit import check_rescorer, check_split
from msrcnn_mm.rescoring.promises.masks import (
    Split,
    choose_score,
    shared_scores,
)
from msrcnn_mm.rescoring.promises.promise import Promise, PromiseSearch, Terms
from msrcnn_mm.rescoring.promises.review import expected_gains, review_queue
from msrcnn_mm.rescoring.rescorer import read_rescorer

from .arguments import OneLineParser, seconds, unit_number
from .output_paths import add_overwrite, refuse_existing, refuse_inputs, writable_folder
from .results import read_results

FILES = ("accepted.json", "review.json", "queue.json", "promise.json", "promise.png")

SHARES = np.linspace(0.7, 0.99, 30)
"""Promised shares of right masks in the figure."""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm prelabel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("results", metavar="RESULTS.json", type=Path, help="results of the images to label")
    add("images", metavar="IMAGES.json", type=Path, help="list of these, in COCO's format")
    add(
        "--labelled",
        nargs=2,
        required=True,
        metavar=("VAL.json", "VAL_ANNOTATIONS.json"),
        type=Path,
        help="results of the same detector on labelled images, and their annotations",
    )
    add("--out", required=True, metavar="FOLDER", type=Path, help="folder to write to")
    add(
        "--share",
        type=unit_number,
        default=0.95,
        help="least share of accepted masks that are of an object [0.95]",
    )
    add("--mean-iou", type=unit_number, default=0.8, help="least mean IoU of these [0.8]")
    add(
        "--score-by",
        choices=SCORES,
        help="score by which masks are accepted [the rescored score if all masks have it, else the"
        " consensus, agreement score, mask score, maskness, class score]",
    )
    add(
        "--score-thr",
        type=unit_number,
        default=0.05,
        help="masks below that score are neither accepted nor left to look at [0.05]",
    )
    add(
        "--rescorer",
        metavar="R.json",
        type=Path,
        help="re-scorer for both results, fitted on other labelled images",
    )
    add("--seconds", type=seconds, default=5.0, help="time of a look at one mask [5]")
    add_overwrite(parser, "the outputs of another run")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes accepted masks, the others in the order to look at them, and the promise.

    Raises:
        UserError: An input cannot be read or does not fit the others, or an output cannot be
            written.
    """
    args = parse_args(argv)
    for name in FILES:
        refuse_inputs(args.out / name, "--out", args.results, args.images, *args.labelled)
    refuse_existing((args.out / name for name in FILES), args.overwrite, "folder", "--out")
    split = _read(args)
    score = choose_score(args.score_by, split.labelled, split.others)
    terms = Terms(args.share, args.mean_iou)
    searches = {
        name: split.search(name, args.score_thr)
        for name in shared_scores(split.labelled, split.others)
    }
    promises = {name: search.promise(terms) for name, search in searches.items()}
    promise = promises[score]
    needed = searches[score].images_needed(terms) if promise.cut is None else None
    folder = writable_folder(args.out, "--out")
    _write_masks(folder, split, score, promise, args)
    known = len(split.truth.imgs)
    content = {
        "score": score,
        "promised": asdict(terms),
        "cut": promise.cut,
        "accepted": promise.accepted,
        "left": promise.left,
        "seconds": args.seconds * promise.left,
        "labelled_images": known,
        "labelled_images_needed": needed,
    }
    write_json(content, folder / "promise.json")
    _draw(folder / "promise.png", searches, len(split.others), terms)
    print(_table(promises, score, args.seconds))
    print(describe(promise, score, terms, known, needed))
    print(f"{folder}: {', '.join(FILES)}")


def describe(promise: Promise, score: str, terms: Terms, labelled: int, needed: int | None) -> str:
    """Returns a promise in words.

    Args:
        promise: The promise.
        score: Name of the score.
        terms: Those that were asked for.
        labelled: Number of labelled images.
        needed: Estimate of how many are needed, where nothing is promised; None if there is none.
    """
    goal = (
        f"at least {100 * terms.share:g}% are of an object, with a mean IoU of at least"
        f" {terms.mean_iou:g}"
    )
    if promise.cut is not None:
        return (
            f"accept masks of a {words(score)} >= {promise.cut:.6g}: with {terms.confidence:.0%}"
            f" confidence {goal}"
        )
    short = f"no cut of the {words(score)} is promised: that above one {goal}, is not shown by"
    if needed is None:
        return f"{short} {labelled:,} labelled images, nor would it be by more that are like these"
    return (
        f"{short} {labelled:,} labelled images; about {needed - labelled:,} more would show it (an"
        " estimate, as if they were like these)"
    )


def _table(promises: Mapping[str, Promise], score: str, time: float) -> str:
    """Returns a table of what each score accepts, the one that is used first."""
    rows = []
    for name in sorted(promises, key=lambda one: one != score):
        promise = promises[name]
        rows.append(
            [
                f"{words(name)} (used)" if name == score else words(name),
                "-" if promise.cut is None else f"{promise.cut:.4f}",
                f"{promise.accepted:,}",
                f"{promise.left:,}",
                str(timedelta(seconds=round(time * promise.left))),
                percent(promise.share),
                f"{promise.mean_iou:.3f}",
            ]
        )
    left = f"at {time:g} s each"
    seen = ["% right in labelled images", "mean IoU"]
    return text_table(["score", "cut", "accepted", "left", left, *seen], rows)


def _read(args: argparse.Namespace) -> Split:
    results, annotations = args.labelled
    truth = load_annotations(annotations)
    file = AnnotationFile.read(args.images)
    file.warn_of_notes()
    images = file.coco()
    split = Split(read_results(results, truth), truth, read_results(args.results, images), images)
    check_split(split)
    if args.rescorer is None:
        return split
    rescorer = read_rescorer(args.rescorer)
    check_rescorer(rescorer, split)
    labelled, others = (
        rescorer.apply(one, same_images=True).added_to(one)
        for one in (split.labelled, split.others)
    )
    return replace(split, labelled=labelled, others=others)


def _write_masks(
    folder: Path, split: Split, score: str, promise: Promise, args: argparse.Namespace
) -> None:
    """Writes the masks that are accepted, those that are left, and the queue of these."""
    own, scores = split.scores(score)
    cut = np.inf if promise.cut is None else promise.cut
    gains = expected_gains(scores, own, split.ious(score))
    accepted = np.flatnonzero(scores >= cut).tolist()
    queue = review_queue(split.others.image_ids, gains, (scores >= args.score_thr) & (scores < cut))
    left = [place for image in queue for place in image.masks]
    ids = {place: number for number, place in enumerate(left, len(accepted) + 1)}
    entries = {"score": scores, "gain": gains}
    for name, chosen, images in (
        ("accepted.json", accepted, list(split.images.imgs)),
        ("review.json", left, [image.image_id for image in queue]),
    ):
        first = len(accepted) + 1 if chosen is left else 1
        content = instances(split.images, split.others, chosen, images, entries, first)
        write_json(content, folder / name)
    rows = [
        {
            "image_id": image.image_id,
            "file_name": split.images.imgs[image.image_id].get("file_name"),
            "gain": round(image.gain, 4),
            "seconds": args.seconds * len(image.masks),
            "annotations": [ids[place] for place in image.masks],
        }
        for image in queue
    ]
    write_json(rows, folder / "queue.json")


def _draw(path: Path, searches: Mapping[str, PromiseSearch], masks: int, terms: Terms) -> None:
    """Draws what share of the masks each score would accept at other terms."""
    accepted = {}
    for score, search in searches.items():
        promises = [search.promise(replace(terms, share=float(share))) for share in SHARES]
        accepted[score] = [one.accepted / masks for one in promises]
    with report_style():
        path.write_bytes(as_png(draw_promises(SHARES.tolist(), accepted, terms.mean_iou)))
