"""Small fonts with glyphs for Chinese characters."""

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

CAT, DOG = "\u732b", "\u72ac"


def write_font(path: Path, family: str, characters: str) -> Path:
    """Writes a font with a bar of another height for each character."""
    names = [".notdef", *(f"uni{ord(c):04X}" for c in characters)]
    glyphs = {}
    for index, name in enumerate(names):
        pen = TTGlyphPen(None)
        top = 200 + 150 * index
        pen.moveTo((100, 0))
        for corner in ((100, top), (800, top), (800, 0)):
            pen.lineTo(corner)
        pen.closePath()
        glyphs[name] = pen.glyph()
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(dict(zip(map(ord, characters), names[1:], strict=True)))
    font.setupGlyf(glyphs)
    font.setupHorizontalMetrics(dict.fromkeys(names, (900, 100)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable(dict(familyName=family, styleName="Regular"))
    font.setupOS2(usWeightClass=400, sTypoAscender=900, sTypoDescender=-100)
    font.setupPost()
    font.save(path)
    return path
