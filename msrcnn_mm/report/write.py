"""The report's files: the page, its figures, and the evaluation as data."""

import json
from pathlib import Path

from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.score_evaluation import as_json

from .figures.panels import panels
from .page import Report, page

PAGE = "report.html"
DATA = "report.json"
FIGURES = "figures"


def write_report(report: Report, folder: Path) -> Path:
    """Writes ``report.html``, which holds all that it shows, ``report.json`` and ``figures/``.

    Args:
        report: What goes into it.
        folder: Made if it is missing; files of the same names are replaced.

    Returns:
        Path of the page.

    Raises:
        UserError: Something cannot be written.
    """
    shown = panels(report.models)
    html = page(report, shown)
    data = {
        "annotations": report.annotations,
        "models": [{"name": m.name, "evaluation": as_json(m.evaluation)} for m in report.models],
    }
    try:
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        for old in (folder / FIGURES).glob("gallery*.jpg"):  # of a report with more images
            old.unlink()
        for group in shown.values():
            for panel in group:
                (folder / FIGURES / f"{panel.key}.png").write_bytes(panel.png)
        for index, images in enumerate(report.galleries or (), 1):
            of_model = f"_{index}" if len(report.models) > 1 else ""
            for number, image in enumerate(images, 1):
                path = folder / FIGURES / f"gallery{of_model}_{number:02}.jpg"
                path.write_bytes(image.jpeg)
        (folder / DATA).write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
        (folder / PAGE).write_text(html, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    return folder / PAGE
