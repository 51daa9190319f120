"""Octopi's own model files give octopi's own results (see tests/fixtures/octopi/README.md)."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from copick_picker.core.segment.engine import logit_slabs
from copick_picker.settings.segment import SegmentSettings
from copick_picker.workflows.models.load import LoadedModels, load_models

OCTOPI = Path(__file__).parents[1] / "fixtures" / "octopi"
MEMBERS = {
    "Unet": ["Unet"],
    "Unet_b": ["Unet_b"],
    "DynUNet": ["DynUNet"],
    "SegResNet": ["SegResNet"],
    "SwinUNETR": ["SwinUNETR"],
    "ensemble": ["Unet", "Unet_b"],
}
CASES = [
    pytest.param(name, count, marks=[pytest.mark.slow] if name == "SwinUNETR" else [])
    for name in MEMBERS
    for count in (1, 4, 8)
]


def models(name: str, **changes: Any) -> LoadedModels:
    folders = [OCTOPI / member for member in MEMBERS[name]]
    return load_models(
        SegmentSettings(
            config="unused",
            model_config_file=tuple(str(folder / "model_config.yaml") for folder in folders),
            model_weights=tuple(str(folder / "best_model.pth") for folder in folders),
            device="cpu",
            mode="exact",
            **changes,
        )
    )


def segmented(
    loaded: LoadedModels,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    volume = np.load(OCTOPI / "input.npz")["volume"]
    pieces = logit_slabs(volume, loaded.members, loaded.options)
    logits = torch.cat([piece for _, piece in pieces], dim=1)
    return logits.numpy(), torch.softmax(logits, dim=0).argmax(dim=0).numpy()


@pytest.mark.parametrize(("name", "count"), CASES)
def test_labels_and_logits_are_octopis(name: str, count: int) -> None:
    loaded = models(name, tta=count)
    expected = np.load(OCTOPI / name / "expected.npz")
    logits, labels = segmented(loaded)
    wanted = expected[f"labels_ntta{count}"]
    near_tie = np.unpackbits(expected[f"near_tie_ntta{count}"])[: wanted.size]
    differs = labels != wanted
    assert not (differs & ~near_tie.reshape(wanted.shape).astype(bool)).any()
    assert differs.sum() <= 10
    if count < 8:
        found = logits[:, 1::4, 1::4, 1::4]
        np.testing.assert_allclose(found, expected[f"logits_ntta{count}"], rtol=0, atol=1e-3)


def test_octopis_defaults_are_those_of_its_models() -> None:
    loaded = models("Unet")
    assert [augmentation.name for augmentation in loaded.options.augmentations] == [
        "identity",
        "half turn",
        "flip z",
        "flip x",
    ]
    assert (loaded.options.overlap, loaded.options.blending) == (0.5, "constant")
    assert loaded.options.precision == "float32"
    assert {member.padding for member in loaded.members} == {"zero"}


@pytest.mark.parametrize(
    "change", [{"blending": "gaussian"}, {"overlap": 0.25}, {"tta_set": "quarter-turns"}]
)
def test_other_choices_would_show(change: dict[str, Any]) -> None:
    _, labels = segmented(models("Unet", tta=4, **change))
    wanted = np.load(OCTOPI / "Unet" / "expected.npz")["labels_ntta4"]
    assert (labels != wanted).mean() > 0.01
