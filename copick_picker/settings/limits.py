"""Limits on stored picks: the same for ``filter`` and ``export picks``."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from copick_picker.records.points import PickLimits
from copick_picker.settings.job import EVERY, JobSettings, NumberByName, Settings
from copick_picker.settings.options import Option


class PicksMask(Settings):
    """A mask, outside of which picks are dropped.

    Attributes
    ----------
    mask : str or None
        Segmentation URI or file.
    mask_margin : float
        How far inside the mask's surface a pick must lie at least, in Angstrom; below 0 it may lie
        so far outside.
    """

    mask: Annotated[
        str | None,
        Option(
            "Drop picks outside this mask: a segmentation URI, or MRC or HDF5 file with {run} for "
            "the run.",
            metavar="MASK",
        ),
    ] = None
    mask_margin: Annotated[
        float,
        Option(
            "Minimum distance inside the mask, in Angstrom; negative values allow picks outside."
        ),
    ] = 0.0

    @model_validator(mode="after")
    def _margin_of_a_mask(self) -> Self:
        if self.mask is None and self.mask_margin:
            msg = "mask_margin needs a mask: add --mask"
            raise ValueError(msg)
        return self


class BestPicks(Settings):
    """Only the best picks, of each run or of all runs.

    Attributes
    ----------
    top : dict
        Object name, or ``*``, -> most picks of a run, the best of them.
    quantile : dict
        Object name, or ``*``, -> share of the runs that keep picks: the threshold is the score
        that the best pick of so many runs reaches.
    """

    top: Annotated[
        NumberByName,
        Option(
            "Keep the N best picks per run of an object, or of all (*=1); repeatable.",
            metavar="NAME=N",
        ),
    ] = Field(default_factory=dict)
    quantile: Annotated[
        NumberByName,
        Option(
            "Set the threshold so that this fraction of runs has picks (0.55: 55 of 100 runs); "
            "repeatable.",
            metavar="NAME=SHARE",
        ),
    ] = Field(default_factory=dict)

    @field_validator("top")
    @classmethod
    def _top_is_a_count(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if number < 1 or number != int(number)]
        if wrong:
            msg = f"the number of {', '.join(wrong)} must be a positive whole number"
            raise ValueError(msg)
        return value

    @field_validator("quantile")
    @classmethod
    def _quantile_is_a_share(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if not 0 < number <= 1]
        if wrong:
            msg = f"the share of {', '.join(wrong)} must be above 0 and at most 1"
            raise ValueError(msg)
        return value

    def top_of(self, name: str) -> int | None:
        """Return how many picks of an object a run keeps; None for all.

        Parameters
        ----------
        name : str
            The object.
        """
        top = self.top.get(name, self.top.get(EVERY))
        return None if top is None else int(top)

    def shares(self, names: Iterable[str]) -> dict[str, float]:
        """Return the share of runs of each object that has one.

        Parameters
        ----------
        names : iterable of str
            The objects.
        """
        every = dict.fromkeys(names, self.quantile.get(EVERY))
        wanted = {name: self.quantile.get(name, share) for name, share in every.items()}
        return {name: share for name, share in wanted.items() if share is not None}


class LimitSettings(BestPicks, PicksMask):
    """Which stored picks are kept.

    Attributes
    ----------
    min_score : dict
        Object name, or ``*``, -> lowest score.
    min_distance : dict
        Object name, or ``*``, -> Angstrom: of two picks of the object nearer than this the better
        stays.
    between_distance_angstrom : float
        Of two picks of different objects nearer than this the better stays.
    border_margin_angstrom : float
        Picks nearer to a face of the tomogram are dropped.
    """

    min_score: Annotated[
        NumberByName,
        Option(
            "Minimum score for an object, or for all (*=0.4); repeatable.", metavar="NAME=SCORE"
        ),
    ] = Field(default_factory=dict)
    min_distance: Annotated[
        NumberByName,
        Option(
            "Minimum distance between picks of an object; the higher score is kept; repeatable.",
            metavar="NAME=A",
        ),
    ] = Field(default_factory=dict)
    between_distance_angstrom: Annotated[
        float,
        Field(ge=0),
        Option("Minimum distance between picks of different objects; the higher score is kept."),
    ] = 0.0
    border_margin_angstrom: Annotated[
        float, Field(ge=0), Option("Drop picks closer than this to a face of the tomogram.")
    ] = 0.0

    @property
    def needs_box(self) -> bool:
        """Whether the limits depend on the size of the tomogram."""
        return self.border_margin_angstrom > 0 or self.mask is not None

    @field_validator("min_distance")
    @classmethod
    def _distances_are_not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, number in value.items() if number < 0]
        if wrong:
            msg = f"the distance of {', '.join(wrong)} is negative"
            raise ValueError(msg)
        return value

    def limits(self, names: Iterable[str]) -> dict[str, PickLimits]:
        """Return the limits of each object.

        Parameters
        ----------
        names : iterable of str
            The objects.
        """
        return {name: self._limits_of(name) for name in names}

    def _limits_of(self, name: str) -> PickLimits:
        return PickLimits(
            min_score=self.min_score.get(name, self.min_score.get(EVERY)),
            top=self.top_of(name),
            min_distance_angstrom=self.min_distance.get(name, self.min_distance.get(EVERY, 0.0)),
        )


class LimitedSettings(LimitSettings, JobSettings):
    """Settings of a command that reads stored picks within limits.

    Attributes
    ----------
    input : str
        Picks URI ``object:user/session``; ``*`` stands for every object.
    tomogram : str
        Tomogram URI: its size gives borders and centres.
    """

    input: Annotated[
        str, Option("Picks URI, object:user/session; * is every object.", "-i", uri="picks")
    ]
    tomogram: Annotated[
        str,
        Option("Tomogram that sets the border. Default: the run's only one.", uri="tomogram"),
    ] = "*"
