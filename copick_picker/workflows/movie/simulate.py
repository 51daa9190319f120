"""``movie simulate``: movies with their truth, a folder each."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker._version import __version__
from copick_picker.core.movie.analysis import lengths_of
from copick_picker.core.movie.scene import MOTIONS, SCENES, CalciumScene, Camera, MovieScene
from copick_picker.core.movie.simulation import SimulatedMovie, simulate_movie
from copick_picker.errors import ConflictError, SettingsError, choices_text
from copick_picker.jobs.execution import InTurn, process_runs
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, Told, summarised
from copick_picker.project.files import replacing, write_text
from copick_picker.project.folders.project_folder import foreign_files
from copick_picker.project.formats.calcium_tables import true_events_csv, true_traces_csv
from copick_picker.project.formats.movie_files import METADATA_FILE, write_movie
from copick_picker.project.formats.spot_tables import truth_csv
from copick_picker.project.standing import Output, own_folder
from copick_picker.records.calcium import PUNCTUM, SPARK, WAVE
from copick_picker.records.plain_text import load_json
from copick_picker.records.runs import RunOutcome
from copick_picker.settings.movie import MovieSceneSettings, MovieSimulateSettings
from copick_picker.workflows.movie.places import (
    MOVIE_FILE,
    TRUE_EVENTS_FILE,
    TRUE_TRACES_FILE,
    TRUTH_FILE,
)

_FILES = (MOVIE_FILE, TRUTH_FILE, METADATA_FILE)
_CALCIUM_FILES = (TRUE_EVENTS_FILE, TRUE_TRACES_FILE)
_SAME_NAME: Mapping[str, str] = {
    name: name
    for name in (
        *("frames", "tracks", "photons", "background", "psf", "psf_sigma_nm", "pixel_size_nm"),
        *("frame_time_ms", "unevenness", "vesicles", "vesicle_photons", "born_later"),
        *("blink_frames", "blur_steps"),
    )
} | {
    "size": "shape_yx",
    "diffusion": "diffusion_um2_s",
    "speed": "speed_um_s",
    "confinement": "confinement_um",
    "lifetime": "lifetime_frames",
    "blink": "blink_off",
}
"""Setting -> field of the scene."""
_OF_CALCIUM: Mapping[str, str] = {
    "active_share": "active_share",
    "event_rate": "rate_hz",
    "event_height": "height",
    "event_rise": "rise_ms",
    "event_decay": "decay_ms",
    "calcium_background": "background",
    "sparks": "sparks",
    "waves": "waves",
    "bleaching": "bleach_s",
    "bleed_through": "bleed",
}
"""Setting -> field of the second channel."""


def scene_of(settings: MovieSceneSettings) -> MovieScene:
    """Return the scene that the settings describe.

    Parameters
    ----------
    settings : MovieSceneSettings
        Preset and what changes it.

    Raises
    ------
    SettingsError
        If a kind of motion is unknown, a range is upside down, or puncta do not fit the field.
    """
    scene = SCENES[settings.preset]
    given = {
        field: getattr(settings, name)
        for name, field in _SAME_NAME.items()
        if getattr(settings, name) is not None
    }
    camera: dict[str, Any] = {
        name: value
        for name, value in (
            ("kind", settings.camera),
            ("baseline", settings.baseline),
            ("gain", settings.gain),
            ("read_noise", settings.read_noise),
        )
        if value is not None
    }
    for name in ("diffusion", "speed", "confinement", "event_height", "event_rise", "event_decay"):
        pair = getattr(settings, name)
        if pair is not None and pair[0] > pair[1]:
            flag = name.replace("_", "-")
            msg = f"--{flag} {pair[0]:g},{pair[1]:g}: the first must be the smallest"
            raise SettingsError(msg)
    if settings.motion:
        unknown = sorted(set(settings.motion) - set(MOTIONS))
        if unknown or min(settings.motion.values()) < 0 or sum(settings.motion.values()) <= 0:
            got = ", ".join(f"{name}={value:g}" for name, value in settings.motion.items())
            msg = f"--motion {got}: expected shares of {choices_text(MOTIONS)}, not all 0"
            raise SettingsError(msg)
        given["motion_shares"] = tuple(settings.motion.get(name, 0.0) for name in MOTIONS)
    given |= _calcium_given(settings, scene)
    scene = replace(scene, **given, camera=replace(scene.camera, **camera))
    if min(scene.shape_yx) < 16 or scene.frames < 2:
        msg = (
            f"{scene.frames} frames of {scene.shape_yx[0]} x {scene.shape_yx[1]} pixels; a movie "
            "has at least 2 of 16 x 16"
        )
        raise SettingsError(msg)
    return scene


def _calcium_given(settings: MovieSceneSettings, scene: MovieScene) -> dict[str, Any]:
    """Return the second channel as the settings change it; nothing where they do not.

    Raises
    ------
    SettingsError
        If the scene has no second channel.
    """
    values = {
        field: getattr(settings, name)
        for name, field in _OF_CALCIUM.items()
        if getattr(settings, name) is not None
    }
    if not values:
        return {}
    if scene.calcium is None:
        name = next(n for n in _OF_CALCIUM if getattr(settings, n) is not None)
        flag = name.replace("_", "-")
        msg = f"--{flag}: the preset {settings.preset} has one channel; use hybrid-test or hybrid"
        raise SettingsError(msg)
    return {"calcium": replace(scene.calcium, **values)}


@summarised
def simulate(settings: MovieSimulateSettings, *, reporter: Reporter) -> Told:
    """Simulate movies and return the outcome of each.

    Parameters
    ----------
    settings : MovieSimulateSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If a setting is wrong, or something stands in the place of a movie that must stay.
    """
    scene = scene_of(settings)
    names = [f"sample_{number:03d}" for number in range(settings.movies)]
    if settings.output.exists() and not settings.output.is_dir():
        msg = f"{settings.output} is a file; name a folder for --output"
        raise SettingsError(msg)
    known = {name: _stands(settings, scene, name) for name in names}
    if settings.dry_run:
        new = sum(not same for same in known.values())
        return Result(f"movie simulate: would write {new} of {len(names)} movies; wrote nothing")

    def one(name: str) -> RunOutcome:
        if known[name]:
            return RunOutcome(name, "skipped", "is there already")
        began = time.perf_counter()
        movie = simulate_movie(scene, seed=_seed(settings, name))
        facts = _facts(movie)
        _write(settings, scene, name, movie, facts)
        words = (
            f"{facts['tracks']} tracks of {facts['mean_length']:.1f} frames, "
            f"{facts['puncta']:,} puncta"
        )
        if movie.calcium is not None:
            words += f", {facts['events']} calcium events"
        return RunOutcome(name, "done", words, facts | {"seconds": time.perf_counter() - began})

    return process_runs("movie simulate", names, InTurn(one), reporter=reporter)


def _seed(settings: MovieSimulateSettings, name: str) -> int:
    """Return the seed of a movie: movies of one command never share one with those of another."""
    number = int(name.rpartition("_")[2])
    return int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])


def _metadata(settings: MovieSimulateSettings, scene: MovieScene, name: str) -> dict[str, Any]:
    content = {
        "made_by": f"copick-picker {__version__}",
        "preset": settings.preset,
        "seed": settings.seed,
        "movie": int(name.rpartition("_")[2]),
        "scene": asdict(scene),
        "coordinates": "pixels; the centre of the first pixel is at 0, 0",
    }
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def _output(settings: MovieSimulateSettings, name: str) -> Output:
    return Output(
        settings.output / name,
        own_folder(_foreign),
        overwrite=settings.overwrite,
        advice="another --output",
    )


def _foreign(folder: Path) -> list[str]:
    """Return what in a folder no simulation made: everything, without metadata that says so."""
    is_own = _made_by(folder).startswith("copick-picker")
    return foreign_files(folder, (*_FILES, *_CALCIUM_FILES) if is_own else ())


def _made_by(folder: Path) -> str:
    try:
        known = load_json((folder / METADATA_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(known.get("made_by", "")) if isinstance(known, dict) else ""


def _stands(settings: MovieSimulateSettings, scene: MovieScene, name: str) -> bool:
    """Return whether the same movie is there already.

    Raises
    ------
    ConflictError
        If anything else is that must stay.
    """
    folder = settings.output / name
    files = _FILES if scene.calcium is None else (*_FILES, *_CALCIUM_FILES)
    if not settings.overwrite and all((folder / file).is_file() for file in files):
        try:
            known = load_json((folder / METADATA_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        wanted = _metadata(settings, scene, name)
        if {key: known.get(key) for key in ("seed", "movie", "scene")} == {
            key: wanted[key] for key in ("seed", "movie", "scene")
        }:
            return True
        if known.get("made_by", "").startswith("copick-picker"):
            msg = f"{folder} holds another movie (other settings or seed); use --overwrite or "
            msg += "another --output"
            raise ConflictError(msg)
    _output(settings, name).check()
    return False


def _facts(movie: SimulatedMovie) -> dict[str, Any]:
    lengths = lengths_of(movie.truth)
    return {
        "tracks": len(lengths),
        "mean_length": float(lengths.mean()) if len(lengths) else 0.0,
        "puncta": len(movie.truth),
    } | _calcium_facts(movie)


def _calcium_facts(movie: SimulatedMovie) -> dict[str, Any]:
    if movie.calcium is None:
        return {}
    kinds = movie.calcium.events.kinds or ()
    active = movie.calcium.traces.active
    return {
        "events": kinds.count(PUNCTUM),
        "sparks": kinds.count(SPARK),
        "waves": kinds.count(WAVE),
        "active_share": 0.0 if active is None or not len(active) else float(active.mean()),
    }


def _write(
    settings: MovieSimulateSettings,
    scene: MovieScene,
    name: str,
    movie: SimulatedMovie,
    facts: Mapping[str, Any],
) -> None:
    output = _output(settings, name)
    content = _metadata(settings, scene, name) | {"truth": dict(facts)}
    content["motions"] = {str(number): kind for number, kind in movie.motions.items()}
    with replacing(output.path, permit=output.check) as temporary:
        temporary.mkdir()
        frames = movie.frames
        if movie.calcium is not None:
            frames = np.stack([frames, movie.calcium.frames], axis=1)
            write_text(temporary / TRUE_EVENTS_FILE, true_events_csv(movie.calcium.events))
            write_text(temporary / TRUE_TRACES_FILE, true_traces_csv(movie.calcium.traces))
        write_movie(
            temporary / MOVIE_FILE,
            frames,
            pixel_size_nm=scene.pixel_size_nm,
            frame_time_ms=scene.frame_time_ms,
        )
        write_text(temporary / TRUTH_FILE, truth_csv(movie.truth))
        write_text(temporary / METADATA_FILE, json.dumps(content, indent=1) + "\n")


def scene_from(content: Mapping[str, Any]) -> MovieScene:
    """Return the scene of a ``metadata.json`` or of a card.

    Parameters
    ----------
    content : mapping
        As ``dataclasses.asdict`` made it.

    Raises
    ------
    SettingsError
        If it is none.
    """
    values = _tuples(content)
    try:
        camera = Camera(**values.pop("camera"))
        known = values.pop("calcium", None)
        calcium = None if known is None else CalciumScene(**_tuples(known))
        return MovieScene(**values, camera=camera, calcium=calcium)
    except (TypeError, KeyError) as error:
        msg = f"no scene of a movie: {error}"
        raise SettingsError(msg) from error


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}


def scene_beside(movie: Path) -> MovieScene | None:
    """Return the scene of a simulated movie from the file beside it; None where there is none.

    Parameters
    ----------
    movie : pathlib.Path
        The movie.
    """
    path = movie.with_name(METADATA_FILE)
    if not path.is_file():
        return None
    try:
        return scene_from(load_json(path.read_text(encoding="utf-8"))["scene"])
    except (OSError, ValueError, KeyError, SettingsError):
        return None
