"""Which weights of a network are its head's, and which are its backbone's."""

from torch import nn

_NAMES = frozenset(
    {"head", "output_block", "deep_supervision_heads", "out", "semantic_head", "side"}
)
"""Modules that give the outputs of the registry's networks, MONAI's among them."""


def head_parameters(network: nn.Module) -> frozenset[str]:
    """Return the names of the parameters of a network's head.

    The head is what the network calls so (the registry's do, in one word or another), else its last
    layer with parameters. All other parameters are the backbone's.

    Parameters
    ----------
    network : torch.nn.Module
        The network.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU(), nn.Conv3d(4, 2, 1))
    >>> sorted(head_parameters(network))
    ['2.bias', '2.weight']
    """
    names = [name for name, _ in network.named_parameters()]
    named = [name for name in names if _NAMES & set(name.split(".")[:-1])]
    if named or not names:
        return frozenset(named)
    last = names[-1].rpartition(".")[0]
    return frozenset(name for name in names if name.rpartition(".")[0] == last)
