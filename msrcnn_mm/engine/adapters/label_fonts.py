"""Finds fonts for the names of classes in pictures."""

import re
import unicodedata
from functools import lru_cache

from matplotlib import ft2font
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DEFAULT = "sans-serif"
MAX_LENGTH = 60  # characters; a longer label would be shrunk until it is illegible

# placeholders for any character, and colour bitmaps, which matplotlib cannot draw
_WITHOUT_OUTLINES = re.compile(r"last ?resort|adobe blank|colou?r emoji", re.IGNORECASE)
# from matplotlib 3.11 on letters are joined, and lines run in the script's direction
_SHAPES_TEXT = hasattr(ft2font, "__libraqm_version__")
_RIGHT_TO_LEFT = {"R", "AL"}
_MARKS = {"Mn", "Mc"}  # of scripts whose signs are placed around others


@lru_cache(10_000)
def drawable(name: str) -> str | None:
    """Returns a name as it can be drawn in one line; None if it cannot.

    White space and line breaks become single spaces.
    """
    line = " ".join(unicodedata.normalize("NFC", name).split())
    if not 0 < len(line) <= MAX_LENGTH or font_families(line) is None:
        return None
    return line if _SHAPES_TEXT or not any(map(_needs_shaping, line)) else None


def font_families(text: str) -> list[str] | None:
    """Returns the families of installed fonts that draw a text; None if none has its characters.

    It is matplotlib's default, and the first beside it that has all characters the default lacks.
    """
    lacking = _lacking(DEFAULT, text)
    if not lacking:
        return [DEFAULT]
    family = _family_with(lacking)
    return None if family is None else [DEFAULT, family]


@lru_cache(1000)
def _family_with(characters: frozenset[str]) -> str | None:
    """Returns the first upright family that has all characters; those without serifs first."""
    names = {
        font.name
        for font in fontManager.ttflist
        if (font.style, font.stretch) == ("normal", "normal")
        and font.weight in (400, "normal")
        and not _WITHOUT_OUTLINES.search(font.name)
    }
    ordered = sorted(names, key=lambda name: ("sans" not in name.lower(), name))
    return next((name for name in ordered if not _lacking(name, characters)), None)


def _lacking(family: str, characters: str | frozenset[str]) -> frozenset[str]:
    """Returns the characters that the font of a family has no glyph for."""
    font = get_font(findfont(FontProperties(family=[family])))
    return frozenset(c for c in characters if not font.get_char_index(ord(c)))


def _needs_shaping(character: str) -> bool:
    """Returns whether a character is misplaced where letters are drawn from left to right."""
    return (
        unicodedata.bidirectional(character) in _RIGHT_TO_LEFT
        or unicodedata.category(character) in _MARKS
    )
