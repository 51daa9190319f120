"""Hooks of mkdocs: cross-references written in docstrings become links in the reference pages."""

import re

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>([\w.]+)</code>")


def on_page_content(html: str, **_: object) -> str:
    """Return a page whose ``:class:`a.b.C``` links to C where the reference lists it.

    Parameters
    ----------
    html : str
        The page, as made from its Markdown.
    """
    return ROLE.sub(_link, html)


def _link(role: re.Match[str]) -> str:
    name = role[1].rsplit(".", 1)[-1]
    return f'<autoref identifier="{role[1]}" optional><code>{name}</code></autoref>'
