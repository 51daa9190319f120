"""What a simulated movie shows: puncta, their motion, optics and camera; and the named scenes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PSFS = ("gaussian", "airy")
MOTIONS = ("immobile", "brownian", "directed", "confined")
CAMERAS = ("emccd", "scmos")


@dataclass(frozen=True)
class Camera:
    """A camera.

    Attributes
    ----------
    kind : str
        Name in :data:`CAMERAS`.
    baseline : float
        Mean grey value without light.
    gain : float
        Grey values for each detected photon.
    read_noise : float
        Standard deviation of the read-out in electrons; of an EMCCD before amplification.
    """

    kind: str = "emccd"
    baseline: float = 100.0
    gain: float = 10.0
    read_noise: float = 0.3

    @property
    def excess(self) -> float:
        """Variance of the signal over that of Poisson noise: 2 for amplification by electrons.

        Robbins and Hadwen 2003, https://doi.org/10.1109/TED.2003.813462, in the limit of high gain.
        """
        return 2.0 if self.kind == "emccd" else 1.0


@dataclass(frozen=True)
class CalciumScene:
    """The second channel of a movie: an indicator of calcium, and what lights it up.

    Attributes
    ----------
    background : float
        Detected photons of the indicator at rest in a pixel.
    active_share : float
        Share of the puncta that have transients.
    rate_hz : float
        Mean number of transients of an active punctum in a second.
    rise_ms, decay_ms : tuple of float
        Least and greatest time constants of rise and decay; uniform in the logarithm.
    height : tuple of float
        Least and greatest dF/F0 at the peak; uniform in the logarithm.
    spot_sigma_nm : float
        Standard deviation of the lit spot about a punctum.
    sparks : float
        Mean number of transients apart from puncta in a movie.
    spark_sigma_nm : tuple of float
        Least and greatest standard deviation of them.
    spark_distance_um : float
        Least distance between them and any punctum where there is room.
    waves : float
        Mean number of waves that run over the field in a movie.
    wave_height : tuple of float
        Least and greatest dF/F0 of a wave.
    wave_speed_um_s : tuple of float
        Least and greatest speed.
    wave_width_um : float
        Standard deviation of its front.
    bleach_s : tuple of float
        Time constants of bleaching of puncta and indicator; infinite: none.
    bleed : tuple of float
        Share of the light of the puncta's channel in the indicator's, and the reverse.
    """

    background: float = 60.0
    active_share: float = 0.6
    rate_hz: float = 1.0
    rise_ms: tuple[float, float] = (20.0, 80.0)
    decay_ms: tuple[float, float] = (100.0, 400.0)
    height: tuple[float, float] = (0.3, 1.2)
    spot_sigma_nm: float = 300.0
    sparks: float = 3.0
    spark_sigma_nm: tuple[float, float] = (300.0, 700.0)
    spark_distance_um: float = 1.5
    waves: float = 0.3
    wave_height: tuple[float, float] = (0.2, 0.6)
    wave_speed_um_s: tuple[float, float] = (20.0, 80.0)
    wave_width_um: float = 4.0
    bleach_s: tuple[float, float] = (60.0, 60.0)
    bleed: tuple[float, float] = (0.03, 0.01)


@dataclass(frozen=True)
class MovieScene:
    """A movie to simulate.

    Attributes
    ----------
    shape_yx : tuple of int
        Pixels along y and x.
    frames : int
        Frames.
    tracks : float
        Puncta that are there in the course of the movie; a Poisson mean where ``is_mean``.
    is_mean : bool
        Whether ``tracks`` is a mean, else the number itself.
    least_distance_nm : float
        Puncta begin at least so far from each other, where there is room; later they may meet.
    photons : float
        Median of the detected photons of a punctum in a frame.
    photons_spread : float
        Standard deviation of the logarithm of a punctum's photons, over puncta.
    photons_flicker : float
        The same over the frames of a punctum.
    psf : str
        Name in :data:`PSFS`.
    psf_sigma_nm : float
        Standard deviation of the Gaussian point spread function, or of the one that an Airy
        pattern resembles.
    pixel_size_nm, frame_time_ms : float
        Pixel and frame time.
    background : float
        Detected photons of the background in a pixel.
    unevenness : float
        How much less light the corners get than the middle, 0 to 1.
    vesicles : float
        Blurred bodies that move slowly.
    vesicle_photons : float
        Photons of each in a frame.
    vesicle_sigma_nm : tuple of float
        Least and greatest standard deviation of them.
    motion_shares : tuple of float
        Share of the puncta of each kind of motion, in the order of :data:`MOTIONS`.
    diffusion_um2_s : tuple of float
        Least and greatest diffusion coefficient of Brownian and confined puncta; uniform in the
        logarithm.
    speed_um_s : tuple of float
        Least and greatest speed of directed puncta.
    confinement_um : tuple of float
        Least and greatest radius that confined puncta stay in.
    born_later : float
        Share of the puncta that appear in the course of the movie.
    lifetime_frames : float
        Mean number of frames until a punctum disappears for good.
    blink_off, blink_frames : float
        Probability of going dark in a frame, and mean number of dark frames.
    blur_steps : int
        Positions within the exposure of a frame; 1: no motion blur.
    camera : Camera
        The camera.
    calcium : CalciumScene or None
        The second channel; None: the movie has one.
    """

    shape_yx: tuple[int, int] = (256, 256)
    frames: int = 100
    tracks: float = 20.0
    is_mean: bool = False
    least_distance_nm: float = 1000.0
    photons: float = 2000.0
    photons_spread: float = 0.2
    photons_flicker: float = 0.1
    psf: str = "gaussian"
    psf_sigma_nm: float = 143.0
    pixel_size_nm: float = 130.0
    frame_time_ms: float = 50.0
    background: float = 50.0
    unevenness: float = 0.0
    vesicles: float = 0.0
    vesicle_photons: float = 4000.0
    vesicle_sigma_nm: tuple[float, float] = (400.0, 900.0)
    motion_shares: tuple[float, float, float, float] = (0.2, 0.5, 0.1, 0.2)
    diffusion_um2_s: tuple[float, float] = (0.01, 0.1)
    speed_um_s: tuple[float, float] = (0.3, 1.0)
    confinement_um: tuple[float, float] = (0.2, 0.6)
    born_later: float = 0.08
    lifetime_frames: float = 1500.0
    blink_off: float = 0.0
    blink_frames: float = 2.0
    blur_steps: int = 1
    camera: Camera = Camera()
    calcium: CalciumScene | None = None

    @property
    def psf_sigma(self) -> float:
        """Standard deviation of the point spread function in pixels."""
        return self.psf_sigma_nm / self.pixel_size_nm

    def in_pixels(self, micrometres: float) -> float:
        """Return a length in pixels."""
        return 1000.0 * micrometres / self.pixel_size_nm

    @property
    def frame_seconds(self) -> float:
        """Frame time in seconds."""
        return self.frame_time_ms / 1000.0


_HYBRID: dict[str, Any] = {
    "psf_sigma_nm": 150.0,
    "photons": 1000.0,
    "is_mean": True,
    "camera": Camera("scmos", 150.0, 2.0, 3.0),
    "blur_steps": 4,
}
SCENES: Mapping[str, MovieScene] = MappingProxyType(
    {
        "guide": MovieScene(),
        "medium": MovieScene(
            tracks=50.0,
            least_distance_nm=600.0,
            photons=1000.0,
            unevenness=0.5,
            vesicles=6.0,
            lifetime_frames=300.0,
            born_later=0.2,
            blink_off=0.01,
        ),
        "hard": MovieScene(
            tracks=100.0,
            least_distance_nm=400.0,
            photons=500.0,
            unevenness=0.3,
            vesicles=6.0,
            vesicle_photons=6000.0,
            lifetime_frames=200.0,
            born_later=0.3,
            blink_off=0.03,
            blink_frames=3.0,
            background=35.0,
        ),
        "hybrid-test": MovieScene(
            frames=10, tracks=10.0, calcium=CalciumScene(rate_hz=2.0), **_HYBRID
        ),
        "hybrid": MovieScene(
            shape_yx=(512, 512), frames=50, tracks=20.0, calcium=CalciumScene(sparks=8.0), **_HYBRID
        ),
    }
)
"""Name -> scene. ``guide`` has the numbers of the guide for detecting and tracking, ``hybrid-test``
and ``hybrid`` those of the one for two channels."""
