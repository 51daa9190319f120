"""Networks of MONAI, as octopi builds them: one input channel, three axes.

MONAI is imported when a network is built, not when this module is: its import takes seconds.
"""

from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from copick_picker.core.models.parameters import checked_parameters, name_with_options


def build_unet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return MONAI's ``UNet``, octopi's ``Unet``.

    Parameters
    ----------
    parameters : mapping
        ``channels``, ``strides``, ``num_res_units`` and ``dropout``.
    n_channels : int
        Channels of the output, background included.
    """
    from monai.networks.nets.unet import UNet

    names = ("channels", "strides", "num_res_units", "dropout")
    settings = checked_parameters("Unet", parameters, required=names)
    return _module(UNet(spatial_dims=3, in_channels=1, out_channels=n_channels, **settings))


def build_attention_unet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return MONAI's ``AttentionUnet``.

    Parameters
    ----------
    parameters : mapping
        ``channels``, ``strides`` and, if wanted, ``kernel_size``, ``up_kernel_size``, ``dropout``.
    n_channels : int
        Channels of the output, background included.
    """
    from monai.networks.nets.attentionunet import AttentionUnet

    settings = checked_parameters(
        "AttentionUnet",
        parameters,
        required=("channels", "strides"),
        optional=("kernel_size", "up_kernel_size", "dropout"),
    )
    return _module(
        AttentionUnet(spatial_dims=3, in_channels=1, out_channels=n_channels, **settings)
    )


def build_dynunet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return MONAI's ``DynUNet``.

    Parameters
    ----------
    parameters : mapping
        ``kernel_size``, ``strides``, ``upsample_kernel_size``, ``filters``, ``dropout``,
        ``norm_name``, ``act_name``, ``deep_supervision``, ``deep_supr_num`` and ``res_block``.
    n_channels : int
        Channels of the output, background included.
    """
    from monai.networks.nets.dynunet import DynUNet

    names = (
        "kernel_size",
        "strides",
        "upsample_kernel_size",
        "filters",
        "dropout",
        "norm_name",
        "act_name",
        "deep_supervision",
        "deep_supr_num",
        "res_block",
    )
    settings = checked_parameters("DynUNet", parameters, required=names)
    for name in ("norm_name", "act_name"):
        settings[name] = name_with_options(settings[name])
    return _module(DynUNet(spatial_dims=3, in_channels=1, out_channels=n_channels, **settings))


def build_segresnet(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return MONAI's ``SegResNetDS``, octopi's ``SegResNet``.

    Parameters
    ----------
    parameters : mapping
        ``init_filters``, ``act``, ``norm``, ``blocks_down``, ``blocks_up``, ``dsdepth``,
        ``upsample_mode`` and ``resolution``.
    n_channels : int
        Channels of the output, background included.
    """
    from monai.networks.nets.segresnet_ds import SegResNetDS

    names = ("init_filters", "act", "norm", "blocks_down", "blocks_up", "dsdepth", "upsample_mode")
    settings = checked_parameters("SegResNet", parameters, required=names, optional=("resolution",))
    for name in ("act", "norm"):
        settings[name] = name_with_options(settings[name])
    return _module(SegResNetDS(spatial_dims=3, in_channels=1, out_channels=n_channels, **settings))


def build_swin_unetr(parameters: Mapping[str, Any], n_channels: int) -> nn.Module:
    """Return MONAI's ``SwinUNETR``.

    ``use_checkpoint`` trades memory for time in training and changes no number: it is taken and
    left off.

    Parameters
    ----------
    parameters : mapping
        ``feature_size``, ``depths``, ``num_heads``, ``window_size``, ``drop_rate``,
        ``attn_drop_rate``, ``dropout_path_rate`` and, if wanted, ``use_checkpoint``.
    n_channels : int
        Channels of the output, background included.
    """
    from monai.networks.nets.swin_unetr import SwinUNETR

    names = (
        "feature_size",
        "depths",
        "num_heads",
        "window_size",
        "drop_rate",
        "attn_drop_rate",
        "dropout_path_rate",
    )
    settings = checked_parameters(
        "SwinUNETR", parameters, required=names, optional=("use_checkpoint",)
    )
    settings["use_checkpoint"] = False
    return _module(SwinUNETR(spatial_dims=3, in_channels=1, out_channels=n_channels, **settings))


def _module(network: object) -> nn.Module:
    return cast("nn.Module", network)
