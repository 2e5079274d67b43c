"""Ranks annotations that are perhaps wrong: those that confident masks contradict.

RESULTS.json has masks of the annotated images, by a detector that was not trained on these images,
or not on these folds of them: one that was has learned part of the errors. OUT_FOLDER gets
labels.json, all suspects, that of the most suspicion first; and with --images labels.html, a page
with pictures of the first, which needs no other file.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_files import write_json, written_in_one_step
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.evaluation.protocol import SCORES, words
from msrcnn_mm.evaluation.rankings import score_columns
from msrcnn_mm.evaluation.summaries import text_table
from msrcnn_mm.report.labels_page import SuspectPicture, render_labels
from msrcnn_mm.report.pictures.annotation_pairs import draw_pair
from msrcnn_mm.report.pictures.image_files import check_file_names
from msrcnn_mm.rescoring.promises.masks import choose_score
from msrcnn_mm.rescoring.suspects.find import calibrated_scores, find_suspects
from msrcnn_mm.rescoring.suspects.suspect import KINDS, WRONG_CLASS, Suspect

from .arguments import OneLineParser, add_inputs, unit_number
from .output_paths import add_overwrite, refuse_existing, refuse_inputs, writable_folder
from .results import read_results

DATA, PAGE = "labels.json", "labels.html"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm labels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_inputs(parser)
    parser.add_argument("out", metavar="OUT_FOLDER", type=Path, help="folder to write to")
    parser.add_argument(
        "--images", metavar="FOLDER", type=Path, help="folder of the images, for the page"
    )
    parser.add_argument(
        "--score-by",
        choices=SCORES,
        help="score that says how good a mask is [the rescored score if all masks have it, else the"
        " consensus, agreement score, mask score, maskness, class score]",
    )
    parser.add_argument(
        "--score-thr",
        type=unit_number,
        default=0.3,
        help="masks below that score contradict no annotation [0.3]",
    )
    parser.add_argument(
        "--gallery", type=int, default=100, metavar="N", help="number of pictures [100]"
    )
    add_overwrite(parser, "the outputs of another run")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Writes the suspects and the page.

    Raises:
        UserError: An input cannot be read or does not fit the others, there is nothing to compare,
            or an output is there already or cannot be written.
    """
    args = parse_args(argv)
    if args.gallery < 1:
        raise UserError(f"--gallery must be an integer >= 1, not {args.gallery}")
    if args.images is not None and not args.images.is_dir():
        raise UserError(f"--images: there is no folder {args.images}")
    refuse_inputs(args.out / DATA, "OUT_FOLDER", args.results, args.annotations)
    refuse_existing((args.out / DATA, args.out / PAGE), args.overwrite, "OUT_FOLDER")
    coco = load_annotations(args.annotations)
    if not coco.anns:
        raise UserError(f"{args.annotations} has no object: there is no label to look at")
    if args.images is not None:
        check_file_names(coco, args.annotations, args.images)
    detections = read_results(args.results, coco, partial=True)
    if not len(detections):
        raise UserError(f"{args.results} has no detections: nothing can contradict a label")
    folder = writable_folder(args.out, "OUT_FOLDER")
    score = choose_score(args.score_by, detections)
    scores = score_columns(detections)[score]
    images = len(set(detections.image_ids))
    if images < len(coco.imgs):
        warn(
            f"{args.results} has masks of {images:,} of {len(coco.imgs):,} images: the labels of"
            " the others are not looked at"
        )
    calibrated = calibrated_scores(coco, detections, scores)
    suspects = find_suspects(coco, detections, calibrated, scores >= args.score_thr)
    counts = {kind: sum(one.kind == kind for one in suspects) for kind in KINDS}
    page = None
    if args.images is not None:
        pictures = [
            _picture(one, coco, detections, scores, score, calibrated, args.images)
            for one in suspects[: args.gallery]
        ]
        page = render_labels(args.annotations.name, words(score), images, counts, KINDS, pictures)
    content = {
        "annotations": args.annotations.name,
        "score": score,
        "score_thr": args.score_thr,
        "images": images,
        "suspects": _rows(suspects, coco, detections, calibrated),
    }
    write_json(content, folder / DATA)
    if page is not None:
        with written_in_one_step(folder / PAGE) as file:
            # names from broken files can hold half a character
            file.write(page.encode(errors="replace").decode())
    else:
        (folder / PAGE).unlink(missing_ok=True)  # of other results
    print(text_table(["suspected", "labels"], [[kind, f"{n:,}"] for kind, n in counts.items()]))
    print(f"{folder}: {DATA}{'' if page is None else f', {PAGE}'}")


def _rows(
    suspects: Sequence[Suspect], coco: COCO, detections: Detections, calibrated: Column
) -> list[dict[str, Any]]:
    """Returns the suspects as the file has them, each with its masks as in results files."""
    plain = replace(detections, extras=None)
    return [
        {
            "rank": rank,
            "kind": one.kind,
            "suspicion": round(one.suspicion, 4),
            "image_id": one.image_id,
            "file_name": coco.imgs[one.image_id].get("file_name"),
            "annotation_ids": one.annotations,
            "calibrated_scores": [round(float(value), 4) for value in calibrated[one.masks]],
            "masks": plain.take(one.masks).to_rows(),
        }
        for rank, one in enumerate(suspects, 1)
    ]


def _picture(
    suspect: Suspect,
    coco: COCO,
    detections: Detections,
    scores: Column,
    score: str,
    calibrated: Column,
    image_dir: Path,
) -> SuspectPicture:
    """Draws and describes a suspect."""
    assert detections.masks is not None
    image, annotations = coco.imgs[suspect.image_id], coco.imgToAnns[suspect.image_id]
    suspected = [coco.anns[one] for one in suspect.annotations]
    others = [one for one in annotations if one not in suspected and not one.get("iscrowd", 0)]
    jpeg = draw_pair(
        image_dir,
        image,
        [coco.annToRLE(one) for one in suspected],
        [coco.annToRLE(one) for one in others],
        [detections.masks[one] for one in suspect.masks],
    )
    names = [str(coco.cats[detections.category_ids[one]]["name"]) for one in suspect.masks]
    labelled = [str(coco.cats[one["category_id"]]["name"]) for one in suspected]
    if names:
        lead = suspect.masks[0]
        text = f"{names[0]} of {words(score)} {scores[lead]:.2f}"
        if suspect.kind == WRONG_CLASS:
            text += f", annotated as {labelled[0]}"
        annotated = calibrated[lead] - suspect.suspicion
        text += f", calibrated {calibrated[lead]:.2f}; annotated {annotated:.2f}."
    else:
        text = f"{labelled[0]} where no mask is."
    ids = ", ".join(map(str, suspect.annotations))
    return SuspectPicture(
        jpeg,
        suspect.kind,
        suspect.suspicion,
        text,
        str(image["file_name"]),
        f"annotation{'s' if len(suspected) > 1 else ''} {ids}" if ids else "",
    )
