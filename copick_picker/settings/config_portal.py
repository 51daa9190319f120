"""Settings of ``config portal``, and the radii of objects that public benchmarks use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from copick_picker.settings.job import Names, NumberByName, split_names


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


class ConfigPortalSettings(BaseModel):
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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    dataset: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...],
        BeforeValidator(split_names),
        Field(min_length=1),
    ]
    output: Path = Path("config.json")
    overlay: str | None = None
    objects: Names = ()
    radius: NumberByName = Field(default_factory=dict)
    name: str | None = None
    overwrite: bool = False

    @field_validator("radius")
    @classmethod
    def _radii_are_positive(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if number <= 0]
        if wrong:
            msg = f"the radius of {', '.join(wrong)} is not positive"
            raise ValueError(msg)
        return value
