"""``movie detect``: puncta of a movie, by a trained network or by LoG and fit."""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copick_picker.core.movie.detector import Channel, Detector
from copick_picker.core.movie.fit import fit_spots, log_maxima, log_response
from copick_picker.core.movie.scaling import scale_of_channel
from copick_picker.core.movie.scene import Camera
from copick_picker.core.movie.survey import Survey, survey_movie
from copick_picker.core.segment.device import use_threads
from copick_picker.errors import DataError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Told, summarised
from copick_picker.project.formats.movie_files import Movie, open_movie, open_pair
from copick_picker.project.formats.spot_tables import detections_csv
from copick_picker.records.movies import Frames, Spots, all_spots
from copick_picker.settings.movie_models import MovieDetection, MovieDetectSettings
from copick_picker.workflows.movie.models import LoadedDetector, load_detector
from copick_picker.workflows.movie.places import (
    DETECTIONS_FILE,
    MovieJob,
    Named,
    ResultFolder,
    each_movie,
    movies_at,
)

SUMMARY_FILE = "detection_summary.json"
_LOG_THRESHOLD = 4.0
_LOG_REACH = 1
_SNR_MIDDLE, _SNR_WIDTH = 8.0, 1.0
"""Signal over noise at which half of what LoG finds are puncta, and how fast that changes."""
_LOG_DEFAULT = 0.5
_CHUNK = 32
_WIDTH_RANGE = (0.85, 1.2)
_BRIGHTNESS_RANGE = (0.4, 2.5)
_NOISE_RANGE = (0.3, 3.0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A movie that was opened and looked at.

    Attributes
    ----------
    movie : Movie
        The movie.
    survey : Survey
        What it looks like.
    camera : Camera
        Its camera, as far as it is known.
    camera_from : str
        Where that is from, in words.
    pixel_size_nm, frame_time_ms : float or None
        Of the options, else of the movie.
    second : Movie or None
        The other channel, for a network that sees two.
    """

    movie: Movie
    survey: Survey
    camera: Camera
    camera_from: str
    pixel_size_nm: float | None
    frame_time_ms: float | None
    second: Movie | None = None

    def channel(self) -> Channel | None:
        """Return the other channel as a detector takes it."""
        if self.second is None:
            return None
        return Channel(self.second.frames, scale_of_channel(self.second.frames))


@summarised
def detect(settings: MovieDetectSettings, *, reporter: Reporter) -> Told:
    """Detect puncta in a movie or in each movie of a folder.

    Parameters
    ----------
    settings : MovieDetectSettings
        Settings of the command.
    reporter : Reporter
        Receives progress.

    Raises
    ------
    CopickPickerError
        If the movie, the model or a setting is wrong.
    """
    movies = movies_at(settings.movie)
    model = detector_of(settings)
    hashes = () if model is None else (model.card.sha256, *map(str, settings.members))
    job = MovieJob("movie detect", settings, (DETECTIONS_FILE, SUMMARY_FILE), hashes)

    def one(movie: Named, results: ResultFolder) -> tuple[str, dict[str, Any]]:
        prepared = prepare(movie.path, settings, model, reporter=reporter)
        began = time.perf_counter()
        spots, facts = detections_of(prepared, settings, model, reporter=reporter)
        seconds = time.perf_counter() - began
        results.write(DETECTIONS_FILE, detections_csv(spots))
        n_frames = len(prepared.movie.frames)
        words = (
            f"{len(spots):,} puncta in {n_frames} frames ({n_frames / seconds:.0f} frames a "
            f"second), {results.path / DETECTIONS_FILE}"
        )
        return words, facts | {"seconds": seconds}

    return each_movie(job, movies, one, reporter=reporter)


def detector_of(settings: MovieDetection) -> LoadedDetector | None:
    """Return the model that the settings name; None for LoG and fit.

    Parameters
    ----------
    settings : MovieDetection
        ``model``, ``method``, ``device`` and ``threads``.

    Raises
    ------
    SettingsError
        If a model is missing, or one too many.
    """
    use_threads(settings.threads)
    if settings.method == "log":
        if settings.model is not None or settings.members:
            msg = "--method log uses no model; leave out -m"
            raise SettingsError(msg)
        return None
    if settings.model is None:
        msg = "-m is missing: the folder of a detector (movie train detector), or --method log"
        raise SettingsError(msg)
    return load_detector(settings.model, settings.device, settings.precision, settings.members)


def prepare(
    path: Path, settings: MovieDetection, model: LoadedDetector | None, *, reporter: Reporter
) -> Prepared:
    """Return a movie, opened and looked at; what there is to say of it is said.

    Parameters
    ----------
    path : pathlib.Path
        The movie.
    settings : MovieDetection
        Channel, scale and camera.
    model : LoadedDetector or None
        The model; its camera is taken where the movie's is not known.
    reporter : Reporter
        Receives what was read and how it compares with the model's training.

    Raises
    ------
    DataError
        If it is no grey movie, or shows nothing.
    """
    movie, second = _opened(path, settings, model)
    for note in movie.notes:
        reporter.note(f"{path.name}: {note}")
    survey = survey_movie(movie.frames, name=str(path))
    camera, source = _camera_of(movie, settings, model, survey)
    pixel = settings.pixel_size_nm or movie.pixel_size_nm
    time_ms = settings.frame_time_ms or movie.frame_time_ms
    prepared = Prepared(movie, survey, camera, source, pixel, time_ms, second)
    reporter.note(f"{path.name}: {_movie_words(prepared)}")
    for warning in _mismatches(prepared, model):
        reporter.warn(f"{path.name}: {warning}")
    return prepared


def _opened(
    path: Path, settings: MovieDetection, model: LoadedDetector | None
) -> tuple[Movie, Movie | None]:
    """Return the channel of the puncta, and the other one for a network that sees two."""
    if model is None or model.n_channels == 1:
        if settings.second is not None and (model is None or not model.detector.has_calcium):
            msg = "--second is for a network that sees two channels (movie train hybrid)"
            raise SettingsError(msg)
        return open_movie(path, channel=settings.channel), None
    pair = open_pair(path, settings.second)
    return (pair[1], pair[0]) if settings.channel == 1 else pair


def _camera_of(
    movie: Movie, settings: MovieDetection, model: LoadedDetector | None, survey: Survey
) -> tuple[Camera, str]:
    if movie.camera:
        known, source = Camera(**movie.camera), "metadata.json"
    elif model is not None:
        known, source = model.camera, "the model"
    else:
        # photon transfer: the variance of the background is gain x (level - baseline)
        baseline = survey.darkest - 1.0
        gain = survey.scale.noise**2 / max(survey.scale.level - baseline, 1.0)
        known, source = Camera("scmos", baseline, max(gain, 1e-3), 0.0), "the background's noise"
    given = {
        name: value
        for name, value in (
            ("kind", settings.camera),
            ("baseline", settings.baseline),
            ("gain", settings.gain),
        )
        if value is not None
    }
    if given:
        values = {**known.__dict__, **given}
        return Camera(**values), "the options" if len(given) == 3 else f"the options and {source}"
    return known, source


def _movie_words(prepared: Prepared) -> str:
    frames, survey = prepared.movie.frames.shape, prepared.survey
    parts = [f"{frames[0]} frames of {frames[1]} x {frames[2]} pixels"]
    pixel, frame_time = prepared.pixel_size_nm, prepared.frame_time_ms
    parts.append(f"pixel {pixel:g} nm" if pixel else "no pixel size, so no results in nm")
    parts.append(f"frame {frame_time:g} ms" if frame_time else "no frame time")
    parts.append(f"background {survey.scale.level:.0f} +- {survey.scale.noise:.1f} grey values")
    if survey.width is not None:
        parts.append(f"puncta {survey.width:.2f} pixels wide (standard deviation)")
    if survey.brightness is not None:
        photons = survey.brightness / prepared.camera.gain
        parts.append(f"bright ones about {photons:,.0f} photons")
    camera = prepared.camera
    parts.append(
        f"{camera.kind}, {camera.gain:.3g} grey values per photon (from {prepared.camera_from})"
    )
    return "; ".join(parts)


def _mismatches(prepared: Prepared, model: LoadedDetector | None) -> Iterator[str]:
    """Yield where a movie lies outside of what the model was trained on."""
    if model is None:
        return
    survey, scene, camera = prepared.survey, model.card.scene, model.camera
    if survey.width is None:
        yield "too few puncta stand out to compare the movie with the model's training data"
        return
    trained = model.psf_sigma
    ratio = survey.width / trained
    if not _WIDTH_RANGE[0] <= ratio <= _WIDTH_RANGE[1]:
        yield (
            f"puncta are {survey.width:.2f} pixels wide, those in training {trained:.2f}; "
            "train with --psf-sigma-nm and --pixel-size-nm of your microscope, or use "
            "--method log"
        )
    noise = camera.gain * np.sqrt(camera.excess * float(scene["background"]) + camera.read_noise**2)
    if survey.brightness is not None:
        usual = float(scene["photons"]) * camera.gain / noise
        found = survey.brightness / survey.scale.noise
        if not _BRIGHTNESS_RANGE[0] <= found / usual <= _BRIGHTNESS_RANGE[1]:
            word = "brighter" if found > usual else "dimmer"
            yield (
                f"puncta are {max(found / usual, usual / found):.1f} times {word} against the "
                "noise than in the training"
            )
    ratio = survey.scale.noise / noise
    if prepared.movie.camera and not _NOISE_RANGE[0] <= ratio <= _NOISE_RANGE[1]:
        yield f"the noise is {ratio:.1f} times that of the training"


def detections_of(
    prepared: Prepared,
    settings: MovieDetection,
    model: LoadedDetector | None,
    *,
    reporter: Reporter,
) -> tuple[Spots, dict[str, Any]]:
    """Return the puncta of a movie, and facts of how they were found.

    Parameters
    ----------
    prepared : Prepared
        The movie.
    settings : MovieDetection
        Threshold and how many frames are worked on at a time.
    model : LoadedDetector or None
        The model; None: LoG and fit.
    reporter : Reporter
        Is told of frames that repeat the one before.
    """
    threshold = settings.detection_threshold
    if threshold is None:
        threshold = _LOG_DEFAULT if model is None else _threshold_of(model, prepared.camera)
    frames = prepared.movie.frames
    repeated = repeated_frames(frames)
    if repeated:
        some = ", ".join(str(number) for number in repeated[:5])
        more = f" and {len(repeated) - 5} more" if len(repeated) > 5 else ""
        reporter.warn(
            f"{prepared.movie.path.name}: frames {some}{more} repeat the previous one; were "
            "frames dropped?"
        )
    if model is None:
        width = settings.psf_sigma or prepared.survey.width
        if width is None:
            msg = (
                f"{prepared.movie.path}: too few puncta stand out to measure their width; give "
                "--psf-sigma in pixels"
            )
            raise DataError(msg)
        batches = log_spots(frames, prepared.camera, width, threshold)
    else:
        batches = network_spots(model.detector, prepared, threshold, settings.batch)
    found = all_spots(list(_told(batches, prepared, reporter)))
    facts = {
        "movie": str(prepared.movie.path),
        "frames": len(frames),
        "detections": len(found),
        "threshold": threshold,
        "method": settings.method,
        "pixel_size_nm": prepared.pixel_size_nm,
        "frame_time_ms": prepared.frame_time_ms,
        "psf_sigma_px": prepared.survey.width,
        "repeated_frames": repeated,
    }
    return found, facts


def _told(batches: Iterator[Spots], prepared: Prepared, reporter: Reporter) -> Iterator[Spots]:
    """Yield the puncta of a movie; a reporter is told how many frames are done."""
    name, total = prepared.movie.path.name, len(prepared.movie.frames)
    for some in batches:
        if len(some):
            done = int(some.frames.max()) + 1
            reporter.progress(name, done=done, total=total, unit="frames")
        yield some
    reporter.progress(name, done=total, total=total, unit="frames")


def _threshold_of(model: LoadedDetector, camera: Camera) -> float:
    known = model.card.thresholds
    return known.get(camera.kind, next(iter(known.values())))  # type: ignore[call-overload,no-any-return]


def repeated_frames(frames: Frames) -> list[int]:
    """Return the frames that are the same as the one before, bit for bit.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The movie.
    """
    found, before = [], None
    for number in range(len(frames)):
        now = zlib.crc32(np.ascontiguousarray(frames[number]).tobytes())
        if now == before:
            found.append(number)
        before = now
    return found


def network_spots(
    detector: Detector, prepared: Prepared, threshold: float, batch: int
) -> Iterator[Spots]:
    """Yield the puncta that a network finds, some frames at a time.

    Parameters
    ----------
    detector : Detector
        The network.
    prepared : Prepared
        The movie.
    threshold : float
        Least probability.
    batch : int
        Frames that the network sees at a time.
    """
    frames = prepared.movie.frames
    yield from detector.spots(
        frames,
        range(len(frames)),
        scale=prepared.survey.scale,
        gain=prepared.camera.gain,
        threshold=threshold,
        batch=batch,
        second=prepared.channel(),
    )


def log_spots(frames: Frames, camera: Camera, width: float, threshold: float) -> Iterator[Spots]:
    """Yield the puncta that LoG and fit find, some frames at a time.

    Their probability is a logistic curve of the signal over the noise: photons over the root of the
    background's variance under the punctum.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The movie.
    camera : Camera
        Its camera.
    width : float
        Standard deviation of a punctum in pixels.
    threshold : float
        Least probability.
    """
    for first in range(0, len(frames), _CHUNK):
        numbers = range(first, min(first + _CHUNK, len(frames)))
        photons = np.stack([frames[number] for number in numbers]).astype(np.float32)
        photons = (photons - np.float32(camera.baseline)) / np.float32(camera.gain)
        found = [
            log_maxima(log_response(each, width), threshold=_LOG_THRESHOLD, reach=_LOG_REACH)[0]
            for each in photons
        ]
        within = np.repeat(np.arange(len(photons)), [len(cells) for cells in found])
        places = np.concatenate(found)[:, ::-1].astype(np.float64)
        if len(places) == 0:
            continue
        fitted = fit_spots(photons, within, places, sigma=width, camera=camera)
        noise = np.sqrt(
            (camera.excess * np.maximum(fitted.background, 0.0) + camera.read_noise**2 + 1.0)
            * (4.0 * np.pi * width**2)
        )
        away = (fitted.photons / noise - _SNR_MIDDLE) / _SNR_WIDTH
        probabilities = 1.0 / (1.0 + np.exp(-away.clip(-50.0, 50.0)))
        spots = Spots(
            within + first,
            fitted.positions_xy,
            probabilities=probabilities,
            photons=fitted.photons,
            sigmas=fitted.sigmas,
        )
        height, wide = photons.shape[1:]
        x, y = spots.positions.T
        inside = (x > -0.5) & (x < wide - 0.5) & (y > -0.5) & (y < height - 0.5)
        yield spots.chosen(fitted.converged & inside & (probabilities >= threshold))
