"""Every relative link of the repository's Markdown files leads somewhere, as GitHub resolves it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("", "docs", "configs", "benchmarks")
PAGES = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).glob("*.md" if not folder else "**/*.md")
)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {word.replace(" ", "-") for word in words}


def dead_links(path: Path) -> Iterator[str]:
    """The relative links of a page that lead nowhere."""
    for link in LINK.findall(CODE.sub("", path.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert not list(dead_links(path))


def test_pages_that_the_code_names_exist() -> None:
    files = [p for f in ("msrcnn_mm", "tools", "configs") for p in (ROOT / f).rglob("*.py")]
    named = {name for p in files for name in re.findall(r"\bdocs/[\w/]+\.md\b", p.read_text())}
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}


def test_files_that_pages_name_exist() -> None:
    """Pages name files of the package from the root; the page on architecture, from the package."""
    named = {
        name
        for path in PAGES
        if path.name != "CHANGELOG.md"
        for name in re.findall(r"`(?:msrcnn_mm|tools|tests)/[\w/.-]+`", path.read_text())
    }
    index = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {p.name for p in (ROOT / "msrcnn_mm").iterdir() if p.is_dir()}
    named |= {
        f"`msrcnn_mm/{name}`"
        for name in re.findall(r"`(\w+/[\w/.-]+)`", index)
        if name.split("/")[0] in rooms
    }
    assert len(named) > 20
    assert not {name for name in named if not (ROOT / name.strip("`")).exists()}


def test_dead_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b\n[x](#a-b) [x](none.md) [x](page.md#c) `[x](code.md)`\n")
    assert list(dead_links(page)) == ["none.md", "page.md#c"]
