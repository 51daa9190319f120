"""Networks made ready for inference: the same function to rounding, in fewer and faster steps.

What is done, each measured on the networks that ship or that octopi trains:

* A transposed convolution of stride 1 becomes the plain convolution that it is, with the kernel
  turned round; plain ones have the faster kernels.
* Batch norms with fixed statistics go into the weights of the convolution before them.
* Instance norm, dropout (nothing in evaluation) and PReLU of MONAI's blocks become two steps
  without copies.
* On a CPU, torch sends convolutions on few voxels to a slow path by a rule of thumb; here all
  float32 convolutions go to oneDNN.
"""

import copy
from typing import TYPE_CHECKING

import torch
from monai.networks.blocks.acti_norm import ADN
from torch import Tensor, nn

from copick_picker.core.models.winograd import WinogradConv3d, is_eligible

if TYPE_CHECKING:
    from collections.abc import Callable

_CUBE = (1, 1, 1)


def prepared(network: nn.Module, device: torch.device) -> nn.Module:
    """Return a copy of a network that computes the same faster; the original stays as it is.

    Parameters
    ----------
    network : torch.nn.Module
        Any network; what is not known stays as it is.
    device : torch.device
        Where it will run.

    Returns
    -------
    torch.nn.Module
        In evaluation mode; outputs differ by rounding only.

    Examples
    --------
    >>> network = nn.Sequential(nn.ConvTranspose3d(1, 2, 3, padding=1))
    >>> prepared(network, torch.device("cpu"))[0].__class__.__name__
    'OneDnnConv3d'
    """
    result = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    with torch.no_grad():
        uses_onednn = device.type == "cpu" and _has_onednn()
        _rewrite(result, uses_onednn=uses_onednn)
        if uses_onednn:
            nn.utils.convert_conv3d_weight_memory_format(result, torch.channels_last_3d)
    return result


def _has_onednn() -> bool:
    is_available: Callable[[], bool] = torch.backends.mkldnn.is_available
    return is_available()


def _rewrite(parent: nn.Module, *, uses_onednn: bool) -> None:
    for name, child in list(parent.named_children()):
        norm = getattr(parent, f"{name}_norm", None)
        if isinstance(child, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
            child = nn.utils.fuse_conv_bn_eval(child, norm)
            setattr(parent, name, child)
            setattr(parent, f"{name}_norm", nn.Identity())
        if isinstance(child, nn.ConvTranspose3d) and _is_plain(child):
            child = _turned_round(child)
            setattr(parent, name, child)
        if isinstance(child, nn.Conv3d) and uses_onednn and _suits_onednn(child):
            layer: nn.Module = OneDnnConv3d(child)
            setattr(parent, name, WinogradConv3d(layer) if is_eligible(child) else layer)
        elif isinstance(child, ADN) and InstanceNormPRelu.replaces(child):
            setattr(parent, name, InstanceNormPRelu(child))
        else:
            _rewrite(child, uses_onednn=uses_onednn)


def _is_plain(layer: nn.ConvTranspose3d) -> bool:
    """Return whether a transposed convolution is a convolution with zero padding as well."""
    return (
        layer.stride == _CUBE
        and layer.dilation == _CUBE
        and layer.groups == 1
        and not any(layer.output_padding)
        and min(_padding_of_plain(layer)) >= 0
    )


def _padding_of_plain(layer: nn.ConvTranspose3d) -> tuple[int, int, int]:
    """Return the zeros around the input of the plain convolution; below 0 there is none."""
    z, y, x = (
        kernel - 1 - pad
        for kernel, pad in zip(layer.kernel_size, layer.padding, strict=True)
        if isinstance(pad, int)
    )
    return z, y, x


def _turned_round(layer: nn.ConvTranspose3d) -> nn.Conv3d:
    kernel_z, kernel_y, kernel_x = layer.kernel_size
    plain = nn.Conv3d(
        layer.in_channels,
        layer.out_channels,
        (kernel_z, kernel_y, kernel_x),
        padding=_padding_of_plain(layer),
        bias=layer.bias is not None,
    )
    plain.weight.copy_(layer.weight.transpose(0, 1).flip(2, 3, 4))
    if plain.bias is not None and layer.bias is not None:
        plain.bias.copy_(layer.bias)
    return plain.requires_grad_(requires_grad=False)


def _suits_onednn(layer: nn.Conv3d) -> bool:
    return (
        layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and layer.weight.dtype == torch.float32
    )


class OneDnnConv3d(nn.Module):
    """A convolution that goes to oneDNN, whatever its size.

    Parameters
    ----------
    layer : torch.nn.Conv3d
        With zero padding, in float32.
    """

    def __init__(self, layer: nn.Conv3d) -> None:
        super().__init__()
        weight = layer.weight.to(memory_format=torch.channels_last_3d)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = layer.bias
        self._padding = tuple(int(pad) for pad in layer.padding)
        self._stride, self._dilation, self._groups = layer.stride, layer.dilation, layer.groups

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        if features.dtype != torch.float32 or torch.is_autocast_enabled(features.device.type):
            return nn.functional.conv3d(
                features,
                self.weight,
                self.bias,
                self._stride,
                self._padding,
                self._dilation,
                self._groups,
            )
        result: Tensor = torch.mkldnn_convolution(
            features,
            self.weight,
            self.bias,
            self._padding,
            self._stride,
            self._dilation,
            self._groups,
        )
        return result


class InstanceNormPRelu(nn.Module):
    """Instance norm without statistics of its own, then PReLU: what MONAI's ``ADN`` mostly is.

    Instance norm is group norm with one channel a group, which torch computes without copies.

    Parameters
    ----------
    block : monai.networks.blocks.ADN
        One that :meth:`replaces` accepts.
    """

    def __init__(self, block: ADN) -> None:
        super().__init__()
        norm, activation = block.get_submodule("N"), block.get_submodule("A")
        if not isinstance(norm, nn.InstanceNorm3d) or not isinstance(activation, nn.PReLU):
            msg = "expected instance norm and PReLU"
            raise TypeError(msg)
        self._groups, self._eps = norm.num_features, norm.eps
        self.weight, self.bias = norm.weight, norm.bias
        self._slope = float(activation.weight[0])

    @staticmethod
    def replaces(block: ADN) -> bool:
        """Return whether a block is instance norm, perhaps dropout, and PReLU with one slope."""
        names = [name for name, _ in block.named_children()]
        if [name for name in names if name != "D"] != ["N", "A"]:
            return False
        norm, activation = block.get_submodule("N"), block.get_submodule("A")
        return (
            isinstance(norm, nn.InstanceNorm3d)
            and not norm.track_running_stats
            and isinstance(activation, nn.PReLU)
            and activation.num_parameters == 1
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features (b, c, z, y, x)."""
        if features.is_contiguous():
            normed = nn.functional.group_norm(
                features, self._groups, self.weight, self.bias, eps=self._eps
            )
        else:
            normed = self._normed(features)
        return nn.functional.leaky_relu_(normed, self._slope)

    def _normed(self, features: Tensor) -> Tensor:
        """Return normalised features whose channels lie innermost.

        Torch's own kernel for them adds squares in one long float32 sum: its errors of 1e-4 to
        1e-3 would show in labels.
        """
        axes = (2, 3, 4)
        centred = features - features.mean(axes, keepdim=True)
        scale = (centred * centred).mean(axes, keepdim=True).add_(self._eps).rsqrt_()
        if self.weight is not None:
            scale *= self.weight[:, None, None, None]
        centred *= scale
        if self.bias is not None:
            centred += self.bias[:, None, None, None]
        return centred
