"""What a movie looks like before anything is detected in it: level, noise, width of the puncta."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from copick_picker.core.movie.fit import fit_spots, log_maxima, log_response
from copick_picker.core.movie.psf import gaussian_on_pixels
from copick_picker.core.movie.scaling import GreyScale, scale_of_movie
from copick_picker.core.movie.scene import Camera
from copick_picker.errors import DataError
from copick_picker.records.movies import FloatArray, Frames

_SAMPLED = 16
_FIRST_WIDTH = 1.2
_CLEAR = 8.0
_WIDTHS = np.arange(0.6, 4.01, 0.02)
_HALF = 6
_LEAST_CLEAR = 5
_MOST_CLEAR = 400


@dataclass(frozen=True)
class Survey:
    """What a movie looks like.

    Attributes
    ----------
    scale : GreyScale
        Level and noise in grey values.
    darkest : float
        Grey value that one pixel in a thousand is below.
    width : float or None
        Standard deviation of the puncta in pixels; None where too few stand out.
    brightness : float or None
        Median of the puncta's summed grey values over the background.
    """

    scale: GreyScale
    darkest: float
    width: float | None
    brightness: float | None


def survey_movie(frames: Frames, *, name: str) -> Survey:
    """Return what a movie looks like, from a few frames all over it.

    Parameters
    ----------
    frames : numpy.ndarray, shape (t, y, x)
        The movie, perhaps in a file.
    name : str
        For messages.

    Raises
    ------
    DataError
        If all its frames are equal, or a value is NaN or infinite.
    """
    n_frames = len(frames)
    first = np.unique(np.linspace(0, max(n_frames - 2, 0), _SAMPLED // 2).astype(int))
    pairs = [np.stack([frames[int(k)], frames[int(min(k + 1, n_frames - 1))]]) for k in first]
    sample = np.concatenate(pairs).astype(np.float32)
    if not np.isfinite(sample).all():
        msg = f"{name} has values that are NaN or infinite"
        raise DataError(msg)
    if np.ptp(sample) == 0:
        msg = f"{name}: all pixels of the frames checked have the value {sample.flat[0]:g}"
        raise DataError(msg)
    if (sample == sample[:1]).all():
        msg = f"{name}: the {len(sample)} frames checked are all equal; it is a still image"
        raise DataError(msg)
    scales = [scale_of_movie(pair) for pair in pairs]
    scale = GreyScale(
        float(np.median([each.level for each in scales])),
        float(np.median([each.noise for each in scales])),
    )
    width, brightness = _puncta_of(sample[::2], scale)
    return Survey(scale, float(np.quantile(sample, 0.001)), width, brightness)


def _puncta_of(
    sample: npt.NDArray[np.float32], scale: GreyScale
) -> tuple[float | None, float | None]:
    """Return width and brightness of the puncta that stand out."""
    values = sample - scale.level
    windows, frames, places = [], [], []
    for number, frame in enumerate(values):
        cells, heights = log_maxima(
            log_response(frame.astype(np.float32), _FIRST_WIDTH), threshold=_CLEAR, reach=_HALF
        )
        cells = cells[np.argsort(-heights)][: _MOST_CLEAR // len(values) + 1]
        for row, column in cells:
            part = frame[row - _HALF : row + _HALF + 1, column - _HALF : column + _HALF + 1]
            if row >= _HALF and column >= _HALF and part.shape == (2 * _HALF + 1,) * 2:
                windows.append(part)
                frames.append(number)
                places.append((column, row))
    if len(windows) < _LEAST_CLEAR:
        return None, None
    width = _width_of(np.stack(windows).astype(np.float64))
    camera = Camera("scmos", 0.0, 1.0, scale.noise)
    fitted = fit_spots(
        values.astype(np.float32),
        np.array(frames),
        np.array(places, dtype=np.float64),
        sigma=width,
        camera=camera,
    )
    if not fitted.converged.any():
        return width, None
    return width, float(np.median(fitted.photons[fitted.converged]))


def _width_of(windows: FloatArray) -> float:
    """Return the width that the mean of windows about maxima has."""
    rim = np.ones(windows.shape[1:], dtype=bool)
    rim[1:-1, 1:-1] = False
    clean = windows - np.median(windows[:, rim], axis=1)[:, None, None]
    mean = np.median(clean / np.maximum(clean[:, _HALF, _HALF], 1e-9)[:, None, None], axis=0)
    best, width = np.inf, _FIRST_WIDTH
    for sigma in _WIDTHS:
        # maxima lie up to half a pixel from the centre
        spread = float(np.hypot(sigma, np.sqrt(1.0 / 12.0)))
        along = gaussian_on_pixels(np.zeros(1), spread, _HALF)[0]
        model = along[:, None] * along[None]
        design = np.column_stack([model.ravel(), np.ones(model.size)])
        solution, *_ = np.linalg.lstsq(design, mean.ravel(), rcond=None)
        left = float(((design @ solution - mean.ravel()) ** 2).sum())
        if left < best:
            best, width = left, float(sigma)
    return width
