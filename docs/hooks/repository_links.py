"""Adapts pages that are written for GitHub to the site that MkDocs builds.

A page may link to a file of the repository outside ``docs/``, which the site does not hold. Such a
link leads to the file on the code host where ``repo_url`` is set, and becomes code otherwise.
Docstrings name other objects by Sphinx's roles, which the site shows as code.
"""

import logging
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")
_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):<code>[~.]*(.*?)</code>")

_log = logging.getLogger("mkdocs.hooks.repository_links")


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Returns the page with its links to files outside ``docs/`` replaced."""
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def replaced(link: re.Match[str]) -> str:
        text, target, anchor = link[1], (folder / link[2]).resolve(), link[3] or ""
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            _log.warning("%s: link to a missing file: %s", page.file.src_uri, link[2])
        if not config.repo_url:
            return f"`{text.strip('`')}`"
        path = target.relative_to(docs.parent).as_posix()
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path}{anchor})"

    return _LINK.sub(replaced, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Returns the rendered page with Sphinx's roles shown as code."""
    return _ROLE.sub(r"<code>\1</code>", html)
