"""Keys of the contents of a run: tomograms, features, segmentations, picks, filaments."""

from dataclasses import dataclass, field

DEFAULT_USER, DEFAULT_SESSION = "picker", "1"
"""User and session of outputs if the user names none."""
DEFAULT_ORIGIN = f"{DEFAULT_USER}/{DEFAULT_SESSION}"
"""The two as a URI has them."""


@dataclass(frozen=True, order=True)
class TomogramKey:
    """Key of a tomogram in a run: ``type@voxel_spacing``."""

    tomogram_type: str
    voxel_spacing: float
    alignment_id: int | None = field(default=None, compare=False, repr=False)
    """Alignment on the CryoET Data Portal; None if unknown."""

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.tomogram_type}@{round(self.voxel_spacing, 3)}"


@dataclass(frozen=True, order=True)
class SegmentationKey:
    """Key of a segmentation in a run: ``name:user/session@voxel_spacing``."""

    name: str
    user_id: str
    session_id: str
    voxel_spacing: float
    is_multilabel: bool = True

    def __str__(self) -> str:
        """Return the copick URI."""
        query = "?multilabel=true" if self.is_multilabel else ""
        where = f"{self.name}:{self.user_id}/{self.session_id}"
        return f"{where}@{round(self.voxel_spacing, 3)}{query}"


@dataclass(frozen=True, order=True)
class PicksKey:
    """Key of picks in a run: ``object:user/session``."""

    object_name: str
    user_id: str
    session_id: str
    origin: "PicksOrigin | None" = field(default=None, compare=False, repr=False)
    """Their origin on the CryoET Data Portal; None for all others."""

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.object_name}:{self.user_id}/{self.session_id}"


@dataclass(frozen=True, order=True)
class FilamentsKey:
    """Key of filaments in a run: ``object:user/session``, as the picks that lie along them."""

    object_name: str
    user_id: str
    session_id: str

    def __str__(self) -> str:
        """Return the copick URI, and what it names."""
        return f"{self.object_name}:{self.user_id}/{self.session_id} (filaments)"

    @classmethod
    def of(cls, picks: PicksKey) -> "FilamentsKey":
        """Return the key of the filaments that picks lie along."""
        return cls(picks.object_name, picks.user_id, picks.session_id)


@dataclass(frozen=True)
class PicksOrigin:
    """Origin of picks from the CryoET Data Portal.

    Attributes
    ----------
    annotation_id : int
        Number of the annotation.
    deposition_id : int or None
        Number of the deposition.
    is_truth : bool
        Whether the portal marks it as ground truth.
    authors : tuple of str
        Authors of the annotation.
    alignment_id : int or None
        The alignment that the coordinates belong to.
    """

    annotation_id: int
    deposition_id: int | None
    is_truth: bool
    authors: tuple[str, ...]
    alignment_id: int | None


@dataclass(frozen=True, order=True)
class FeatureKey:
    """Key of a feature volume in a run: ``type@voxel_spacing:feature``."""

    tomogram_type: str
    voxel_spacing: float
    feature_type: str

    def __str__(self) -> str:
        """Return the copick URI."""
        return f"{self.tomogram_type}@{round(self.voxel_spacing, 3)}:{self.feature_type}"


PICKS_FILE = "USER_SESSION_OBJECT.json"
"""What copick calls the files of picks."""


def picks_name_wanted(name: str) -> str:
    """Return what is wrong with the name of a pick file, and what it should be.

    Parameters
    ----------
    name : str
        Name of a file that copick cannot read.

    Examples
    --------
    >>> picks_name_wanted("ribosome.json")
    'expected USER_SESSION_OBJECT.json, such as me_1_ribosome.json'
    """
    last = name.removesuffix(".json").split("_")[-1] or "ribosome"
    return f"expected {PICKS_FILE}, such as me_1_{last}.json"
