"""Names of classes are drawn with fonts that have their glyphs, or not at all."""

from pathlib import Path

import pytest
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from msrcnn_mm.engine.adapters import label_fonts
from msrcnn_mm.engine.adapters.label_fonts import drawable, font_families
from tests.support.fonts import CAT, DOG, write_font


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    "name",
    [CAT, "\u0928\u092e", "\u0e44\u0e17\u0e22", "ring \u732b", "a\x07b", "", " \n", 61 * "x"],
    ids=ascii,
)
def test_names_that_no_font_has_cannot_be_drawn(name: str) -> None:
    assert drawable(name) is None


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ring", "ring"),
        ("Zelle \u00df \u0416 \u03a9", "Zelle \u00df \u0416 \u03a9"),
        ("a\nb\t c ", "a b c"),
        ("cafe\u0301", "caf\u00e9"),
        ("$x$", "$x$"),
        (60 * "x", 60 * "x"),
    ],
    ids=ascii,
)
def test_names_in_one_line(name: str, line: str) -> None:
    assert drawable(name) == line
    font = FT2Font(findfont(FontProperties(family=["sans-serif"])))
    assert all(font.get_char_index(ord(c)) for c in line)


@pytest.mark.usefixtures("installed")
def test_an_installed_font_with_all_characters_is_found(tmp_path: Path) -> None:
    """Not one that has some of them, or placeholders for all."""
    fonts = {"Aa Sans": CAT, "Bb Serif": CAT + DOG, "Cc Sans": CAT + DOG}
    fonts |= {"Aa Last Resort": CAT + DOG, "Aa Color Emoji": CAT + DOG}
    for family, characters in fonts.items():
        fontManager.addfont(write_font(tmp_path / f"{family}.ttf", family, characters))
    assert font_families("ring") == ["sans-serif"]
    assert font_families(f"ring {CAT}") == ["sans-serif", "Aa Sans"]
    assert font_families(CAT + DOG) == ["sans-serif", "Cc Sans"]
    assert drawable(CAT + DOG) == CAT + DOG


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["\u05e9\u05dc\u05d5\u05dd", "\u0633\u0644\u0627\u0645"])
def test_scripts_from_right_to_left_need_shaping(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before matplotlib 3.11 letters were drawn from left to right, and not joined."""
    monkeypatch.setattr(label_fonts, "_SHAPES_TEXT", True)
    assert drawable(name) == name
    drawable.cache_clear()
    monkeypatch.setattr(label_fonts, "_SHAPES_TEXT", False)
    assert drawable(name) is None
    assert drawable("ring") == "ring"
