"""Records of datasets, runs and annotations of the CryoET Data Portal."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetFilter:
    """Selection of datasets; all conditions must hold.

    Attributes
    ----------
    ids : tuple of int
        Only these; empty means all.
    words : str
        Found in the title or in the name of an annotated object, ignoring case; empty means all.
    organism : str
        Found in the organism's name; empty means all.
    has_truth : bool
        Only those with an annotation marked as ground truth.
    """

    ids: tuple[int, ...] = ()
    words: str = ""
    organism: str = ""
    has_truth: bool = False


@dataclass(frozen=True)
class TomogramCount:
    """Number of tomograms of a type and spacing in a dataset.

    Attributes
    ----------
    tomogram_type : str
        As copick names it.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    count : int
        Number of tomograms.
    """

    tomogram_type: str
    voxel_spacing: float
    count: int


@dataclass(frozen=True)
class AnnotationCount:
    """Number of a deposition's annotations of an object in a dataset.

    Attributes
    ----------
    object_name : str
        As the portal spells it.
    identifier : str
        Ontology or database identifier of the object.
    is_truth : bool
        Whether marked as ground truth.
    deposition_id : int or None
        Number of the deposition.
    deposition_title : str
        Title of the deposition.
    depositors : tuple of str
        Authors of the deposition.
    annotations : int
        Number of annotations, about one per run.
    points : int
        Sum of the object counts on the portal; 0 if it states none.
    """

    object_name: str
    identifier: str
    is_truth: bool
    deposition_id: int | None
    deposition_title: str
    depositors: tuple[str, ...]
    annotations: int
    points: int


@dataclass(frozen=True)
class PortalDataset:
    """A dataset of the portal.

    Attributes
    ----------
    dataset_id : int
        Its number.
    title : str
        Its title.
    organism : str
        Name of the organism; empty if none.
    authors : tuple of str
        In the portal's order.
    runs : int
        Number of runs.
    tomograms : tuple of TomogramCount
        By type and spacing.
    annotations : tuple of AnnotationCount
        By object, truth first, then deposition.
    """

    dataset_id: int
    title: str
    organism: str
    authors: tuple[str, ...]
    runs: int
    tomograms: tuple[TomogramCount, ...]
    annotations: tuple[AnnotationCount, ...]


@dataclass(frozen=True)
class PortalTomogram:
    """A tomogram of a run.

    Attributes
    ----------
    id : int
        Its number.
    tomogram_type : str
        As copick names it; two tomograms of a run may share it.
    voxel_spacing : float
        Edge of a voxel in Angstrom.
    shape_zyx : tuple of int
        Voxels.
    alignment_id : int or None
        The alignment that it was reconstructed with.
    store : str or None
        Address of its OME-Zarr store; None for a row without files.
    """

    id: int
    tomogram_type: str
    voxel_spacing: float
    shape_zyx: tuple[int, int, int]
    alignment_id: int | None
    store: str | None


@dataclass(frozen=True)
class PortalAnnotation:
    """A file of an annotation: one set of points, or one mask.

    Attributes
    ----------
    annotation_id : int
        Number of the annotation.
    file_id : int
        Number of the file: copick's session.
    object_name : str
        As the portal spells it.
    identifier : str
        Identifier of the object.
    shape_type : str
        Point, OrientedPoint, SegmentationMask or InstanceSegmentation.
    is_truth : bool
        Whether marked as ground truth.
    deposition_id : int or None
        Number of the deposition.
    deposition_title : str
        Title of the deposition.
    authors : tuple of str
        Authors of the annotation.
    alignment_id : int or None
        The alignment that its coordinates belong to.
    voxel_spacing : float or None
        Of the points' own voxels, in Angstrom.
    points : int or None
        Number of objects, as stated by the portal.
    path : str
        Address of the file.
    """

    annotation_id: int
    file_id: int
    object_name: str
    identifier: str
    shape_type: str
    is_truth: bool
    deposition_id: int | None
    deposition_title: str
    authors: tuple[str, ...]
    alignment_id: int | None
    voxel_spacing: float | None
    points: int | None
    path: str


@dataclass(frozen=True)
class PortalRun:
    """A run of the portal; copick's run name is its number.

    Attributes
    ----------
    run_id : int
        Its number.
    name : str
        The author's name for it.
    dataset_id : int
        Its dataset.
    tomograms : tuple of PortalTomogram
        By number.
    annotations : tuple of PortalAnnotation
        By number of the file.
    """

    run_id: int
    name: str
    dataset_id: int
    tomograms: tuple[PortalTomogram, ...]
    annotations: tuple[PortalAnnotation, ...]


@dataclass(frozen=True)
class PortalObject:
    """An annotated object.

    Attributes
    ----------
    identifier : str
        Ontology or database identifier.
    name : str
        As the portal spells it.
    is_particle : bool
        Whether annotated with points anywhere.
    has_truth : bool
        Whether any annotation of it is marked as ground truth.
    """

    identifier: str
    name: str
    is_particle: bool
    has_truth: bool


@dataclass(frozen=True)
class PortalNames:
    """Names on the portal.

    Attributes
    ----------
    objects : tuple of str
        Annotated objects.
    organisms : tuple of str
        Organisms.
    dataset_ids : tuple of int
        Datasets.
    """

    objects: tuple[str, ...]
    organisms: tuple[str, ...]
    dataset_ids: tuple[int, ...]
