"""Parses the report's page for tests."""

from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "img", "br", "link", "input", "path", "use", "rect", "clipPath"}


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        text: The visible text.
        tags: The (tag, attributes) of every element.
        tables: Table -> row -> text of each cell, headings included.
        values: Table -> row -> ``data-value`` of each cell.
        styles: The style sheets.
        scripts: The scripts.
        unclosed: Tags that were opened but not closed, or closed but not opened.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.values: list[list[list[str | None]]] = []
        self.styles, self.scripts, self.text = "", "", ""
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
            self.values.append([])
        elif tag == "tr":
            self.tables[-1].append([])
            self.values[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.values[-1][-1].append(attributes.get("data-value"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self.styles += data
        elif "script" in self._open:
            self.scripts += data
        else:
            self.text += data
            if {"td", "th"} & set(self._open):
                self.tables[-1][-1][-1] += data.strip()

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))
