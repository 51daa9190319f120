"""Test-time augmentations: flips and quarter turns, each with its inverse.

Each one is a signed permutation of the axes, so that it applies to a window as well as to the whole
volume, and never mixes z with another axis: a window stays in its planes.
"""

from dataclasses import dataclass

import torch

from copick_picker.errors import SettingsError, UnknownNameError, choices_text


@dataclass(frozen=True)
class Augmentation:
    """A flip or a quarter turn of the last three axes (z, y, x).

    Attributes
    ----------
    name : str
        Short name.
    axes_zyx : tuple of int
        Axis i of the result is axis ``axes_zyx[i]`` of the volume; the first entry is 0.
    flipped : tuple of bool
        Which axes of the result run backwards.
    """

    name: str
    axes_zyx: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the augmented volume.

        Parameters
        ----------
        volume : torch.Tensor, shape (..., z, y, x)
            Any volume or window.

        Examples
        --------
        >>> turn = augmentation_set("quarter-turns", 2)[1]
        >>> turn.apply(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 4, 3])
        """
        lead = volume.ndim - 3
        order = (*range(lead), *(lead + axis for axis in self.axes_zyx))
        return volume.permute(order).flip(self._flip_dims(lead))

    def undo(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the volume with the augmentation undone.

        Parameters
        ----------
        volume : torch.Tensor, shape (..., z, y, x)
            An augmented volume.

        Examples
        --------
        >>> turn = augmentation_set("quarter-turns", 2)[1]
        >>> volume = torch.arange(24.0).reshape(2, 3, 4)
        >>> torch.equal(turn.undo(turn.apply(volume)), volume)
        True
        """
        lead = volume.ndim - 3
        inverse = (self.axes_zyx.index(axis) for axis in range(3))
        order = (*range(lead), *(lead + axis for axis in inverse))
        return volume.flip(self._flip_dims(lead)).permute(order)

    def undo_vectors(self, field: torch.Tensor) -> torch.Tensor:
        """Return a vector field in the volume's orientation: voxels move, vectors rotate.

        Parameters
        ----------
        field : torch.Tensor, shape (3, z, y, x)
            Components along z, y and x of an augmented volume or window.

        Examples
        --------
        >>> flip = augmentation_set("octopi", 3)[2]
        >>> field = torch.arange(24.0).reshape(3, 2, 2, 2)
        >>> torch.equal(flip.undo_vectors(field)[0], -flip.undo(field)[0])
        True
        """
        signs = [-1.0 if is_flipped else 1.0 for is_flipped in self.flipped]
        return self.undo_lengths(field) * field.new_tensor(
            [signs[self.axes_zyx.index(axis)] for axis in range(3)]
        ).reshape(3, 1, 1, 1)

    def undo_lengths(self, field: torch.Tensor) -> torch.Tensor:
        """Return lengths along the axes, such as standard deviations, in the volume's orientation.

        Parameters
        ----------
        field : torch.Tensor, shape (3, z, y, x)
            Lengths along z, y and x of an augmented volume or window; they have no sign.

        Examples
        --------
        >>> turn = augmentation_set("quarter-turns", 2)[1]
        >>> lengths = torch.arange(3.0).reshape(3, 1, 1, 1)
        >>> turn.undo_lengths(lengths).flatten().tolist()
        [0.0, 2.0, 1.0]
        """
        inverse = [self.axes_zyx.index(axis) for axis in range(3)]
        return self.undo(field)[inverse]

    def _flip_dims(self, lead: int) -> list[int]:
        return [lead + axis for axis in range(3) if self.flipped[axis]]


_STRAIGHT, _SWAPPED = (0, 1, 2), (0, 2, 1)
_IDENTITY = Augmentation("identity", _STRAIGHT, (False, False, False))
_HALF_TURN = Augmentation("half turn", _STRAIGHT, (False, True, True))
_FLIP_Z = Augmentation("flip z", _STRAIGHT, (True, False, False))
_FLIP_Y = Augmentation("flip y", _STRAIGHT, (False, True, False))
_FLIP_X = Augmentation("flip x", _STRAIGHT, (False, False, True))
_FLIP_ALL = Augmentation("flip zyx", _STRAIGHT, (True, True, True))
_QUARTER_TURN = Augmentation("quarter turn", _SWAPPED, (False, True, False))
_BACK_TURN = Augmentation("quarter turn back", _SWAPPED, (False, False, True))

AUGMENTATION_SETS: dict[str, tuple[Augmentation, ...]] = {
    "octopi": (
        _IDENTITY,
        _HALF_TURN,
        _FLIP_Z,
        _FLIP_X,
        _FLIP_Y,
        _QUARTER_TURN,
        _BACK_TURN,
        _FLIP_ALL,
    ),
    "quarter-turns": (_IDENTITY, _QUARTER_TURN, _HALF_TURN, _BACK_TURN),
}
"""Sets in their fixed order; quarter turns are ``rot90`` in the plane (y, x)."""


def augmentation_set(name: str, count: int) -> tuple[Augmentation, ...]:
    """Return the first augmentations of a set.

    Parameters
    ----------
    name : str
        Name in :data:`AUGMENTATION_SETS`.
    count : int
        How many to take, from 1.

    Raises
    ------
    UnknownNameError
        If there is no such set.
    SettingsError
        If the set has fewer augmentations.

    Examples
    --------
    >>> [augmentation.name for augmentation in augmentation_set("octopi", 3)]
    ['identity', 'half turn', 'flip z']
    """
    if name not in AUGMENTATION_SETS:
        msg = f"no augmentation set '{name}'; known: {choices_text(AUGMENTATION_SETS)}"
        raise UnknownNameError(msg)
    known = AUGMENTATION_SETS[name]
    if not 1 <= count <= len(known):
        msg = f"{count} augmentations requested; the set '{name}' has 1 to {len(known)}"
        raise SettingsError(msg)
    return known[:count]
