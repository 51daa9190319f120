"""Projects with filaments: picks along worm-like chains, with and without rotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from copick.impl.filesystem import CopickRootFSSpec

from copick_picker.core.link.frames import frames_along
from copick_picker.core.simulate.filaments import worm_like_chain

BOX_XYZ = np.array([6000.0, 5000.0, 2000.0])
SPACING = 50.0


def filament_config(
    folder: Path, *, filament: dict[str, Any] | None = None, name: str = "microtubule"
) -> Path:
    """Write a project with one object; return its configuration. ``filament`` declares it one."""
    folder.mkdir(parents=True, exist_ok=True)
    thing: dict[str, Any] = {"name": name, "is_particle": True, "label": 1, "radius": 125.0}
    if filament is not None:
        thing["metadata"] = {"copick": {"filament": filament}}
    other = {"name": "ribosome", "is_particle": True, "label": 2, "radius": 150.0}
    config = {
        "config_type": "filesystem",
        "name": "filaments",
        "version": "1.0",
        "pickable_objects": [thing, other],
        "user_id": "someone",
        "overlay_root": f"local://{folder}/project",
        "overlay_fs_args": {"auto_mkdir": True},
    }
    (folder / "project" / "ExperimentRuns").mkdir(parents=True)
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


class Chains:
    """Picks of filaments in random order, and what is true of each."""

    def __init__(
        self,
        seed: int,
        *,
        n: int = 10,
        spacing: float = SPACING,
        jitter: float = 8.0,
        missing: float = 0.15,
        false: float = 0.1,
        flipped: float = 0.0,
    ) -> None:
        rng = np.random.default_rng(seed)
        parts = []
        for number in range(1, n + 1):
            start = rng.uniform(0.1, 0.9, 3) * BOX_XYZ
            way = rng.normal(size=3) * (1.0, 1.0, 0.4)
            chain = worm_like_chain(start, way, round(2500.0 / spacing), spacing, 2e5, rng)
            points, tangents = chain.points_zyx, chain.tangents
            inside = ((points > 0) & (points < BOX_XYZ)).all(axis=1)
            kept = np.flatnonzero(inside & (rng.random(len(points)) > missing))
            if len(kept) < 6:
                continue
            frames = frames_along(tangents)[kept]
            turned = rng.random(len(kept)) < flipped
            frames[turned] = frames[turned] @ np.diag([1.0, -1.0, -1.0])
            jittered = points[kept] + jitter * rng.normal(size=(len(kept), 3))
            parts.append((jittered, frames, np.full(len(kept), number), kept))
        n_false = int(false * sum(len(part[0]) for part in parts))
        stray = frames_along(_units(rng.normal(size=(n_false, 3))))
        nothing = np.zeros(n_false, dtype=np.int64)
        parts.append((rng.uniform(0, 1, (n_false, 3)) * BOX_XYZ, stray, nothing, nothing))
        joined = [np.concatenate(each) for each in zip(*parts, strict=True)]
        order = rng.permutation(len(joined[0]))
        self.points, self.frames, self.owners, self.ranks = (each[order] for each in joined)
        self.scores = rng.uniform(0.3, 1.0, len(order))

    def __len__(self) -> int:
        return len(self.points)

    def add(self, config: Path, run: str, *, rotations: bool, session: str = "1") -> None:
        """Store the picks as ``microtubule:picker/SESSION``, and their truth as ``truth/1``."""
        root = CopickRootFSSpec.from_file(str(config))
        added = root.get_run(run) or root.new_run(run)
        transforms = np.tile(np.eye(4), (len(self), 1, 1))
        if rotations:
            transforms[:, :3, :3] = self.frames
        name = root.pickable_objects[0].name
        picks = added.new_picks(name, session, "picker")
        picks.from_numpy(self.points, transforms, scores=self.scores)
        if not added.get_picks(name, "truth"):
            which = np.lexsort((self.ranks, self.owners))
            which = which[self.owners[which] > 0]
            truth = added.new_picks(name, "1", "truth")
            full = np.tile(np.eye(4), (len(which), 1, 1))
            full[:, :3, :3] = self.frames[which]
            truth.from_numpy(self.points[which], full, instance_ids=self.owners[which])


def add_empty_tomogram(config: Path, run: str, *, spacing: float = 10.0) -> None:
    """Store a tomogram ``wbp`` of the box, all ones."""
    root = CopickRootFSSpec.from_file(str(config))
    tomogram = root.get_run(run).new_voxel_spacing(spacing).new_tomogram("wbp")
    group = zarr.open_group(tomogram.zarr(), mode="w")
    shape = tuple(int(length / spacing) for length in BOX_XYZ[::-1])
    make_array = getattr(group, "create_array", None) or group.create_dataset  # zarr 3, zarr 2
    array = make_array("0", shape=shape, chunks=shape, dtype="int8")
    array[...] = 1
    axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    scale = [{"type": "scale", "scale": [spacing] * 3}]
    levels = [{"path": "0", "coordinateTransformations": scale}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]


def _units(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1)[:, None])
