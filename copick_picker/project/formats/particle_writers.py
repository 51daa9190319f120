"""Picks written as other programs read them: RELION, Warp, Dynamo, IMOD, CSV, BYU 2025.

copick turns points and rotations into RELION's and Dynamo's numbers; added here are the scores,
the random subsets and Warp's names, which copick leaves out, and the form of the files, in which
every name comes back as it was, or is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from copick_picker.errors import SettingsError, UnknownNameError, choices_text
from copick_picker.project.formats.byu_tables import submission_csv
from copick_picker.project.formats.chimerax import bild_text
from copick_picker.project.formats.copick_formats import (
    build_relion_star_tables,
    copick_to_dynamo_transform,
)
from copick_picker.project.formats.dynamo_tables import dynamo_text
from copick_picker.project.formats.imod_models import imod_bytes
from copick_picker.project.formats.star import star_text, star_value
from copick_picker.project.formats.tables import csv_text
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
    "imod": ".mod",
    "chimerax": ".bild",
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
    looks : mapping
        Object name -> radius in Angstrom, and red, green and blue from 0 to 255; for ChimeraX.
    """

    is_binned: bool = False
    subset_seed: int | None = None
    tomograms: Mapping[str, Any] | None = None
    looks: Mapping[str, tuple[float, tuple[int, int, int]]] = field(default_factory=dict)


def particle_files(
    path: Path, to: str, runs: Sequence[ExportedRun], options: WriteOptions
) -> dict[Path, bytes]:
    """Return the files of one object's picks in some runs; nothing is written.

    Parameters
    ----------
    path : pathlib.Path
        Where the first of them goes.
    to : str
        Format, one of ``SUFFIXES``.
    runs : sequence of ExportedRun
        Picks by run.
    options : WriteOptions
        The rest.

    Raises
    ------
    ProjectError
        If a file cannot be made.
    SettingsError
        If two runs have one name, or the format cannot hold a name.
    UnknownNameError
        If ``tomograms.star`` does not hold a tomogram.
    """
    _check_names(to, runs)
    with guarded(f"cannot write {path}"), root_logging_kept():
        made = _WRITERS[to](runs, options)
    return {path.with_suffix(suffix): content for suffix, content in made.items()}


def _check_names(to: str, runs: Sequence[ExportedRun]) -> None:
    """Raise if two runs have one name, or one that would not come back from the file."""
    if len({run.tomogram_name for run in runs}) < len(runs):
        msg = "two runs have the same tomogram name; see --names and --name-pattern"
        raise SettingsError(msg)
    for run in runs:
        why = _unfit(to, run.tomogram_name)
        if why:
            other = "another name with --names" if to == "csv" else "--to csv, or --names, can"
            msg = (
                f"run {run.run_name!r}: a file of --to {to} cannot hold a name with {why}; {other}"
            )
            raise SettingsError(msg)


def _unfit(to: str, name: str) -> str:
    """Return what a format cannot hold in a name; empty if it can hold it."""
    try:
        name.encode("utf-8")
        if SUFFIXES[to] == ".star":
            star_value(name)
    except UnicodeEncodeError:
        return "bytes that are not UTF-8"
    except ValueError as error:
        return str(error)
    if to in ("imod", "chimerax") and "/" in name:
        return "a slash"
    if to == "chimerax" and '"' in name:
        return "a quotation mark"
    if to != "dynamo":
        return ""
    if any(ord(mark) < 32 or ord(mark) == 127 for mark in name):
        return "a tab, line end or other control character"
    return "a space at its start or end" if name != name.strip() else ""


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


