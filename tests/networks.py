"""Small networks whose output depends on the window, for tests of the engine."""

import torch
from torch import Tensor, nn


def edge_sensitive(channels: int = 3, *, seed: int = 1) -> nn.Module:
    """Two padded convolutions: a voxel near the edge of its window gets another value there."""
    torch.manual_seed(seed)
    layers = [nn.Conv3d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv3d(4, channels, 3, padding=1)]
    return nn.Sequential(*layers).eval().requires_grad_(requires_grad=False)


class Pointwise(nn.Module):
    """Channel k is the voxel plus k: nothing depends on the window."""

    steps: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("steps", torch.arange(float(channels))[:, None, None, None])

    def forward(self, windows: Tensor) -> Tensor:
        return windows + self.steps


class LittleMemory(nn.Module):
    """Raises what a device raises when more than so many windows come at once."""

    def __init__(self, network: nn.Module, most: int) -> None:
        super().__init__()
        self.network = network
        self.most = most
        self.batches: list[int] = []

    def forward(self, windows: Tensor) -> Tensor:
        self.batches.append(len(windows))
        if len(windows) > self.most:
            message = "CUDA out of memory. Tried to allocate 20.00 GiB."
            raise torch.OutOfMemoryError(message)
        result: Tensor = self.network(windows)
        return result
