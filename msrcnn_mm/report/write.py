"""Writes the files of a report: the page, its figures, and the evaluation as JSON."""

import json
from pathlib import Path
from typing import Any

import msgspec

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluation_result import as_json

from .comparison import compare
from .figures.panels import draw_panels
from .page import Report, render_page

PAGE = "report.html"
DATA = "report.json"
FIGURES = "figures"


def write_report(report: Report, folder: Path) -> Path:
    """Writes ``report.html``, which is self-contained, ``report.json`` and ``figures/``.

    Args:
        report: The content.
        folder: The output folder. It is made if it is missing; files of the same names are
            replaced.

    Returns:
        The path of the page.

    Raises:
        UserError: A file cannot be written.
    """
    panels = draw_panels(report.detectors)
    html = render_page(report, panels)
    data = {
        "annotations": report.annotations,
        "models": [
            {"name": detector.name, "evaluation": detector.evaluation}
            for detector in report.detectors
        ],
        "comparisons": compare(report.detectors),
    }
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for old in (folder / FIGURES).glob("gallery*.jpg"):  # a former report may have more images
            old.unlink()
        for group in panels.values():
            for panel in group:
                (folder / FIGURES / f"{panel.key}.png").write_bytes(panel.png)
        for index, images in enumerate(report.galleries or (), 1):
            suffix = f"_{index}" if len(report.detectors) > 1 else ""
            for number, image in enumerate(images, 1):
                path = folder / FIGURES / f"gallery{suffix}_{number:02}.jpg"
                path.write_bytes(image.jpeg)
        (folder / DATA).write_bytes(_json(data))
        # names from broken files can hold half a character
        (folder / PAGE).write_text(html, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    return folder / PAGE


def _json(data: dict[str, Any]) -> bytes:
    """Returns data as JSON; half a character, as names from broken files have it, is escaped."""
    try:
        return msgspec.json.encode(data, enc_hook=as_json)
    except UnicodeEncodeError:
        return json.dumps(as_json(data)).encode()
