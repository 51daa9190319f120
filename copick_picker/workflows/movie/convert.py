"""``movie convert``: tables of puncta into the formats of other programs, and from them."""

from collections.abc import Callable
from pathlib import Path

from copick_picker.errors import ConflictError, SettingsError
from copick_picker.jobs.reporter import Reporter
from copick_picker.jobs.summary import Result, summarised
from copick_picker.project.files import replacing, write_text
from copick_picker.project.formats.movie_files import Movie, open_movie
from copick_picker.project.formats.spot_formats import (
    trackmate_xml,
    write_geff,
    write_picasso,
)
from copick_picker.project.formats.spot_tables import (
    detections_csv,
    napari_csv,
    read_spots,
    thunderstorm_csv,
    tracks_csv,
)
from copick_picker.records.movies import Spots
from copick_picker.settings.movie import MovieConvertSettings

_OF_TRACKS = ("trackmate", "napari", "geff")


@summarised
def convert(settings: MovieConvertSettings, *, reporter: Reporter) -> Result:
    """Write a table in another format.

    Parameters
    ----------
    settings : MovieConvertSettings
        Settings of the command.
    reporter : Reporter
        Not told anything: the result says it.

    Raises
    ------
    CopickPickerError
        If the table is wrong, or the file exists.
    """
    del reporter
    movie = None if settings.movie is None else open_movie(settings.movie)
    pixel = settings.pixel_size_nm or (movie.pixel_size_nm if movie is not None else None)
    frame_time = settings.frame_time_ms or (movie.frame_time_ms if movie is not None else None)
    spots = read_spots(settings.table, pixel_size_nm=pixel)
    if settings.form in _OF_TRACKS and spots.tracks is None:
        msg = f"{settings.table} has no tracks; --to {settings.form} needs them"
        raise SettingsError(msg)
    target = settings.output
    if target.exists() and not settings.overwrite:
        msg = f"{target} exists; use --overwrite or another --output"
        raise ConflictError(msg)
    if target.is_dir() and not (settings.form == "geff" and (target / ".zattrs").is_file()):
        msg = f"{target} is a folder; name a file for --output"
        raise ConflictError(msg)
    _writer(settings, spots, movie, pixel, frame_time)(target)
    line = f"{len(spots):,} puncta, {target}"
    return Result(
        f"movie convert: {line}", content={"command": "movie convert", "puncta": len(spots)}
    )


def _writer(
    settings: MovieConvertSettings,
    spots: Spots,
    movie: Movie | None,
    pixel: float | None,
    frame_time: float | None,
) -> Callable[[Path], None]:
    """Return what writes the file."""
    form = settings.form
    if form == "csv":
        text = detections_csv(spots) if spots.tracks is None else tracks_csv(spots)
        return lambda path: write_text(path, text)
    if form == "napari":
        return lambda path: write_text(path, napari_csv(spots))
    if form == "trackmate":
        name = "" if settings.movie is None else settings.movie.name
        data = trackmate_xml(spots, pixel_size_nm=pixel, frame_time_ms=frame_time, movie=name)
        return lambda path: write_text(path, data.decode("utf-8"))
    if form == "geff":

        def geff(path: Path) -> None:
            with replacing(path) as temporary:
                write_geff(temporary, spots)

        return geff
    if pixel is None:
        msg = f"--to {form} needs the pixel size: give --pixel-size-nm, or --movie"
        raise SettingsError(msg)
    if form == "thunderstorm":
        return lambda path: write_text(path, thunderstorm_csv(spots, pixel))
    if movie is None:
        msg = "--to picasso needs the size of the movie: give --movie"
        raise SettingsError(msg)

    def picasso(path: Path) -> None:
        with replacing(path) as temporary:
            about = write_picasso(
                temporary,
                spots,
                shape=movie.frames.shape,
                pixel_size_nm=pixel,
                psf_sigma=settings.psf_sigma,
            )
        write_text(path.with_suffix(".yaml"), about)

    return picasso
