"""3D convolutions with fewer multiplications (Winograd's minimal filtering).

A convolution with a kernel of 3 x 3 x 3 takes 27 multiplications a voxel, an input and an output
channel. Computed in tiles of 4 x 4 x 4 voxels, it takes 216 a tile, 3.4 a voxel: each tile of
6 x 6 x 6 input voxels is transformed along each axis, the transformed tiles are multiplied by the
transformed kernel, one matrix product for each of the 216 places, and the products are transformed
back. The method is exact; in float32 its rounding errors are larger than those of the direct sum.
How much larger depends on the points that the transforms are made of: 0, 1, -1, 1/2, -2 and
infinity, which balance each other better than the usual 0, 1, -1, 2, -2.

References: S. Winograd, Arithmetic Complexity of Computations (SIAM, 1980), for the transforms;
A. Lavin and S. Gray, CVPR 2016 (arXiv:1509.09308), for tiles and channels as matrix products;
B. Barabasz et al., ACM Trans. Math. Softw. 46 (2020) 37, for the choice of points.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

_TILE, _KERNEL = 4, 3
_PATCH = _TILE + _KERNEL - 1
_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)
_PLACES = _PATCH**3
_FEWEST_CHANNELS = 24
_SHORTEST_SIDE = 2 * _TILE
_MOST_WEIGHTS = 2**24
_BLOCK_FLOATS = 2**21

Matrix = npt.NDArray[np.float64]


def transform_matrices() -> tuple[Matrix, Matrix, Matrix]:
    """Return the matrices of one axis: of the input, of the kernel and of the output.

    With input matrix B (6, 6), kernel matrix G (6, 3) and output matrix A (4, 6), the correlation
    of 6 values d with a kernel g of 3 is ``A @ ((G @ g) * (B @ d))``.

    Examples
    --------
    >>> b, g, a = transform_matrices()
    >>> values, kernel = np.arange(6.0) ** 2, np.array([1.0, 2.0, 3.0])
    >>> bool(np.allclose(a @ ((g @ kernel) * (b @ values)), np.correlate(values, kernel)))
    True
    """
    input_matrix = np.zeros((_PATCH, _PATCH))
    kernel_matrix = np.zeros((_PATCH, _KERNEL))
    output_matrix = np.zeros((_TILE, _PATCH))
    for row, point in enumerate(_POINTS):
        others = [other for other in _POINTS if other != point]
        input_matrix[row, :-1] = np.poly(others)[::-1]
        scale = math.prod(point - other for other in others)
        kernel_matrix[row] = [point**power / scale for power in range(_KERNEL)]
        output_matrix[:, row] = [point**power for power in range(_TILE)]
    input_matrix[-1] = np.poly(_POINTS)[::-1]
    kernel_matrix[-1, -1] = output_matrix[-1, -1] = 1.0
    return input_matrix, kernel_matrix, output_matrix


def transformed_kernel(weight: torch.Tensor) -> torch.Tensor:
    """Return a kernel as one matrix for each place of a transformed tile.

    Parameters
    ----------
    weight : torch.Tensor, shape (c_out, c_in, 3, 3, 3)
        Kernel of a convolution.

    Returns
    -------
    torch.Tensor, shape (216, c_in, c_out), float32
        Places in the order (x, y, z).
    """
    kernel_matrix = torch.from_numpy(transform_matrices()[1]).to(weight.device)
    exact = torch.einsum(
        "az,by,cx,oizyx->cbaio", kernel_matrix, kernel_matrix, kernel_matrix, weight.double()
    )
    c_out, c_in = weight.shape[:2]
    return exact.reshape(_PLACES, c_in, c_out).float().contiguous()


class WinogradConv3d(nn.Module):
    """A convolution 3 x 3 x 3 of stride 1 that keeps the shape, in fewer multiplications.

    Parameters
    ----------
    direct : torch.nn.Module
        The convolution to compute, with its ``weight`` and ``bias``: one that :func:`is_eligible`,
        or computes the same. It serves where the fast way does not.
    """

    def __init__(self, direct: nn.Module) -> None:
        super().__init__()
        self.direct = direct
        places = transformed_kernel(direct.get_parameter("weight").detach())
        self.register_buffer("places", places, persistent=False)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Return the convolution.

        Parameters
        ----------
        volume : torch.Tensor, shape (b, c_in, z, y, x)
            Float32 on the CPU takes the fast way, else the direct one, as do short axes.
        """
        places = self.get_buffer("places")
        is_float32 = volume.dtype == torch.float32
        is_float32 = is_float32 and not torch.is_autocast_enabled(volume.device.type)
        if not is_float32 or min(volume.shape[2:]) < _SHORTEST_SIDE:
            result: torch.Tensor = self.direct(volume)
            return result
        bias: torch.Tensor | None = getattr(self.direct, "bias", None)
        fast: torch.Tensor = _convolve(volume, places, bias)
        return fast


