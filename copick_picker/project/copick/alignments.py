"""Picks and tomograms of the CryoET Data Portal belong together when their alignment is one."""

from collections.abc import Sequence

from copick_picker.errors import DataError
from copick_picker.project.uris import tomogram_query
from copick_picker.records.keys import PicksKey, TomogramKey


def check_alignments(
    run_name: str,
    picks: Sequence[PicksKey],
    tomograms: Sequence[TomogramKey],
    tomogram_uri: str,
) -> None:
    """Raise where picks have coordinates of another alignment than the tomogram, or each other.

    What does not say its alignment (every set that is not the portal's own) is not judged.

    Parameters
    ----------
    run_name : str
        The run, for the message.
    picks : sequence of PicksKey
        Sets that are compared, or shown.
    tomograms : sequence of TomogramKey
        Tomograms of the run.
    tomogram_uri : str
        Which of them are meant.

    Raises
    ------
    DataError
        Naming both, with both alignments.
    """
    known = [key for key in picks if key.origin is not None and key.origin.alignment_id is not None]
    meant = [
        key
        for key in tomogram_query(tomogram_uri).matching(tomograms)
        if key.alignment_id is not None
    ]
    for key in known:
        number = key.origin.alignment_id if key.origin is not None else None
        if meant and number not in {tomogram.alignment_id for tomogram in meant}:
            other = meant[0]
            msg = (
                f"run {run_name}: {key} has coordinates from alignment {number}, tomogram "
                f"{other} comes from alignment {other.alignment_id}: they do not match"
            )
            raise DataError(msg)
        first = known[0]
        if first.origin is not None and first.origin.alignment_id != number:
            msg = (
                f"run {run_name}: {first} has coordinates from alignment "
                f"{first.origin.alignment_id}, {key} of alignment {number}: they do not "
                "match"
            )
            raise DataError(msg)
