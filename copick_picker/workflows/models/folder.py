"""Write, show, convert and check model folders."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from copick_picker.core.models.fingerprint import (
    crop_fingerprint,
    fingerprint,
    same_fingerprint,
    storable_crop,
)
from copick_picker.errors import CheckpointError, DataError, choices_text
from copick_picker.jobs.reporter import Reporter
from copick_picker.project.folders.checkpoints import (
    read_crop,
    read_model_folder,
    write_model_folder,
)
from copick_picker.project.folders.model_places import find_folder, shipped_models
from copick_picker.project.folders.movie_models import any_movie_card, card_rows
from copick_picker.report.model_card import model_tables
from copick_picker.settings.cryosiam import read_cryosiam_config
from copick_picker.settings.model import CheckCrop, ModelCard, model_card
from copick_picker.workflows.models.load import (
    LoadedModel,
    load_cryosiam_checkpoint,
    load_folder,
    load_octopi_pair,
)


@dataclass(frozen=True, eq=False)
class TomogramCrop:
    """A crop of a tomogram, stored in a model folder to check the model.

    Attributes
    ----------
    values : numpy.ndarray, shape (z, y, x), float32
        Voxels, normalised for the network; no side longer than 64.
    run_name, tomogram : str
        Where it comes from.
    corner_zyx : tuple of int
        Its first voxel (z, y, x) in the tomogram.
    """

    values: npt.NDArray[np.float32]
    run_name: str
    tomogram: str
    corner_zyx: tuple[int, int, int]


def write_model(
    folder: Path,
    network: nn.Module,
    card: ModelCard,
    *,
    crop: TomogramCrop | None,
    beside: Callable[[ModelCard], Mapping[str, str]] | None = None,
    overwrite: bool,
) -> ModelCard:
    """Write a trained network as a model folder, with the fingerprints for ``model check``.

    Parameters
    ----------
    folder : pathlib.Path
        Folder to make.
    network : torch.nn.Module
        On the CPU.
    card : ModelCard
        Its description; both fingerprints are filled in here.
    crop : TomogramCrop or None
        Piece of a validation tomogram, stored as float16.
    beside : callable, optional
        Card as written -> further texts for the folder, by file name.
    overwrite : bool
        Whether an existing model folder is replaced.

    Returns
    -------
    ModelCard
        The card as written.

    Raises
    ------
    CheckpointError
        If the network fails on a window or on the crop, the crop is too large, or the folder
        exists or cannot be written.
    """
    stored = None
    update: dict[str, Any] = {"crop": None}
    try:
        update["fingerprint"] = fingerprint(network, card.window_voxels)
        if crop is not None:
            stored = storable_crop(crop.values)
            update["crop"] = CheckCrop(
                fingerprint=crop_fingerprint(network, stored),
                run_name=crop.run_name,
                tomogram=crop.tomogram,
                corner_zyx=crop.corner_zyx,
            )
    except DataError as error:
        msg = f"model {folder}: {error}"
        raise CheckpointError(msg) from error
    raw = card.model_copy(update=update).to_mapping()
    texts = None if beside is None else lambda told: beside(model_card(told, str(folder)))
    write_model_folder(
        folder, network.state_dict(), raw, crop=stored, beside=texts, overwrite=overwrite
    )
    return model_card(read_model_folder(folder)[1], str(folder))


def show_model(name: str, *, whole: bool, reporter: Reporter) -> None:
    """Show the card of a model folder.

    Parameters
    ----------
    name : str
        Folder, or name of a shipped model; a detector, a hybrid or a linker of movies too.
    whole : bool
        Whether all settings of its training are shown.
    reporter : Reporter
        Receives the tables.

    Raises
    ------
    CheckpointError
        If the folder is not a complete model.
    """
    of_movies = any_movie_card(Path(name))
    if of_movies is not None:
        title = f"{of_movies.get('kind', 'model')} {name}"
        reporter.table(title, ("", "value"), card_rows(of_movies))
        return
    state, raw = read_model_folder(find_folder(name))
    card = model_card(raw, name)
    size = sum(tensor.numel() for tensor in state.values())
    tables = model_tables(card.to_mapping(), card.channel_names, size, whole=whole)
    for title, columns, rows in tables:
        reporter.table(title, columns, rows)
    if not whole and any(
        isinstance(value, dict) for value in card.to_mapping()["provenance"].values()
    ):
        reporter.note("For training and validation details, use --all")


def list_models(*, reporter: Reporter) -> None:
    """Show the models that ship with the package.

    Parameters
    ----------
    reporter : Reporter
        Receives the table.
    """
    rows = []
    for name, folder in shipped_models().items():
        card = model_card(read_model_folder(folder)[1], name)
        spacing = card.voxel_spacing_angstrom
        rows.append(
            (
                name,
                "-" if spacing is None else f"{spacing:g}",
                card.contrast,
                ", ".join(card.channel_names),
            )
        )
    reporter.table(
        "Models that ship with the package", ("name", "spacing A", "protein", "finds"), rows
    )
    reporter.note(
        "Use a name with -m, as in: copick-picker segment -m NAME; model show NAME gives details"
    )


def convert_model(
    config: str, weights: str, output: str, *, trust: bool, overwrite: bool, reporter: Reporter
) -> None:
    """Write a model folder from octopi's pair of files.

    Parameters
    ----------
    config, weights : str
        ``model_config.yaml`` and ``best_model.pth``.
    output : str
        Folder to make.
    trust : bool
        Whether weights that contain more than numbers are unpickled.
    overwrite : bool
        Whether an existing model folder is replaced.
    reporter : Reporter
        Receives the message.

    Raises
    ------
    CheckpointError
        If a file is missing, broken or unsafe, the weights do not fit, or the folder exists.
    """
    model = load_octopi_pair(Path(config), Path(weights), trust=trust)
    provenance = dict(model.card.provenance) | {"octopi_weights_sha256": model.card.weights_sha256}
    card = model.card.model_copy(
        update={
            "name": Path(output).name,
            "fingerprint": _fingerprint(model, config),
            "provenance": provenance,
        }
    )
    state = model.member.network.state_dict()
    write_model_folder(Path(output), state, card.to_mapping(), overwrite=overwrite)
    reporter.note(f"{output}: {card.architecture}, objects {choices_text(card.channel_names)}")


def convert_checkpoint(
    checkpoint: str,
    output: str,
    *,
    objects: Mapping[str, int],
    config: str | None,
    voxel_spacing: float | None,
    trust: bool,
    overwrite: bool,
    reporter: Reporter,
) -> None:
    """Write a model folder from a checkpoint of CryoSiam.

    Parameters
    ----------
    checkpoint : str
        ``.ckpt`` as CryoSiam's training writes it.
    output : str
        Folder to make.
    objects : mapping
        Object name -> channel, from 1.
    config : str or None
        CryoSiam's YAML of a prediction, for scaling and threshold; without it, the scaling of the
        training and no threshold.
    voxel_spacing : float or None
        Voxel spacing of the training data, in Angstrom.
    trust : bool
        Whether a checkpoint that contains more than numbers and settings is unpickled.
    overwrite : bool
        Whether an existing model folder is replaced.
    reporter : Reporter
        Receives the message.

    Raises
    ------
    CheckpointError
        If the file is missing, broken or unsafe, the weights do not fit, the network lacks the
        channel of an object, or the folder exists.
    """
    model = load_cryosiam_checkpoint(Path(checkpoint), objects=objects, trust=trust)
    provenance = dict(model.card.provenance)
    provenance |= {"cryosiam_checkpoint_sha256": model.card.weights_sha256}
    raw = model.card.to_mapping() | {
        "name": Path(output).name,
        "voxel_spacing_angstrom": voxel_spacing,
        "fingerprint": _fingerprint(model, checkpoint),
        "provenance": provenance,
    }
    if config is not None:
        stated, warnings = read_cryosiam_config(Path(config))
        for text in warnings:
            reporter.warn(f"{config}: {text}")
        raw["scaling"] = stated.parameters.data.scaling().model_dump()
        raw["probability_threshold"] = stated.parameters.network.threshold
    card = model_card(raw, checkpoint)
    state = model.member.network.state_dict()
    write_model_folder(Path(output), state, card.to_mapping(), overwrite=overwrite)
    reporter.note(f"{output}: {card.architecture}, objects {choices_text(card.channel_names)}")


def check_model(name: str, *, reporter: Reporter) -> None:
    """Read, build, load and run a model, and compare its output with its fingerprints.

    Parameters
    ----------
    name : str
        Folder, or name of a shipped model.
    reporter : Reporter
        Receives the messages.

    Raises
    ------
    CheckpointError
        If any of this fails.
    """
    folder = find_folder(name)
    model = load_folder(folder)
    reporter.note(f"checksum and weights: ok ({model.card.architecture})")
    found = _fingerprint(model, str(folder))
    if model.card.fingerprint is None:
        reporter.note("one window runs; the card has no fingerprint to compare with")
    else:
        _compare(folder, "a fixed input", found, model.card.fingerprint)
        reporter.note("one window runs; its output matches the card's fingerprint")
    crop = model.card.crop
    if crop is None:
        return
    try:
        found = crop_fingerprint(model.member.network, read_crop(folder, crop.model_dump()))
    except DataError as error:
        msg = f"model {folder}: {error}"
        raise CheckpointError(msg) from error
    where = f"the stored crop of {crop.run_name} {crop.tomogram}"
    _compare(folder, where, found, crop.fingerprint)
    reporter.note(f"{where} runs; its output matches the card")


def _compare(folder: Path, what: str, found: tuple[float, ...], stated: tuple[float, ...]) -> None:
    """Raise if a fingerprint differs from the card's."""
    if same_fingerprint(found, stated):
        return
    msg = (
        f"model {folder}: {what} gives {found[:3]}..., its card says {stated[:3]}...: "
        "the card does not describe these weights"
    )
    raise CheckpointError(msg)


def _fingerprint(model: LoadedModel, source: str) -> tuple[float, ...]:
    try:
        return fingerprint(model.member.network, model.member.window_voxels)
    except DataError as error:
        msg = f"model {source}: {error}"
        raise CheckpointError(msg) from error
