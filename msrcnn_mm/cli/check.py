"""Checks annotations and images before days are spent on them.

Names all that is wrong or perhaps not meant, by kind, with counts and an example. Every image is
decoded. Two annotation files, such as those of train and val, are also compared with each other:
images that are nearly the same, and classes. With CONFIG the files are those of its data sets, and
MMDetection must be installed.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msrcnn_mm.coco.json_files import write_json, written_in_one_step
from msrcnn_mm.errors import UserError
from msrcnn_mm.inspection.cleaned import Cleaned, clean
from msrcnn_mm.inspection.finding import KINDS, Finding
from msrcnn_mm.inspection.inspect import DataSet, Inspected, inspect_data
from msrcnn_mm.inspection.pictures import draw_finding
from msrcnn_mm.registration import require_mmdetection
from msrcnn_mm.report.check_page import FindingExample, render_check

from .arguments import OneLineParser
from .output_paths import add_overwrite, refuse_existing, refuse_inputs, writable_folder

FIXES = "fixes.json"
_PICTURES = 12  # of a kind, on the page


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = OneLineParser(
        prog="python -m msrcnn_mm check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", metavar="CONFIG", nargs="?", help="config whose data is checked")
    parser.add_argument(
        "--annotations",
        metavar="FILE",
        nargs="+",
        type=Path,
        default=[],
        help="annotation files in COCO's format, in place of a config",
    )
    parser.add_argument(
        "--images",
        metavar="FOLDER",
        nargs="+",
        type=Path,
        default=[],
        help="folder of the images of each annotation file, or one of all",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all findings as JSON")
    parser.add_argument(
        "--out", metavar="PAGE.html", type=Path, help="write a page with pictures of examples"
    )
    parser.add_argument(
        "--fix",
        metavar="FOLDER",
        type=Path,
        help="write cleaned copies of the annotation files there, and fixes.json, what was done",
    )
    add_overwrite(parser, "the outputs of another check")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Prints what is found, and writes the files that are asked for.

    Raises:
        UserError: An annotation file or the config cannot be read, or an output would replace a
            file that is read or an earlier copy, or cannot be written.
    """
    args = parse_args(argv)
    sets = _data_sets(args)
    inputs = [args.config, *(one.annotations for one in sets)]
    for option in ("json", "out"):
        path = getattr(args, option)
        if path is not None:
            _check_output(path, f"--{option}", args.overwrite, inputs)
    copies = [] if args.fix is None else _copies(args.fix, sets)
    for path in copies:
        _check_output(path, "--fix", args.overwrite, inputs)
    found = inspect_data(sets)
    data = {str(one.data.annotations): one for one in found}
    findings = [finding for one in found for finding in one.findings]
    by_kind = {kind: [f for f in findings if f.kind == kind] for kind in KINDS}
    by_kind = {kind: some for kind, some in by_kind.items() if some}
    for one in found:
        print(_about(one))
    for kind, some in by_kind.items():
        first = some[0].text if len(some) == 1 else f"{some[0].text}, ..."
        print(f"{len(some):>9,} {kind:<{max(map(len, KINDS))}} {first}")
    if not by_kind:
        print("nothing is found")
    if args.json is not None:
        write_json(_report(found, data), args.json)
        print(f"all findings: {args.json}")
    if args.out is not None:
        with written_in_one_step(args.out) as file:
            # names from broken files can hold half a character
            file.write(_page(found, by_kind, data).encode(errors="replace").decode())
        print(f"pictures: {args.out}")
    if copies:
        _write_copies([clean(one) for one in found], found, copies, data)


def _data_sets(args: argparse.Namespace) -> list[DataSet]:
    """Returns the data sets that the command line names."""
    if (args.config is None) is not bool(args.annotations):
        raise UserError("give either a CONFIG or --annotations FILE (see check --help)")
    if args.config is not None:
        if args.images:
            raise UserError("--images goes with --annotations; a config names its folders itself")
        require_mmdetection("check CONFIG")
        from msrcnn_mm.engine.checks.data_sets import data_sets_of

        return data_sets_of(args.config)
    twice = [str(one) for one, times in Counter(args.annotations).items() if times > 1]
    if twice:
        raise UserError(f"--annotations: {twice[0]} is named twice: name it once")
    if len(args.images) not in (0, 1, len(args.annotations)):
        raise UserError(
            f"--images: give one folder, or one for each of the {len(args.annotations)} annotation"
            f" files, not {len(args.images)}"
        )
    for folder in args.images:
        if not folder.is_dir():
            raise UserError(f"--images: there is no folder {folder}")
    folders = args.images * len(args.annotations) if len(args.images) == 1 else args.images
    folders = folders or [None] * len(args.annotations)
    return [DataSet(*pair) for pair in zip(args.annotations, folders, strict=True)]


