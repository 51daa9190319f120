"""Start from another model: take over matching tensors by name, and report the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from copick_picker.core.models.registry import load_state
from copick_picker.errors import CheckpointError, choices_text

_LISTED = 4


@dataclass(frozen=True)
class StartReport:
    """What a network took over from the weights of another.

    Attributes
    ----------
    matched : tuple of str
        Tensors of the network that now have the other's values.
    mismatched : tuple of str
        Tensors of the same name but another shape, such as a head for other objects; they keep
        their initial values.
    missing : tuple of str
        Tensors of the network that the weights lack; they keep their initial values.
    unused : tuple of str
        Tensors of the weights that the network lacks.
    """

    matched: tuple[str, ...]
    mismatched: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def text(self) -> str:
        """Return the report as one line."""
        total = len(self.matched) + len(self.mismatched) + len(self.missing)
        parts = [f"{len(self.matched)} of {total} tensors loaded"]
        for kind, names in (
            ("of another shape", self.mismatched),
            ("not in the weights", self.missing),
            ("of the weights not used", self.unused),
        ):
            if names:
                more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
                parts.append(f"{len(names)} {kind} ({choices_text(names[:_LISTED])}{more})")
        return "; ".join(parts)


def start_from(
    network: nn.Module, state_dict: Mapping[str, Tensor], *, least_share: float
) -> StartReport:
    """Return a report of the tensors taken over by name; the network is changed in place.

    Parameters
    ----------
    network : torch.nn.Module
        The network to be trained.
    state_dict : mapping
        Name -> tensor of another model of the same architecture, possibly with another head.
    least_share : float
        Share of the network's numbers that must be taken over; with less, the weights count as
        those of another architecture.

    Raises
    ------
    CheckpointError
        If less is taken over, or a tensor is not finite; the network is then unchanged.

    Examples
    --------
    >>> report = start_from(nn.Linear(2, 3), nn.Linear(2, 3).state_dict(), least_share=0.5)
    >>> report.text()
    '2 of 2 tensors taken over'
    """
    own = network.state_dict()
    common = [name for name in own if name in state_dict]
    matched = tuple(name for name in common if own[name].shape == state_dict[name].shape)
    report = StartReport(
        matched=matched,
        mismatched=tuple(
            f"{name} {tuple(state_dict[name].shape)} for {tuple(own[name].shape)}"
            for name in common
            if own[name].shape != state_dict[name].shape
        ),
        missing=tuple(name for name in own if name not in state_dict),
        unused=tuple(name for name in state_dict if name not in own),
    )
    total = sum(tensor.numel() for tensor in own.values())
    taken = sum(own[name].numel() for name in matched)
    if taken < least_share * total:
        msg = f"the weights belong to another architecture: {report.text()}"
        raise CheckpointError(msg)
    load_state(network, {**own, **{name: state_dict[name] for name in matched}})
    return report
