"""CryoSiam's own checkpoints give CryoSiam's own results (tests/fixtures/cryosiam/README.md)."""

from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import torch

from copick_picker import segment
from copick_picker.core.segment.wrapped import kept_spans
from copick_picker.errors import CheckpointError
from copick_picker.settings.cryosiam import read_cryosiam_config
from copick_picker.workflows.models.folder import check_model, convert_checkpoint
from copick_picker.workflows.models.load import load_cryosiam_checkpoint

CRYOSIAM = Path(__file__).parents[1] / "fixtures" / "cryosiam"
STEM = "TS_02_6.80Apx"
NAMES = {"multiclass": ["a", "b", "c"], "lamella_raw": ["lamella"]}


class Silent:
    def note(self, text: str) -> None:
        pass

    warn = note


def converted(folder: Path, name: str) -> Path:
    config, _ = read_cryosiam_config(CRYOSIAM / f"{name}.yaml")
    convert_checkpoint(
        str(CRYOSIAM / str(config.trained_model)),
        str(folder / name),
        objects={key: channel for channel, key in enumerate(NAMES[name], 1)},
        config=str(CRYOSIAM / f"{name}.yaml"),
        voxel_spacing=6.8,
        trust=False,
        overwrite=False,
        reporter=Silent(),
    )
    return folder / name


@pytest.fixture(scope="module", params=list(NAMES))
def model(request, tmp_path_factory) -> Path:
    return converted(tmp_path_factory.mktemp("models"), request.param)


def tomogram():
    return mrcfile.read(CRYOSIAM / "tomograms" / f"{STEM}.mrc")


def test_exact_labels_and_probabilities_are_cryosiams(model):
    result = segment(tomogram(), model, device="cpu", mode="exact", probabilities=True)
    with h5py.File(CRYOSIAM / "expected" / model.name / f"{STEM}_preds.h5") as file:
        labels = file["labels"][()]
        wanted = file["probs"][()] if "probs" in file else None
    assert result.labels.dtype == np.uint8
    assert (result.labels == labels).mean() >= 0.9995
    for label in np.unique(labels):
        both = (result.labels == label).sum() + (labels == label).sum()
        assert 2 * ((result.labels == label) & (labels == label)).sum() / both >= 0.995
    if wanted is not None:
        assert np.abs(result.probabilities.astype(np.float32) - wanted).max() <= 1e-3


def test_a_converted_model_passes_its_check(model):
    check_model(str(model), reporter=Silent())


def test_the_engine_computes_the_same_within_one_window(tmp_path):
    folder = converted(tmp_path, "multiclass")
    volume = mrcfile.read(CRYOSIAM / "tomograms" / "TS_01_6.80Apx.mrc")[:32, 20:52, 10:42]
    exact, ours = (
        segment(volume, folder, device="cpu", mode=mode, probabilities=True).probabilities
        for mode in ("exact", "balanced")
    )
    near = (slice(None), *3 * (slice(0, 24),))  # from CryoSiam's window that starts at 0
    difference = np.abs(exact.astype(float) - ours.astype(float))
    assert difference[near].mean() <= 0.01  # bfloat16 where the machine has it, else 0
    assert difference.mean() > 0.02  # the other windows wrap


@pytest.mark.parametrize("size", [32, 33, 40, 56, 72, 96, 100])
def test_windows_keep_every_voxel_once(size):
    spans = kept_spans(size, 32)
    kept = [index for span in spans for index in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(size))
    assert [span.start for span in spans] == [k * 16 for k in range(len(spans))]
    assert spans[-1].start < size - 8 <= spans[-1].start + 16


def changed(tmp_path: Path, change) -> Path:
    content = torch.load(CRYOSIAM / "multiclass" / "model.ckpt", weights_only=True)
    change(content)
    torch.save(content, tmp_path / "changed.ckpt")
    return tmp_path / "changed.ckpt"


def set_decoder(content) -> None:
    network = content["hyper_parameters"]["backbone_config"]["parameters"]["network"]
    network["decoder_type"] = "bifpn"


def drop_hyper_parameters(content) -> None:
    del content["hyper_parameters"]


def drop_backbone(content) -> None:
    del content["hyper_parameters"]["backbone_config"]


def drop_weights(content) -> None:
    del content["state_dict"]["_model.semantic_head.6.bias"]


def add_weights(content) -> None:
    content["state_dict"]["_model.instance_head.0.bias"] = torch.ones(3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_decoder, "decoder_type is 'bifpn'.*BiFPN"),
        (drop_hyper_parameters, "has no hyper_parameters"),
        (drop_backbone, "have no backbone_config"),
        (drop_weights, "missing in the file: semantic_head.6.bias"),
        (add_weights, "unknown to the network: instance_head.0.bias"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(tmp_path, change, words):
    with pytest.raises(CheckpointError, match=words) as caught:
        load_cryosiam_checkpoint(changed(tmp_path, change), objects=None)
    assert "\n" not in str(caught.value)


def test_the_last_convolution_of_the_pyramid_is_loaded_where_there_is_one(tmp_path):
    def add_later(content) -> None:
        settings = content["hyper_parameters"]["backbone_config"]["parameters"]["network"]
        settings["add_fpn_later_conv"] = True
        for number in range(1, 5):
            name = f"_model_backbone.decoder.later_conv{number}"
            content["state_dict"][f"{name}.weight"] = torch.full((16, 16, 3, 3, 3), 0.5)
            content["state_dict"][f"{name}.bias"] = torch.zeros(16)

    model = load_cryosiam_checkpoint(changed(tmp_path, add_later), objects=None)
    state = model.member.network.state_dict()
    later = [name for name in state if "later_conv" in name]
    assert later == ["decoder.later_conv4.weight", "decoder.later_conv4.bias"]
    assert (state["decoder.later_conv4.weight"] == 0.5).all()
    assert list(model.card.channel_names) == ["class_1", "class_2", "class_3"]


def test_a_head_of_other_sizes_is_built_from_the_hyper_parameters(tmp_path):
    def widen(content) -> None:
        head = content["hyper_parameters"]["config"]["parameters"]["network"]
        head["filters"] = [5, 7]
        state = content["state_dict"]
        for key, shape in {"0.weight": (5, 16, 3, 3, 3), "3.weight": (7, 5, 3, 3, 3)}.items():
            state[f"_model.semantic_head.{key}"] = torch.ones(shape)
        state["_model.semantic_head.6.weight"] = torch.ones(4, 7, 3, 3, 3)
        for layer, width in (("0", 5), ("1", 5), ("3", 7), ("4", 7)):
            for kind in ("weight", "bias", "running_mean", "running_var"):
                name = f"_model.semantic_head.{layer}.{kind}"
                if name in state and state[name].ndim == 1:
                    state[name] = torch.ones(width)

    model = load_cryosiam_checkpoint(changed(tmp_path, widen), objects={"x": 2})
    assert model.card.parameters["filters"] == [5, 7]
    assert model.card.channel_names == {"x": 2}