def _check_output(
    path: Path, option: str, overwrite: bool, inputs: Sequence[str | Path | None]
) -> None:
    """Checks that a file can be written, and replaces none that is read."""
    refuse_inputs(path, option, *inputs)
    writable_folder(path.parent, option)
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; name a file")
    refuse_existing([path], overwrite, "folder" if option == "--fix" else "file", option)


def _copies(folder: Path, sets: Sequence[DataSet]) -> list[Path]:
    """Returns the files that ``--fix`` writes, the list last."""
    names = [*(one.annotations.name for one in sets), FIXES]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise UserError(f"--fix: two files are named {twice[0]}: check them one by one")
    return [folder / name for name in names]


def _about(one: Inspected) -> str:
    """Returns a line about a data set."""
    content = one.entries.content
    images = f"images in {one.data.images}" if one.data.images else "images, which are not opened"
    return (
        f"{one.data.annotations}: {len(content['images']):,} {images},"
        f" {len(content.get('annotations') or ()):,} annotations,"
        f" {len(content['categories']):,} classes"
    )


def _row(finding: Finding, data: Mapping[str, Inspected]) -> dict[str, Any]:
    """Returns a finding as the files have it."""
    content = data[finding.file].entries.content
    image = {} if finding.image is None else content["images"][finding.image]
    found = {
        "kind": finding.kind,
        "annotations": finding.file,
        "text": finding.text,
        "image_id": image.get("id"),
        "file_name": image.get("file_name"),
    }
    if finding.annotation is not None:
        found["annotation_id"] = content["annotations"][finding.annotation].get("id")
        found["annotation_number"] = finding.annotation
    if finding.other is not None:
        file, number = finding.other
        other = data[file].entries.content["images"][number]
        found["other"] = {
            "annotations": file,
            "image_id": other.get("id"),
            "file_name": other.get("file_name"),
        }
    return found


def _report(found: Sequence[Inspected], data: Mapping[str, Inspected]) -> dict[str, Any]:
    findings = [finding for one in found for finding in one.findings]
    counts = Counter(finding.kind for finding in findings)
    return {
        "counts": {kind: counts[kind] for kind in KINDS},
        "findings": [_row(finding, data) for finding in findings],
    }


def _page(
    found: Sequence[Inspected],
    by_kind: Mapping[str, Sequence[Finding]],
    data: Mapping[str, Inspected],
) -> str:
    examples = {
        kind: [FindingExample(f.text, f.file, draw_finding(f, data)) for f in some[:_PICTURES]]
        for kind, some in by_kind.items()
    }
    counts = {kind: len(some) for kind, some in by_kind.items()}
    meanings = {kind: KINDS[kind].meaning for kind in by_kind}
    fixes = {kind: KINDS[kind].fix for kind in by_kind}
    return render_check([_about(one) for one in found], counts, meanings, fixes, examples)


def _write_copies(
    cleaned: Sequence[Cleaned],
    found: Sequence[Inspected],
    copies: Sequence[Path],
    data: Mapping[str, Inspected],
) -> None:
    """Writes the cleaned copies and the list of what was done."""
    done = []
    for one, inspected, path in zip(cleaned, found, copies[:-1], strict=True):
        write_json(one.content, path)
        before, after = inspected.entries.content, one.content
        sizes = {
            part: [len(side.get(part) or ()) for side in (before, after)]
            for part in ("images", "annotations", "categories")
        }
        done.append(
            {
                "annotations": str(inspected.data.annotations),
                "copy": str(path),
                "before_and_after": sizes,
                "fixed": [{**_row(f, data), "fix": KINDS[f.kind].fix} for f in one.fixed],
                "left": dict(one.left),
            }
        )
        changes = ", ".join(f"{part} {a:,} -> {b:,}" for part, (a, b) in sizes.items())
        print(f"{path}: {len(one.fixed):,} fixed, {one.left.total():,} left; {changes}")
    write_json(done, copies[-1])
    print(f"what was done: {copies[-1]}")