def is_eligible(module: nn.Module) -> bool:
    """Return whether the fast way computes what a module does, and is likely to pay.

    Parameters
    ----------
    module : torch.nn.Module
        Any module.

    Examples
    --------
    >>> is_eligible(nn.Conv3d(32, 48, 3, padding=1)), is_eligible(nn.Conv3d(32, 48, 3))
    (True, False)
    """
    if not isinstance(module, nn.Conv3d):
        return False
    plain = (
        module.kernel_size == (_KERNEL,) * 3
        and module.stride == module.dilation == module.padding == (1, 1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and module.weight.dtype == torch.float32
    )
    c_in, c_out = module.in_channels, module.out_channels
    size = _PLACES * c_in * c_out
    return plain and min(c_in, c_out) >= _FEWEST_CHANNELS and size <= _MOST_WEIGHTS


@torch.library.custom_op("copick_picker::winograd_conv3d", mutates_args=())
def _convolve(
    volume: torch.Tensor, places: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """Convolve (b, c, z, y, x); one operation for torch's compiler."""
    last = volume.permute(0, 2, 3, 4, 1)
    result = volume.new_empty(*last.shape[:4], places.shape[2])
    for one, place in zip(last, result, strict=True):
        _convolve_one(one, places, bias, place)
    return result.permute(0, 4, 1, 2, 3)


@_convolve.register_fake
def _(
    volume: torch.Tensor,
    places: torch.Tensor,
    bias: torch.Tensor | None,  # noqa: ARG001 (the signature is that of the operation)
) -> torch.Tensor:
    batch, _, depth, height, width = volume.shape
    return volume.new_empty(batch, depth, height, width, places.shape[2]).permute(0, 4, 1, 2, 3)


def _convolve_one(
    volume: torch.Tensor, places: torch.Tensor, bias: torch.Tensor | None, result: torch.Tensor
) -> None:
    """Write the convolution (z, y, x, c_out) of a volume (z, y, x, c_in) into the result.

    A few layers of tiles are taken at a time, so that what lies between the steps stays in the
    cache, in buffers that all layers share.
    """
    depth, height, width, c_in = volume.shape
    c_out = places.shape[2]
    n_z, n_y, n_x = (math.ceil(side / _TILE) for side in (depth, height, width))
    rest = [n * _TILE - side + 1 for n, side in ((n_x, width), (n_y, height), (n_z, depth))]
    padded = functional.pad(volume, (0, 0, 1, rest[0], 1, rest[1], 1, rest[2]))
    rows, columns = padded.shape[1:3]
    step = max(min(_BLOCK_FLOATS // (_PLACES * n_y * n_x * max(c_in, c_out)), n_z), 1)
    buffers = _Buffers(volume, step, (n_y, n_x), (c_in, c_out))
    for tile in range(0, n_z, step):
        n = min(step, n_z - tile)
        planes = padded[_TILE * tile : _TILE * (tile + n) + 2].reshape(1, -1, rows * columns * c_in)
        along_z = _into(planes, n, buffers.along_z)
        along_y = _into(along_z.reshape(_PATCH * n, rows, columns * c_in), n_y, buffers.along_y)
        along_x = _into(along_y.reshape(-1, columns, c_in), n_x, buffers.along_x)
        product = buffers.product[: _PLACES * n * n_y * n_x * c_out].view(_PLACES, -1, c_out)
        torch.bmm(along_x.reshape(_PLACES, -1, c_in), places, out=product)
        back_x = _out_of(product.view(_PATCH, -1, n_x, c_out), buffers.back_x)
        back_y = _out_of(back_x.view(_PATCH, -1, n_y, _TILE * n_x * c_out), buffers.back_y)
        back_z = _out_of(back_y.view(_PATCH, 1, n, -1), buffers.back_z)
        done = back_z.view(_TILE * n, _TILE * n_y, _TILE * n_x, c_out)
        place = result[_TILE * tile : _TILE * (tile + n)]
        inner = done[: len(place), :height, :width]
        if bias is None:
            place.copy_(inner)
        else:
            torch.add(inner, bias, out=place)


class _Buffers:
    """Flat memory for what lies between the steps of one layer of tiles."""

    def __init__(
        self,
        like: torch.Tensor,
        step: int,
        tiles_yx: tuple[int, int],
        channels: tuple[int, int],
    ) -> None:
        (n_y, n_x), (c_in, c_out) = tiles_yx, channels
        rows, columns = _TILE * n_y + 2, _TILE * n_x + 2
        self.along_z = like.new_empty(_PATCH * step * rows * columns * c_in)
        self.along_y = like.new_empty(_PATCH**2 * step * n_y * columns * c_in)
        self.along_x = like.new_empty(_PLACES * step * n_y * n_x * c_in)
        self.product = like.new_empty(_PLACES * step * n_y * n_x * c_out)
        self.back_x = like.new_empty(_PATCH**2 * _TILE * step * n_y * n_x * c_out)
        self.back_y = like.new_empty(_PATCH * _TILE**2 * step * n_y * n_x * c_out)
        self.back_z = like.new_empty(_TILE**3 * step * n_y * n_x * c_out)


def _into(volume: torch.Tensor, n_tiles: int, buffer: torch.Tensor) -> torch.Tensor:
    """Return the input transform of an axis: (a, side, b) becomes (6, a, n_tiles, b)."""
    outer, _, inner = volume.shape
    last = _TILE * (n_tiles - 1) + 1
    values = [volume[:, place : place + last : _TILE] for place in range(_PATCH)]
    shape = (_PATCH, outer, n_tiles, inner)
    result = buffer[: math.prod(shape)].view(shape)
    for row, place in zip(_INPUT_ROWS, result, strict=True):
        _combine(row, values, place)
    return result


def _out_of(products: torch.Tensor, buffer: torch.Tensor) -> torch.Tensor:
    """Return the output transform of an axis: (6, a, n_tiles, b) becomes (a, 4 n_tiles, b)."""
    _, outer, n_tiles, inner = products.shape
    shape = (outer, n_tiles, _TILE, inner)
    result = buffer[: math.prod(shape)].view(shape)
    for number, row in enumerate(_OUTPUT_ROWS):
        _combine(row, products.unbind(0), result[:, :, number])
    return result


def _combine(row: Sequence[float], values: Sequence[torch.Tensor], place: torch.Tensor) -> None:
    terms = [(factor, value) for factor, value in zip(row, values, strict=True) if factor]
    (first_factor, first), (second_factor, second) = terms[:2]
    if first_factor == 1.0:
        torch.add(first, second, alpha=second_factor, out=place)
    else:
        torch.mul(first, first_factor, out=place)
        place.add_(second, alpha=second_factor)
    for factor, value in terms[2:]:
        place.add_(value, alpha=factor)


_INPUT_ROWS, _OUTPUT_ROWS = (
    [[float(factor) for factor in row] for row in matrix]
    for matrix in (transform_matrices()[0], transform_matrices()[2])
)
