"""Fixtures of the tests of pictures."""

from collections.abc import Iterator

import pytest
from matplotlib.font_manager import fontManager

from msrcnn_mm.engine.adapters import label_fonts


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves the fonts that come with matplotlib, and forgets those that a test adds."""
    own = [font for font in fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    label_fonts.drawable.cache_clear()
    label_fonts._family_with.cache_clear()
