"""What mkdocs changes of a page for the site: links to files outside `docs/` become the names of those files.

The repository's own pages lead to the code; the site has no copy of it, and knows no address of one.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with its links to code written out. mkdocs calls it by name."""
    folder = posixpath.dirname(page.file.src_uri)
    parts, done = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_mended(markdown[done : fence.start()], folder), fence[0]]
        done = fence.end()
    return "".join([*parts, _mended(markdown[done:], folder)])


def _mended(text: str, folder: str) -> str:
    def mend(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if not target.startswith("../"):
            return link[0]
        name = target.removeprefix("../")
        return link[1] if name in link[1] else f"{link[1]} (`{name}`)"

    return _LINK.sub(mend, text)
