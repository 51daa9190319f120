"""Settings of ``evaluate``."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from copick_picker.records.keys import DEFAULT_ORIGIN
from copick_picker.settings.job import JobSettings, NumberByName, Parameters
from copick_picker.settings.options import Option
from copick_picker.settings.segment import Contrast

CZII_RADII_ANGSTROM = {
    "apo-ferritin": 60.0,
    "beta-amylase": 65.0,
    "beta-galactosidase": 90.0,
    "ribosome": 150.0,
    "thyroglobulin": 130.0,
    "virus-like-particle": 135.0,
}
"""Radii of the CZII 2024 challenge; ``--matcher czii`` takes them for objects of these names."""
CZII_WEIGHTS = {
    "apo-ferritin": 1.0,
    "beta-amylase": 0.0,
    "beta-galactosidase": 2.0,
    "ribosome": 1.0,
    "thyroglobulin": 2.0,
    "virus-like-particle": 1.0,
}
"""Weights of the CZII 2024 challenge."""
RECALL_FRACTIONS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Tolerances of the recall curve, as fractions of the radius."""
BYU_TOLERANCE = "1000A"
"""Greatest distance of a hit in the challenge BYU 2025; the default with ``--matcher byu``."""
BYU_BETA = 2.0
"""Weight of recall in that challenge; the default with ``--matcher byu``."""
CONFIDENCE = 0.95
"""Share of the bootstrap replicates inside an interval."""
MIN_BOOTSTRAP_RUNS = 5
"""Fewest runs from which an interval over runs is given."""

_TOLERANCE = re.compile(r"(?P<number>\d+(\.\d*)?|\.\d+)\s*(?P<unit>r|R|A|Å)")


def parse_tolerance(text: str) -> tuple[float, str]:
    """Return the number and the unit of a tolerance: ``r`` (radii) or ``A`` (Angstrom).

    Parameters
    ----------
    text : str
        ``0.5r`` or ``60A``.

    Raises
    ------
    ValueError
        If it has another form or is not positive.

    Examples
    --------
    >>> parse_tolerance("0.5r"), parse_tolerance("60A")
    ((0.5, 'r'), (60.0, 'A'))
    """
    found = _TOLERANCE.fullmatch(text.strip())
    if found is None or float(found["number"]) == 0.0:
        msg = "expected a positive multiple of the radius such as 0.5r, or Angstrom such as 60A"
        raise ValueError(msg)
    return float(found["number"]), "r" if found["unit"] in "rR" else "A"


def _with_unit(text: str) -> str:
    parse_tolerance(text)
    return text


def positive_radii(radii: dict[str, float]) -> dict[str, float]:
    """Return radii by object name, none of which is 0 or less.

    Parameters
    ----------
    radii : dict
        Object name -> radius in Angstrom.

    Raises
    ------
    ValueError
        Naming the objects whose radius is not positive.
    """
    wrong = [name for name, number in radii.items() if number <= 0]
    if wrong:
        msg = f"the radius of {', '.join(wrong)} is not positive"
        raise ValueError(msg)
    return radii


def _weights(weights: dict[str, float]) -> dict[str, float]:
    wrong = [name for name, number in weights.items() if number < 0]
    if wrong:
        msg = f"the weight of {', '.join(wrong)} is negative"
        raise ValueError(msg)
    return weights


Tolerance = Annotated[
    str,
    AfterValidator(_with_unit),
    Option(
        "Maximum distance of a hit: a multiple of the object's radius, or Angstrom.",
        metavar="0.5r|60A",
    ),
]
Beta = Annotated[float, Field(gt=0), Option("Weight of recall relative to precision in F-beta.")]
MERGE_SETS = "Put several sets of one object in a run together."
MinScore = Annotated[
    NumberByName,
    Option(
        "Ignore an object's candidates with lower scores, or all objects' (*=0.5); repeatable.",
        metavar="NAME=SCORE",
    ),
]
RadiusOverProject = Annotated[
    NumberByName,
    Option("Radius of an object; repeatable. Default: the project's.", metavar="NAME=A"),
]


def with_byu_defaults(given: object, defaults: Mapping[str, object]) -> object:
    """Return settings with the defaults of the matcher ``byu`` if they choose it.

    Parameters
    ----------
    given : object
        Settings as given, a mapping.
    defaults : mapping
        Name of a setting -> its default with this matcher.
    """
    if not isinstance(given, Mapping) or given.get("matcher") != "byu":
        return given
    return {**defaults, **given}


ANY_REFERENCE = (
    "object:user/session; * is every object. On the portal also ground-truth, "
    "deposition:ID, annotation:ID, author:NAME."
)
Matcher = Literal["one-to-one", "czii", "octopi", "byu"]
MATCHERS = "|".join(get_args(Matcher))
Replicates = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0), Option("Seed of the bootstrap.")]


