"""Loads the templates of pages and what is written into them."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from . import number_format
from .figures.style import as_data_uri


def get_template(name: str) -> Template:
    """Returns a template of this folder, with the filters that format numbers and pictures."""
    # Names of classes, detectors and files can hold any text, so every value is escaped.
    environment = Environment(
        loader=PackageLoader("msrcnn_mm.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=number_format.percent,
        gain=number_format.gain,
        interval=number_format.interval,
        share=number_format.share,
        score=number_format.score,
        uri=as_data_uri,
    )
    environment.globals.update(count=number_format.count)
    return environment.get_template(name)


def asset(name: str) -> Markup:
    """Returns the text of a style sheet or script of this folder, which is not escaped."""
    return Markup(files("msrcnn_mm.report").joinpath(name).read_text(encoding="utf-8"))
