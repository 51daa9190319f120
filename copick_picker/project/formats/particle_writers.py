"""Picks written as other programs read them: RELION, Warp, Dynamo, CSV, the challenge BYU 2025.

copick's own writers and starfile do the work where they are right; added here are the scores, the
random subsets and Warp's names, which copick leaves out.
"""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import starfile

from copick_picker._version import __version__
from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.project.formats.byu_tables import submission_csv
from copick_picker.project.formats.copick_formats import (
    build_relion_star_tables,
    read_relion_tomograms,
    write_dynamo_table_grouped,
    write_picks_csv_grouped,
)
from copick_picker.project.guards import guarded, root_logging_kept
from copick_picker.records.points import ExportedRun, PickSet

SCORE_COLUMN = "rlnAutopickFigureOfMerit"
"""RELION's name for a pick's score; Warp writes its own scores under it too."""
SUBSET_COLUMN = "rlnRandomSubset"
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
SUFFIXES = {
    "relion5": ".star",
    "relion4": ".star",
    "warp": ".star",
    "dynamo": ".tbl",
    "csv": ".csv",
    "copick-csv": ".csv",
    "byu": ".csv",
}
"""Format -> suffix of its file."""


@dataclass(frozen=True)
class WriteOptions:
    """What a file needs to know beyond the picks.

    Attributes
    ----------
    is_binned : bool
        Whether the pixels that RELION 4 is given are not those of the tilt series.
    subset_seed : int or None
        Seed of random halves; None leaves them out.
    tomograms : mapping
        Entries of RELION's ``tomograms.star`` by name.
    """

    is_binned: bool = False
    subset_seed: int | None = None
    tomograms: Mapping[str, Any] | None = None


def read_tomograms_star(path: Path) -> Mapping[str, Any]:
    """Return the entries of RELION's ``tomograms.star`` by tomogram name.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    ProjectError
        If it cannot be read or a column is missing.
    """
    with guarded(f"cannot read {path}"), root_logging_kept():
        found: Mapping[str, Any] = read_relion_tomograms(str(path))
        return found


def particle_files(
    path: Path, to: str, runs: Sequence[ExportedRun], options: WriteOptions
) -> dict[Path, bytes]:
    """Return the files of one object's picks in some runs; nothing is written.

    Parameters
    ----------
    path : pathlib.Path
        Where the first of them goes.
    to : str
        ``relion5``, ``relion4``, ``warp``, ``dynamo``, ``csv``, ``copick-csv`` or ``byu``.
    runs : sequence of ExportedRun
        Picks by run.
    options : WriteOptions
        The rest.

    Raises
    ------
    ProjectError
        If a file cannot be made.
    UnknownNameError
        If ``tomograms.star`` does not hold a tomogram.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        guarded(f"cannot write {path}"),
        root_logging_kept(),
    ):
        _WRITERS[to](Path(folder) / path.name, runs, options)
        made = sorted(Path(folder).iterdir())
        return {path.with_name(file.name): _same_bytes(file) for file in made}


def _same_bytes(path: Path) -> bytes:
    """Return a file without the clock time that starfile writes into it."""
    data = path.read_bytes()
    if path.suffix != ".star":
        return data
    return re.sub(rb"^# Created by.*", f"# copick-picker {__version__}".encode(), data, count=1)


def file_names(path: Path, to: str) -> list[Path]:
    """Return where the files that ``particle_files`` makes go.

    Parameters
    ----------
    path : pathlib.Path
        File to make.
    to : str
        Format.
    """
    return [path, path.with_suffix(".doc")] if to == "dynamo" else [path]


def random_halves(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return 1 or 2 for each of n particles, as many of one as of the other, by chance.

    Parameters
    ----------
    n : int
        Number of particles.
    seed : int
        Seed.

    Examples
    --------
    >>> sorted(random_halves(5, 0).tolist())
    [1, 1, 1, 2, 2]
    """
    halves: npt.NDArray[np.int64] = np.random.default_rng(seed).permutation(np.arange(n) % 2 + 1)
    return halves