class EvaluateParameters(Parameters):
    """How candidates are scored.

    Attributes
    ----------
    matcher : str
        ``one-to-one``, ``czii``, ``octopi`` or ``byu``. With ``byu`` the defaults of tolerance and
        beta are 1000A and 2, and there is no border margin.
    tolerance : str
        Greatest distance of a hit: ``0.5r`` (of the object's radius) or ``60A``.
    beta : float
        How many times recall counts as much as precision in F-beta.
    radius : dict
        Object name -> radius in Angstrom, over the project's.
    weight : dict
        Object name -> weight in the macro average, over the project's.
    min_score : dict
        Object name -> lowest score of a candidate that counts.
    border_margin_xy_angstrom, border_margin_z_angstrom : float
        Candidates this near to an x or y face, or to a z face, and reference picks there, are
        listed and not counted.
    bootstrap : int
        Replicates of the bootstrap over runs; 0 leaves intervals out.
    seed : int
        Seed of the bootstrap.
    """

    matcher: Annotated[
        str,
        Option(
            "What counts as a hit: one-to-one pairs, or the rule of the CZII 2024 challenge, of "
            "octopi, or of BYU 2025 (counts tomograms; tolerance 1000A, beta 2).",
            metavar=MATCHERS,
        ),
    ] = "one-to-one"
    tolerance: Tolerance = "0.5r"
    beta: Beta = 4.0
    radius: Annotated[
        NumberByName,
        AfterValidator(positive_radii),
        Option(
            "Radius of an object; repeatable. Default: the project's (czii: the challenge's).",
            metavar="NAME=A",
        ),
    ] = Field(default_factory=dict)
    weight: Annotated[
        NumberByName,
        AfterValidator(_weights),
        Option("Weight of an object in the macro average; repeatable.", metavar="NAME=W"),
    ] = Field(default_factory=dict)
    min_score: MinScore = Field(default_factory=dict)
    border_margin_xy_angstrom: Annotated[
        float,
        Field(ge=0),
        Option("List but do not count picks this close to an x or y face (hits still count)."),
    ] = 0.0
    border_margin_z_angstrom: Annotated[float, Field(ge=0), Option("The same for the z faces.")] = (
        0.0
    )
    bootstrap: Annotated[Replicates, Option("Bootstrap replicates over runs; 0: no intervals.")] = (
        1000
    )
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_byu(cls, given: object) -> object:
        return with_byu_defaults(given, {"tolerance": BYU_TOLERANCE, "beta": BYU_BETA})

    @model_validator(mode="after")
    def _byu_has_no_border(self) -> Self:
        if self.matcher == "byu" and (
            self.border_margin_xy_angstrom or self.border_margin_z_angstrom
        ):
            msg = "matcher byu counts whole tomograms and does not support border margins"
            raise ValueError(msg)
        return self


class EvaluateSettings(EvaluateParameters, JobSettings):
    """Settings of ``evaluate``.

    Attributes
    ----------
    reference, candidate : str
        Picks URIs ``object:user/session``; ``*`` stands for every object.
    output : str
        Folder for the scores.
    merge_sets : bool
        Put several sets of one object in a run together instead of refusing them.
    links : bool
        Score also how picks are linked into filaments.
    tomogram : str
        Tomogram URI: its size gives the faces, and slices are drawn of it.
    slices : int
        Runs to draw slices of with their picks.
    contrast : str
        How protein looks in the tomograms, for the slices; ``auto`` looks at each.
    fail_under : dict
        Score name -> least value; less makes the exit code 3.
    """

    also_recorded = ("tomogram", "merge_sets", "links")

    reference: Annotated[str, Option(f"Reference picks, {ANY_REFERENCE}", uri="picks")]
    candidate: Annotated[str, Option("Candidate picks, object:user/session.", uri="picks")] = (
        f"*:{DEFAULT_ORIGIN}"
    )
    output: Annotated[
        str, Option("Folder for the scores.", "-o", metavar="FOLDER", aliases="--save-path")
    ] = "scores"
    merge_sets: Annotated[bool, Option(MERGE_SETS, after="min_score")] = False
    links: Annotated[
        bool,
        Option(
            "Also score filaments: instance ids give each pick's filament, their order the way "
            "along it."
        ),
    ] = False
    tomogram: Annotated[
        str,
        Option(
            "Tomogram that sets the faces and is drawn. Default: the run's only one.",
            uri="tomogram",
            after="border_margin_z_angstrom",
        ),
    ] = "*"
    slices: Annotated[int, Field(ge=0), Option("Draw slices with picks for this many runs.")] = 0
    contrast: Annotated[Contrast, Option("How protein looks in the tomograms (for slices).")] = (
        "auto"
    )
    fail_under: Annotated[
        NumberByName,
        Option(
            "Exit with code 3 if a score is lower: f4=0.7, micro.recall=0.9, ribosome.ap=0.8; "
            "repeatable.",
            metavar="SCORE=VALUE",
            after="seed",
        ),
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _links_are_of_one_set(self) -> Self:
        if self.links and self.merge_sets:
            msg = "--links cannot be combined with --merge-sets: instance ids differ between sets"
            raise ValueError(msg)
        return self
