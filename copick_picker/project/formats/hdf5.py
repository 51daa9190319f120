"""Datasets of HDF5 files that lie in the file itself."""

from pathlib import Path

import h5py

from copick_picker.errors import DataError


def own_dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """Return a dataset, unless its values come from another file.

    An HDF5 file may link to others: whoever sends one could have any file of this machine read.

    Parameters
    ----------
    file : h5py.File
        An open file that has the dataset.
    name : str
        Name of the dataset.
    path : pathlib.Path
        The file, for messages.

    Raises
    ------
    DataError
        If it is no dataset, or a link to another file, or stored in other files.
    """
    link = file.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        msg = f"{path}: '{name}' is a link to another file, {link.filename}: links are not followed"
        raise DataError(msg)
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        msg = f"{path}: '{name}' is a group; expected a dataset"
        raise DataError(msg)
    if found.file.filename != file.filename or found.external or found.is_virtual:
        msg = f"{path}: '{name}' is stored in external files, which are not read"
        raise DataError(msg)
    return found
