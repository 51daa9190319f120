"""Fill in the templates of the HTML pages."""

import base64
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from copick_picker.report.score_tables import number_text


def render(template: str, **content: object) -> str:
    """Return a template with its blanks filled in; everything but our own markup is escaped.

    Parameters
    ----------
    template : str
        Name of a file in ``templates/``.
    **content
        What the template shows, by name.
    """
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"fixed": number_text, "png_address": _png_address}
    environment.globals["source"] = _source
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    return environment


def _source(name: str) -> str:
    """Return one of our style sheets or scripts."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _png_address(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")
