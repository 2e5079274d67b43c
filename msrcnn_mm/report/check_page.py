"""Renders what is found in data sets as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .templates import asset, get_template


@dataclass(frozen=True)
class FindingExample:
    """An example of a kind of finding.

    Attributes:
        text: What is wrong.
        file: The annotation file.
        jpeg: The picture as a file's content; None without one.
    """

    text: str
    file: str
    jpeg: bytes | None


def render_check(
    files: Sequence[str],
    counts: Mapping[str, int],
    meanings: Mapping[str, str],
    fixes: Mapping[str, str | None],
    examples: Mapping[str, Sequence[FindingExample]],
) -> str:
    """Renders the page as HTML.

    Args:
        files: A line about each data set.
        counts: Kind -> number of findings, of the kinds that are found.
        meanings: Kind -> what is wrong.
        fixes: Kind -> what a cleaned copy does about it.
        examples: Kind -> the first findings.
    """
    return get_template("check.html").render(
        files=files,
        counts=counts,
        meanings=meanings,
        fixes=fixes,
        examples=examples,
        keys={kind: kind.replace(" ", "-") for kind in counts},
        style=asset("page.css"),
    )
