"""Renders the gallery of annotations that are perhaps wrong as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .templates import asset, get_template


@dataclass(frozen=True)
class SuspectPicture:
    """An annotation, or a missed one, in the gallery.

    Attributes:
        jpeg: The drawing as a file's content.
        kind: What is perhaps wrong.
        suspicion: In [0, 1].
        text: What is annotated, and what the masks say.
        file_name: Name of the image file.
        annotations: Ids of the annotations, as text.
    """

    jpeg: bytes
    kind: str
    suspicion: float
    text: str
    file_name: str
    annotations: str


def render_labels(
    annotations: str,
    score: str,
    images: int,
    counts: Mapping[str, int],
    meanings: Mapping[str, str],
    pictures: Sequence[SuspectPicture],
) -> str:
    """Renders the gallery as HTML.

    Args:
        annotations: Name of the annotation file.
        score: The score of the masks, in words.
        images: Number of images that were compared.
        counts: What is perhaps wrong -> how often, of all suspects.
        meanings: What is perhaps wrong -> how masks show it.
        pictures: The first suspects, that of the most suspicion first.
    """
    return get_template("labels.html").render(
        annotations=annotations,
        score=score,
        images=images,
        counts=counts,
        meanings=meanings,
        keys={kind: kind.replace(" ", "-") for kind in counts},
        pictures=pictures,
        style=asset("page.css"),
    )
