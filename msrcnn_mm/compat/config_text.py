"""The text of a config.

mmengine 0.10 takes a quarter of a second or more to format it, and formats it anew for the log, the
message hub and each file. No version is known that formats it once.
"""

from functools import wraps
from typing import Any

import mmengine.config.config as module


def format_each_text_once() -> None:
    """Keeps the last text that was formatted, so that it is not formatted again."""
    format_code = module.FormatCode
    kept: dict[tuple[str, str], tuple] = {}

    @wraps(format_code)
    def once(text: str, **settings: Any) -> tuple:
        key = text, repr(settings)
        if key not in kept:
            formatted = format_code(text, **settings)
            kept.clear()
            kept[key] = formatted
        return kept[key]

    module.FormatCode = once
