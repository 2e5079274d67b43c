"""Work that mmengine 0.10.7 repeats for every config. No version is known that does it once."""

from functools import cache, wraps
from typing import Any

from mmengine.config import config, utils


def read_metafiles_once() -> None:
    """Keeps the metafiles of a package, all of which are read for each base from it.

    MMDetection's take a fifth of a second, and most configs have several bases.
    """
    utils.load = cache(utils.load)


def format_each_text_once() -> None:
    """Keeps the last text of a config that was formatted, so that it is not formatted again.

    It is formatted for the log, the message hub and each file, a quarter of a second each.
    onedl-mmengine looks the function up elsewhere and is left as it is.
    """
    if not hasattr(config, "FormatCode"):
        return
    format_code = config.FormatCode
    kept: dict[tuple[str, str], tuple] = {}

    @wraps(format_code)
    def once(text: str, **settings: Any) -> tuple:
        key = text, repr(settings)
        formatted = kept.get(key)
        if formatted is None:
            formatted = format_code(text, **settings)
            kept.clear()
            kept[key] = formatted
        return formatted

    config.FormatCode = once
