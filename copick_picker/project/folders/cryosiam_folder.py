"""CryoSiam's folders as a store: MRC files in, ``_preds.h5`` files and tables of picks out."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.errors import ConflictError, CopickPickerError, SettingsError, choices_text
from copick_picker.project.files import write_text
from copick_picker.project.formats.cryosiam_files import (
    SUFFIX,
    Row,
    csv_text,
    is_particle_table,
    is_predictions,
    read_labels,
    read_probabilities,
    read_record,
    star_text,
    write_predictions,
)
from copick_picker.project.formats.mrc import is_mrc, is_own_mrc, read_mrc, write_mrc
from copick_picker.project.formats.mrc_folders import is_hidden
from copick_picker.project.standing import Output, own_file

_ADVICE = "another prediction_folder"


@dataclass(frozen=True)
class CryosiamFolders:
    """The folders that a YAML file of CryoSiam names.

    Attributes
    ----------
    data : pathlib.Path
        Tomograms.
    predictions : pathlib.Path
        Where predictions and tables of picks are.
    masks : pathlib.Path or None
        Masks, named like the predictions.
    ending : str
        Extension of the tomograms' names.
    has_copies : bool
        Whether to also write the labels in the tomograms' format.
    overwrite : bool
        Whether to replace existing outputs.
    """

    data: Path
    predictions: Path
    masks: Path | None
    ending: str
    has_copies: bool
    overwrite: bool

    def tomograms(self, names: Sequence[str] | None) -> dict[str, Path]:
        """Return name without extension -> path, in the order of the folder or of the list.

        Parameters
        ----------
        names : sequence of str or None
            Names in the folder; None means all with the extension.

        Raises
        ------
        SettingsError
            If there is no such folder, no tomogram in it, or two would write the same prediction.
        """
        if not self.data.is_dir():
            msg = f"data_folder {self.data} is not a folder (relative to the current folder)"
            raise SettingsError(msg)
        found: Sequence[str] = names or sorted(
            path.name
            for path in self.data.iterdir()
            if path.is_file() and path.name.endswith(self.ending) and not is_hidden(path)
        )
        if not found:
            msg = f"data_folder {self.data} has no file that ends with {self.ending}"
            raise SettingsError(msg)
        stems = [name.split(self.ending)[0] for name in found]
        twice = [stem for stem, count in Counter(stems).items() if count > 1]
        if twice:
            msg = f"several files of {self.data} would write {twice[0]}{SUFFIX}"
            raise SettingsError(msg)
        return {stem: self.data / name for stem, name in zip(stems, found, strict=True)}

    def prediction(self, stem: str) -> Path:
        """Return the file of a tomogram's prediction."""
        return self.predictions / f"{stem}{SUFFIX}"

    def all_predictions(self) -> dict[str, Path]:
        """Return tomogram -> its prediction, by name.

        Raises
        ------
        SettingsError
            If there is none.
        """
        folder = self.predictions
        paths = sorted(folder.glob("*.h5")) if folder.is_dir() else []
        if not paths:
            msg = f"prediction_folder {folder} has no .h5 file: run segment first"
            raise SettingsError(msg)
        return {path.name.removesuffix(SUFFIX).removesuffix(".h5"): path for path in paths}

    def mask(self, stem: str) -> Path | None:
        """Return the file of a tomogram's mask; None if there are no masks."""
        return None if self.masks is None else self.masks / f"{stem}{SUFFIX}"

    def stated_spacing(self, stem: str) -> float:
        """Return the voxel spacing in a tomogram's file; 0 if it cannot be read."""
        path = self.data / f"{stem}{self.ending}"
        if not path.is_file():
            return 0.0
        try:
            return read_mrc(path)[1]
        except CopickPickerError:
            return 0.0

    def record(self, stem: str) -> dict[str, Any] | None:
        """Return the record of an existing prediction; None if there is none of ours."""
        target = self.prediction(stem)
        return read_record(target) if target.is_file() else None

    def read(self, stem: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32] | None]:
        """Return the labels and probabilities of an existing prediction."""
        target = self.prediction(stem)
        return read_labels(target), read_probabilities(target)

    def check(self, stem: str) -> None:
        """Raise if a prediction could not be written.

        Raises
        ------
        ConflictError
            If something else is in the place of one of its files.
        """
        for output in self._outputs(stem):
            output.check()

    def write(
        self,
        stem: str,
        labels: npt.NDArray[np.uint8],
        probabilities: npt.NDArray[np.float32] | None,
        record: Mapping[str, Any],
        voxel_spacing: float,
    ) -> None:
        """Write a prediction, its copy first.

        Parameters
        ----------
        stem : str
            Name of the tomogram.
        labels : numpy.ndarray, shape (z, y, x), uint8
            CryoSiam's labels.
        probabilities : numpy.ndarray, shape (c, z, y, x), float32, or None
            If they are kept.
        record : mapping
            Our provenance record.
        voxel_spacing : float
            Voxel spacing of the tomogram, for the copy.
        """
        target, *beside = self._outputs(stem)
        for output in beside:
            write_mrc(output.path, labels.astype(np.int8), voxel_spacing, permit=output.check)
        write_predictions(target.path, labels, probabilities, record, permit=target.check)

    def write_tables(self, rows: Mapping[int, Sequence[Row]], *, dry_run: bool) -> str:
        """Write the new tables of picks; return a text that says what was done.

        Parameters
        ----------
        rows : mapping
            Label -> its components.
        dry_run : bool
            Whether to write nothing.

        Raises
        ------
        ConflictError
            If different tables are in their place and may not be replaced.
        """
        texts = {}
        for label, of_label in rows.items():
            texts[self.predictions / f"labels_{label}.csv"] = csv_text(of_label)
            texts[self.predictions / f"labels_{label}_particles.star"] = star_text(of_label)
        new = {
            path: text
            for path, text in texts.items()
            if not path.is_file() or path.read_bytes() != text.encode()
        }
        standing = [path.name for path in new if os.path.lexists(path)]
        if standing and not self.overwrite:
            msg = (
                f"{self.predictions} has {choices_text(standing)}, with other contents; use "
                "--overwrite"
            )
            raise ConflictError(msg)
        kind = own_file(is_particle_table)
        outputs = {path: Output(path, kind, self.overwrite, _ADVICE) for path in new}
        for output in outputs.values():
            output.check()
        if not dry_run:
            for path, text in new.items():
                write_text(path, text, permit=outputs[path].check)
        verb = "would be written" if dry_run else "written"
        unchanged = len(texts) - len(new)
        return f"{self.predictions}: {len(new)} files {verb}, {unchanged} unchanged"

    def _outputs(self, stem: str) -> list[Output]:
        """Return the output files of a prediction and of its copy in the tomogram's format."""
        target = self.prediction(stem)
        places = [Output(target, own_file(is_predictions), self.overwrite, _ADVICE)]
        if self.has_copies:
            beside = target.with_name(f"{stem}_preds{self.ending}")
            # a copy of ours without its predictions was left by a stopped command
            copied = Output(beside, own_file(is_own_mrc), self.overwrite, _ADVICE)
            is_left = not os.path.lexists(target) and copied.is_earlier()
            places.append(Output(beside, own_file(is_mrc), self.overwrite or is_left, _ADVICE))
        return places
