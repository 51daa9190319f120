"""Settings of ``config portal``, and the radii of objects that public benchmarks use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from copick_picker.settings.evaluate import positive_radii
from copick_picker.settings.job import Count, Names, NumberByName, Settings, split_names
from copick_picker.settings.options import Option


@dataclass(frozen=True)
class KnownObject:
    """What is known of an object of the portal.

    Attributes
    ----------
    radius_angstrom : float
        Radius of the particle.
    score_weight : float
        Its weight in the benchmark's score.
    source : str
        Who says so.
    """

    radius_angstrom: float
    score_weight: float
    source: str


_CZII = "CZII 2024 challenge (Kaggle czii-cryo-et-object-identification)"
KNOWN_OBJECTS: Mapping[str, KnownObject] = {
    "GO:0070288": KnownObject(60.0, 1.0, _CZII),
    "UniProtKB:P10537": KnownObject(65.0, 0.0, _CZII),
    "UniProtKB:P00722": KnownObject(90.0, 2.0, _CZII),
    "GO:0022626": KnownObject(150.0, 1.0, _CZII),
    "UniProtKB:P01267": KnownObject(130.0, 2.0, _CZII),
    "GO:0170047": KnownObject(135.0, 1.0, _CZII),
}
"""Identifier -> radius and weight. (The virus-like particle of the challenge is the PP7 capsid;
capsids of other datasets differ: give those with ``--radius``.)"""


class ConfigPortalSettings(Settings):
    """Settings of ``config portal``.

    Attributes
    ----------
    dataset : tuple of int
        Datasets of the CryoET Data Portal.
    output : pathlib.Path
        copick configuration to write.
    overlay : str or None
        Folder or address for outputs; ``overlay`` beside the configuration where not given.
    objects : tuple of str
        Only these objects: names of the portal or of copick, or identifiers; empty means all.
    radius : dict
        Object name -> radius in Angstrom, over the built-in table.
    name : str or None
        Name of the project.
    overwrite : bool
        Replace a configuration that says something else; its labels and radii are kept.
    """

    dataset: Annotated[
        tuple[Count, ...],
        BeforeValidator(split_names),
        Field(min_length=1),
        Option("Portal dataset; repeatable.", metavar="ID"),
    ]
    output: Annotated[Path, Option("Configuration to write.", "-o", metavar="JSON")] = Path(
        "config.json"
    )
    overlay: Annotated[
        str | None,
        Option(
            "Folder or address for outputs. Default: 'overlay' next to the configuration.",
            metavar="PLACE",
        ),
    ] = None
    objects: Annotated[
        Names, Option("Only these objects. Default: all annotated ones.", metavar="A,B")
    ] = ()
    radius: Annotated[
        NumberByName,
        AfterValidator(positive_radii),
        Option("Radius in Angstrom, overrides the built-in table; repeatable.", metavar="OBJECT=A"),
    ] = Field(default_factory=dict)
    name: Annotated[str | None, Option("Name of the project.", metavar="TEXT")] = None
    overwrite: Annotated[
        bool, Option("Replace a different configuration; its labels and radii are kept.")
    ] = False