def _write_relion(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    """Write centred Angstrom (RELION 5) where centres are known, else tilt-series pixels (4)."""
    tomograms = _needed_tomograms(runs, options)
    centred = runs[0].centre_xyz is not None
    if len({run.tomogram_name for run in runs}) < len(runs):
        msg = "two runs have the same tomogram name; see --names and --name-pattern"
        raise SettingsError(msg)
    particles, optics = build_relion_star_tables(
        {run.tomogram_name: (run.picks.points_xyz, _transforms(run)) for run in runs},
        **_filaments(runs, "frame"),
        tomogram_centers={run.tomogram_name: run.centre_xyz for run in runs} if centred else None,
        tilt_series_pixel_size=None
        if centred
        else {run.tomogram_name: run.pixel_size for run in runs},
        tomograms=tomograms if centred else None,
        coordinates="centered" if centred else "auto",
    )
    if options.is_binned:
        optics = None
        particles = particles.drop(columns="rlnOpticsGroup")
    particles = _finished(particles, runs, options)
    tables = {"particles": particles}
    if optics is not None:
        tables = {"optics": optics, **tables}
    starfile.write(tables, path)


def _filaments(runs: Sequence[ExportedRun], angles: str) -> dict[str, Any]:
    """Return what copick's tables need for filaments; nothing where these are single particles.

    RELION takes a filament's frame in the angles of the subtomogram; Warp knows but one set of
    angles (``pose``). Halves go by whole filaments, as neighbours on one share density.
    """
    if not runs[0].is_filament:
        return {}
    return {
        "instance_ids": {run.tomogram_name: run.picks.instance_ids for run in runs},
        "filament": True,
        "polarity_known": {
            run.tomogram_name: False if run.is_polar is None else run.is_polar for run in runs
        },
        "filament_angles": angles,
        "half_sets": "filament",
    }


def _write_warp(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    """Write tomogram pixels and ``.tomostar`` names; the pixel size stands as in RELION 3."""
    angles, _ = build_relion_star_tables(
        {run.tomogram_name: (run.picks.points_xyz, _transforms(run)) for run in runs},
        **_filaments(runs, "pose"),
        tilt_series_pixel_size={run.tomogram_name: run.pixel_size for run in runs},
        include_optics=False,
    )
    table = angles.rename(columns={"rlnTomoName": "rlnMicrographName"})
    sizes = [size for run in runs for size in [run.pixel_size] * len(run.picks)]
    table["rlnMagnification"] = 10000.0
    table["rlnDetectorPixelSize"] = sizes
    starfile.write(_finished(table, runs, options), path)


def _write_dynamo(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    """Write a table, tomograms numbered from 1, and beside it the ``.doc`` that names them."""
    _ = options
    numbers = {run.run_name: number for number, run in enumerate(runs, 1)}
    write_dynamo_table_grouped(
        str(path),
        {run.run_name: _dynamo_pixels(run) for run in runs},
        1.0,
        numbers,
    )
    lines = [f"{numbers[run.run_name]} {run.tomogram_name}\n" for run in runs]
    path.with_suffix(".doc").write_text("".join(lines), encoding="utf-8")


def _write_csv(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    """Write Angstrom and scores, with RELION's angles where the picks have orientations."""
    relion, _ = build_relion_star_tables(
        {run.tomogram_name: (run.picks.points_xyz, _transforms(run)) for run in runs},
        tilt_series_pixel_size=1.0,
        include_optics=False,
    )
    table = _finished(relion, runs, options).rename(
        columns={
            "rlnTomoName": "run_name",
            "rlnCoordinateX": "x",
            "rlnCoordinateY": "y",
            "rlnCoordinateZ": "z",
            SCORE_COLUMN: "score",
            SUBSET_COLUMN: "random_subset",
            **dict(zip(ANGLES, ("rot", "tilt", "psi"), strict=True)),
        }
    )
    table.insert(1, "object", [run.picks.object_name for run in runs for _ in run.picks.scores])
    if any(run.picks.instance_ids is not None for run in runs):
        table["instance_id"] = np.concatenate([_ids(run.picks) for run in runs])
    table.to_csv(path, index=False, lineterminator="\n")


def _ids(picks: PickSet) -> npt.NDArray[np.int64]:
    if picks.instance_ids is None:
        return np.zeros(len(picks), dtype=np.int64)
    return picks.instance_ids


def _write_copick_csv(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    _ = options
    ids = {
        run.tomogram_name: run.picks.instance_ids
        for run in runs
        if run.picks.instance_ids is not None
    }
    write_picks_csv_grouped(
        str(path),
        {
            run.tomogram_name: (run.picks.points_xyz, _transforms(run), run.picks.scores)
            for run in runs
        },
        ids or None,
    )


def _write_byu(path: Path, runs: Sequence[ExportedRun], options: WriteOptions) -> None:
    """Write a row a tomogram: its best pick in voxels (z, y, x), or -1."""
    _ = options
    names = [run.tomogram_name for run in runs]
    if len(set(names)) < len(names):
        msg = "two runs have the same tomogram name; see --names and --name-pattern"
        raise SettingsError(msg)
    path.write_text(submission_csv(dict(zip(names, map(_best_zyx, runs), strict=True))), "utf-8")


def _best_zyx(run: ExportedRun) -> list[float] | None:
    """Return the pick of the highest score in pixels, of equal ones the first; None without."""
    if len(run.picks) == 0:
        return None
    best = run.picks.points_xyz[int(np.argmax(run.picks.scores))]
    pixels: list[float] = (best[::-1] / (run.pixel_size or 1.0)).tolist()
    return pixels


_WRITERS: dict[str, Callable[[Path, Sequence[ExportedRun], WriteOptions], None]] = {
    "relion5": _write_relion,
    "relion4": _write_relion,
    "warp": _write_warp,
    "dynamo": _write_dynamo,
    "csv": _write_csv,
    "copick-csv": _write_copick_csv,
    "byu": _write_byu,
}


def _transforms(run: ExportedRun) -> npt.NDArray[np.float64]:
    transforms = np.tile(np.eye(4), (len(run.picks), 1, 1))
    if run.picks.rotations is not None:
        transforms[:, :3, :3] = run.picks.rotations
    return transforms


def _dynamo_pixels(
    run: ExportedRun,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return run.picks.points_xyz / (run.pixel_size or 1.0), _transforms(run), run.picks.scores


def _finished(table: Any, runs: Sequence[ExportedRun], options: WriteOptions) -> Any:  # noqa: ANN401 (pandas is untyped here)
    """Add scores and halves; take out angles where no pick has an orientation."""
    table = pd.DataFrame(table)
    if all(run.picks.rotations is None for run in runs) and not runs[0].is_filament:
        table = table.drop(columns=ANGLES)
    table[SCORE_COLUMN] = np.concatenate([run.picks.scores for run in runs])
    if options.subset_seed is not None and SUBSET_COLUMN not in table:
        table[SUBSET_COLUMN] = random_halves(len(table), options.subset_seed)
    return table


def _needed_tomograms(
    runs: Sequence[ExportedRun], options: WriteOptions
) -> Mapping[str, Any] | None:
    if options.tomograms is None:
        return None
    missing = [run.tomogram_name for run in runs if run.tomogram_name not in options.tomograms]
    if missing:
        msg = (
            f"--tomograms has no {choices_text(missing[:5])}; it has: "
            f"{choices_text(list(options.tomograms)[:10])}; see --names and --name-pattern"
        )
        raise UnknownNameError(msg)
    return options.tomograms


def advice(to: str, binning: float, runs: Sequence[ExportedRun]) -> list[str]:
    """Return what the other program must be told, in words.

    Parameters
    ----------
    to : str
        Format.
    binning : float
        Unbinned pixels of a pixel that coordinates count.
    runs : sequence of ExportedRun
        What was written.
    """
    lines = [] if not runs or not runs[0].is_filament else [_about_filaments(to, runs)]
    return [*lines, *_about_pixels(to, binning, runs)]


def _about_filaments(to: str, runs: Sequence[ExportedRun]) -> str:
    ids = [run.picks.instance_ids for run in runs if run.picks.instance_ids is not None]
    number = sum(len(np.unique(each)) for each in ids)
    known = sum(
        len(np.unique(run.picks.instance_ids[run.is_polar]))
        for run in runs
        if run.picks.instance_ids is not None and run.is_polar is not None
    )
    priors = "" if to == "warp" else "priors, "
    return (
        f"{number} filaments with tube numbers, track lengths, {priors}halves by filament; the "
        f"direction of {known} is known"
    )


def _about_pixels(to: str, binning: float, runs: Sequence[ExportedRun]) -> list[str]:
    sizes = sorted({run.pixel_size for run in runs if run.pixel_size})
    shown = ", ".join(f"{size:.10g}" for size in sizes)
    if to == "byu":
        n_found = sum(len(run.picks) > 0 for run in runs)
        return [f"{n_found} of {len(runs)} rows place a motor, the others are -1"]
    if to == "warp":
        return [f"Coordinates count pixels of {shown} A: give WarpTools --coords_angpix {shown}"]
    if to == "relion4" and binning != 1:
        return [f"Coordinates count pixels of {shown} A, {binning:g} of the tilt series'"]
    return [f"Coordinates count pixels of {shown} A"] if shown else []
