"""Filaments in copick's JSON, with our record beside it."""

from typing import Any

import numpy as np

from copick_picker.project.copick import record_files
from copick_picker.project.copick.api import CopickFilament, CopickFilaments
from copick_picker.project.files import Permit
from copick_picker.project.guards import guarded
from copick_picker.project.standing import Standing
from copick_picker.records.filaments import Filament, FilamentSet


def read(item: CopickFilaments, where: str) -> FilamentSet:
    """Return the filaments of copick.

    Parameters
    ----------
    item : copick filaments
        What to read.
    where : str
        URI and run, for messages.

    Raises
    ------
    ProjectError
        If the file is missing or malformed.
    """
    with guarded(f"cannot read {where}"):
        item.refresh()
        return FilamentSet(
            str(item.pickable_object_name),
            tuple(
                Filament(
                    instance_id=int(each.instance_id),
                    points_xyz=np.asarray(each.points, dtype=np.float64).reshape(-1, 3),
                    score=float(each.score),
                    is_polar=bool(each.polarity_known),
                    radius_angstrom=None if each.radius is None else float(each.radius),
                    facts=dict(each.metadata),
                )
                for each in item.filaments
            ),
            None if item.voxel_spacing is None else float(item.voxel_spacing),
        )


def write(
    item: CopickFilaments,
    filaments: FilamentSet,
    stored: dict[str, Any],
    where: str,
    *,
    permit: Permit,
) -> None:
    """Write filaments and their record; see ``record_files.write``.

    Parameters
    ----------
    item : copick filaments
        Where.
    filaments : FilamentSet
        What.
    stored : dict
        Record as ``provenance.to_stored`` returns it.
    where : str
        URI and run, for messages.
    permit : callable
        Asked when all is ready; raises where the file may not take its place.
    """
    record_files.write(item, lambda place: _store(place, filaments), stored, where, permit=permit)


def standing(item: CopickFilaments) -> Standing | None:
    """Return what stands in the place of filaments and of their record; None where nothing.

    Parameters
    ----------
    item : copick filaments
        Stored or not.
    """
    return record_files.standing(item, "filaments", beside={})


def _store(item: CopickFilaments, filaments: FilamentSet) -> None:
    item.meta.run_name = item.run.name
    item.meta.voxel_spacing = filaments.spacing_angstrom
    item.filaments = [
        CopickFilament(
            instance_id=each.instance_id,
            points=[tuple(point) for point in each.points_xyz.tolist()],
            polarity_known=each.is_polar,
            score=each.score,
            radius=each.radius_angstrom,
            metadata=dict(each.facts),
        )
        for each in filaments.filaments
    ]
    item.store()
