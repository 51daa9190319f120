"""The maps of ``detect --probabilities``: stored while particles are looked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from copick_picker.core.segment.resampling import MapEnlarger
from copick_picker.core.segment.results import Slab
from copick_picker.jobs.job import Job
from copick_picker.jobs.slab_writer import SlabWriter
from copick_picker.project.store import Provenance
from copick_picker.records.keys import FeatureKey, SegmentationKey
from copick_picker.settings.detect import MAPS_NAME, DetectSettings


@dataclass(frozen=True)
class MapKeys:
    """Where the maps of a run are stored.

    Attributes
    ----------
    labels : SegmentationKey
        Segmentation whose labels say where the maps are highest; its record names the maps.
    shares : FeatureKey
        Class probabilities, background first.
    """

    labels: SegmentationKey
    shares: FeatureKey


def map_keys(user_id: str, session_id: str, tomogram_type: str, spacing: float) -> MapKeys:
    """Return where the maps beside picks are stored.

    Parameters
    ----------
    user_id, session_id : str
        Of the picks.
    tomogram_type : str
        Of the tomogram.
    spacing : float
        Its voxel spacing in Angstrom.
    """
    kind = f"{MAPS_NAME}-{user_id}-{session_id}-probabilities"
    return MapKeys(
        SegmentationKey(MAPS_NAME, user_id, session_id, spacing),
        FeatureKey(tomogram_type, spacing, kind),
    )


class MapWriters:
    """Writes probabilities and the labels that follow from them, on the tomogram's grid.

    Parameters
    ----------
    job : Job
        The job.
    run_name : str
        The run.
    keys : MapKeys
        Where to.
    enlarger : MapEnlarger
        From the grid of the maps to the tomogram's.
    table : numpy.ndarray, shape (c,)
        Label of each channel.
    record : mapping
        Record of both.
    """

    def __init__(
        self,
        job: Job[DetectSettings],
        run_name: str,
        keys: MapKeys,
        enlarger: MapEnlarger,
        table: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
        record: Provenance,
    ) -> None:
        shape = enlarger.shape_zyx
        self._enlarger, self._table = enlarger, table
        write = partial(
            job.write_segmentation, run_name, keys.labels, shape_zyx=shape, record=record
        )
        self._labels = SlabWriter(write)
        write = partial(
            job.write_feature,
            run_name,
            keys.shares,
            shape_czyx=(len(table), *shape),
            record=record,
        )
        try:
            self._shares = SlabWriter(write)
        except BaseException:  # else the first waits for planes for ever
            self._labels.stop()
            raise

    def passing(self, slabs: Iterable[Slab], n_planes: int) -> Iterator[Slab]:
        """Yield slabs as they come, and write what they hold.

        Parameters
        ----------
        slabs : iterable of Slab
            With probabilities.
        n_planes : int
            Planes of the whole volume, on the grid of the slabs.
        """
        for slab in slabs:
            if slab.probabilities is not None:
                is_last = slab.z_start + len(slab.labels) >= n_planes
                fine = self._enlarger.put(slab.z_start, slab.probabilities, is_last=is_last)
                if fine is not None:
                    z_start, shares = fine
                    self._shares.put(z_start, shares.astype(np.float16))
                    self._labels.put(z_start, self._table[shares.argmax(axis=0)])
            yield slab

    def finish(self) -> list[bool]:
        """Wait until both are written, the labels last."""
        try:
            return [self._shares.finish(), self._labels.finish()]
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Remove whatever was not finished."""
        self._labels.stop()
        self._shares.stop()


def label_table(
    channels: Mapping[str, int], labels: Mapping[str, int], n_channels: int
) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Return the label of each channel, 0 for the background and what is not looked for.

    Parameters
    ----------
    channels, labels : mapping
        Object name -> channel, and -> label.
    n_channels : int
        Channels, background included.
    """
    table = np.zeros(n_channels, dtype=np.uint16)
    for name, channel in channels.items():
        table[channel] = labels[name]
    return table.astype(np.uint8) if table.max(initial=0) < 256 else table


def channel_names(channels: Mapping[str, int], n_channels: int) -> list[Any]:
    """Return the name of each channel, ``background`` where there is none."""
    names = ["background"] * n_channels
    for name, channel in channels.items():
        names[channel] = name
    return names