def _relion(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return centred Angstrom (RELION 5) where centres are known, else tilt-series pixels (4)."""
    tomograms = _needed_tomograms(runs, options)
    centred = runs[0].centre_xyz is not None
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
    return _star(tables)


def star_tables(tables: Mapping[str, Any]) -> bytes:
    """Return pandas' tables as a STAR file.

    Parameters
    ----------
    tables : mapping
        Name of the block -> table.
    """
    text = star_text({name: (list(table.columns), _rows(table)) for name, table in tables.items()})
    return text.encode("utf-8")


def _star(tables: Mapping[str, Any]) -> dict[str, bytes]:
    return {".star": star_tables(tables)}


def _rows(table: Any) -> list[tuple[object, ...]]:  # noqa: ANN401 (pandas is untyped here)
    return [tuple(row) for row in table.itertuples(index=False, name=None)]


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


def _warp(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return tomogram pixels and ``.tomostar`` names; the pixel size stands as in RELION 3."""
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
    return _star({"": _finished(table, runs, options)})


def _dynamo(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return a table, tomograms numbered from 1, and the ``.doc`` beside it that names them."""
    _ = options
    sizes = [run.pixel_size or 1.0 for run in runs]
    points = [run.picks.points_xyz / size for run, size in zip(runs, sizes, strict=True)]
    _, angles, _ = copick_to_dynamo_transform(
        np.concatenate(points), np.concatenate([_transforms(run) for run in runs]), 1.0
    )
    counts = [len(run.picks) for run in runs]
    text = dynamo_text(
        np.concatenate(points),
        angles,
        np.concatenate([run.picks.scores for run in runs]),
        np.repeat(np.arange(1, len(runs) + 1), counts).tolist(),
        np.repeat([run.pixel_size or 0.0 for run in runs], counts),
    )
    lines = [f"{number} {run.tomogram_name}\n" for number, run in enumerate(runs, 1)]
    return {".tbl": text.encode("ascii"), ".doc": "".join(lines).encode("utf-8")}


def _imod(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return a model of one run's picks as scattered points of one object."""
    _ = options
    (run,) = runs
    size = run.pixel_size or 1.0
    pixels = run.picks.points_xyz / size
    largest = [int(value) + 1 for value in pixels.max(axis=0, initial=0.0)]
    shape = run.shape_xyz or largest
    return {".mod": imod_bytes(run.picks.object_name, pixels, size, shape)}


def _chimerax(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return one run's picks as spheres and arrows."""
    (run,) = runs
    radius, colour = options.looks[run.picks.object_name]
    return {".bild": bild_text(run.picks, radius, colour).encode("utf-8")}


def _csv(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return Angstrom and scores, with RELION's angles where the picks have orientations."""
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
    return {".csv": csv_text([list(table.columns), *_rows(table)]).encode("utf-8")}


def _ids(picks: PickSet) -> npt.NDArray[np.int64]:
    if picks.instance_ids is None:
        return np.zeros(len(picks), dtype=np.int64)
    return picks.instance_ids


def _copick_csv(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return Angstrom, copick's 4 x 4 matrices and scores."""
    _ = options
    has_ids = any(run.picks.instance_ids is not None for run in runs)
    cells = [f"transform_{row}{column}" for row in range(4) for column in range(4)]
    rows: list[list[object]] = [
        ["run_name", "x", "y", "z", *cells, "score", *(["instance_id"] if has_ids else [])]
    ]
    for run in runs:
        matrices, ids = _transforms(run).reshape(-1, 16).tolist(), _ids(run.picks).tolist()
        for at, (point, score) in enumerate(
            zip(run.picks.points_xyz.tolist(), run.picks.scores.tolist(), strict=True)
        ):
            tail = [ids[at]] if has_ids else []
            rows.append([run.tomogram_name, *point, *matrices[at], score, *tail])
    return {".csv": csv_text(rows).encode("utf-8")}


def _byu(runs: Sequence[ExportedRun], options: WriteOptions) -> dict[str, bytes]:
    """Return a row a tomogram: its best pick in voxels (z, y, x), or -1."""
    _ = options
    best = {run.tomogram_name: _best_zyx(run) for run in runs}
    return {".csv": submission_csv(best).encode("utf-8")}


def _best_zyx(run: ExportedRun) -> list[float] | None:
    """Return the pick of the highest score in pixels, of equal ones the first; None without."""
    if len(run.picks) == 0:
        return None
    best = run.picks.points_xyz[int(np.argmax(run.picks.scores))]
    pixels: list[float] = (best[::-1] / (run.pixel_size or 1.0)).tolist()
    return pixels


_WRITERS: dict[str, Callable[[Sequence[ExportedRun], WriteOptions], dict[str, bytes]]] = {
    "relion5": _relion,
    "relion4": _relion,
    "warp": _warp,
    "dynamo": _dynamo,
    "imod": _imod,
    "chimerax": _chimerax,
    "csv": _csv,
    "copick-csv": _copick_csv,
    "byu": _byu,
}


def _transforms(run: ExportedRun) -> npt.NDArray[np.float64]:
    transforms = np.tile(np.eye(4), (len(run.picks), 1, 1))
    if run.picks.rotations is not None:
        transforms[:, :3, :3] = run.picks.rotations
    return transforms


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
    if to == "chimerax":
        arrows = any(run.picks.rotations is not None for run in runs)
        what = "spheres, and arrows along each particle's z axis" if arrows else "spheres"
        return [f"The picks are {what}: open a .cxc script in ChimeraX"]
    if to == "imod" and any(run.picks.rotations is not None for run in runs):
        lost = "scores and orientations are left out, because IMOD models cannot store them"
        return [f"Coordinates count pixels of {shown} A; {lost}"]
    if to == "imod":
        return [f"Coordinates count pixels of {shown} A; scores are left out"]
    if to == "warp":
        return [f"Coordinates are in pixels of {shown} A: use WarpTools --coords_angpix {shown}"]
    if to == "relion4" and binning != 1:
        return [f"Coordinates count pixels of {shown} A, {binning:g} of the tilt series'"]
    return [f"Coordinates count pixels of {shown} A"] if shown else []
