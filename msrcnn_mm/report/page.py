"""The page: one HTML file that opens anywhere and asks for nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from msrcnn_mm.evaluation.protocol import (
    CALIBRATED_SCORE,
    CLASS_SCORE,
    COLUMNS,
    MASK_SCORE,
    MASKNESS,
    ORACLE,
)

from . import wording
from .evaluated_detector import ReportModel
from .figures.panels import GROUPS, Panel
from .figures.style import as_data_uri
from .pictures.gallery import GalleryImage
from .summary import answers, gap_marks

MEANINGS = {
    CLASS_SCORE: "how sure the detector is of the class; it has not looked at the mask",
    MASK_SCORE: "class score x the IoU that the scorer predicts for the mask",
    MASKNESS: "class score x mean foreground probability of the mask: needs no scorer",
    CALIBRATED_SCORE: "one of these, brought nearer to the IoU by a curve fitted on other images",
    ORACLE: "class score x the true IoU: the most that mask scoring can reach with these masks",
}

_MOST_COLUMNS = 3


@dataclass(frozen=True)
class Report:
    """What goes into a report.

    Attributes:
        title: Of the page.
        annotations: What the masks were compared with: a file's name.
        models: One detector, or several on the same annotations.
        galleries: A gallery a model; None if no images are at hand.
        score_thr: Least class score of a mask in the galleries.
    """

    title: str
    annotations: str
    models: Sequence[ReportModel]
    galleries: Sequence[Sequence[GalleryImage]] | None = None
    score_thr: float = 0.3


def page(report: Report, panels: Mapping[str, Sequence[Panel]]) -> str:
    """Writes the report as HTML.

    Args:
        report: What goes into it.
        panels: Of its models, from :func:`.panels.panels`.
    """
    # Names of classes, models and files are anyone's: every value is escaped.
    environment = Environment(
        loader=PackageLoader("msrcnn_mm.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=wording.percent,
        gain=wording.gain,
        share=wording.share,
        score=wording.score,
        uri=as_data_uri,
    )
    environment.globals.update(count=wording.count)
    return environment.get_template("page.html").render(
        title=report.title,
        annotations=report.annotations,
        models=[_view(model) for model in report.models],
        panels={group: _arranged(panels.get(group, []), len(report.models)) for group in GROUPS},
        galleries=report.galleries,
        score_thr=report.score_thr,
        columns=COLUMNS,
        names=wording.NAMES,
        meanings=MEANINGS,
        class_score=CLASS_SCORE,
        mask_score=MASK_SCORE,
        oracle=ORACLE,
        scored=[s for s in MEANINGS if any(s in m.evaluation.rankings for m in report.models)],
        all_have_mask_scores=all(MASK_SCORE in m.scores for m in report.models),
        notes=list(dict.fromkeys(_notes(report.models))),
        style=_asset("page.css"),
        script=_asset("sort.js"),
    )


@dataclass(frozen=True)
class Grid:
    """Panels row by row; None where a model lacks what another has."""

    columns: int
    cells: list[Panel | None]


def _arranged(panels: Sequence[Panel], models: int) -> Grid:
    """Scores side by side for one model; for several, models side by side, a row a score."""
    if models == 1:
        return Grid(max(2, len(panels)), list(panels))
    places = {(panel.score, panel.model): panel for panel in panels}
    scores = dict.fromkeys(panel.score for panel in panels)
    cells = [places.get((score, model)) for score in scores for model in range(models)]
    return Grid(models if models <= _MOST_COLUMNS else 2, cells)


def _view(model: ReportModel) -> dict[str, Any]:
    """What the template reads of a model."""
    return {
        "name": model.name,
        "evaluation": model.evaluation,
        "masks": len(model.detections),
        "answers": answers(model),
        "marks": gap_marks(model),
        "scores": model.scores,
        "better": model.better_score,
        "cut_on": model.best_to_cut_on,
        "thresholds": {score: model.threshold(score) for score in model.scores},
    }


def _notes(models: Sequence[ReportModel]) -> list[str]:
    many = len(models) > 1
    return [f"{m.name}: {note}" if many else note for m in models for note in m.evaluation.notes]


def _asset(name: str) -> Markup:
    return Markup(files("msrcnn_mm.report").joinpath(name).read_text(encoding="utf-8"))
