"""Settings of ``train`` that say which patches it learns from."""

from typing import Annotated

from pydantic import BeforeValidator

from copick_picker.settings.job import Parameters, split_pairs
from copick_picker.settings.options import Option


class SamplingParameters(Parameters):
    """Which patches are learned from.

    Attributes
    ----------
    patch_kinds : dict or None
        Kind of patch -> its share of the patches, up to a common factor; in place of
        ``particle_share`` and ``hard_negative_share``.
    """

    patch_kinds: Annotated[
        dict[str, float] | None,
        BeforeValidator(lambda value: value if value is None else split_pairs(value)),
        Option(
            "Shares of single, multi, hard-negative, negative patches, for the two shares above.",
            metavar="KIND=W,KIND=W",
            after="hard_negative_share",
        ),
    ] = None
