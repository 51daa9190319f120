"""Model files: whole or nothing, and nothing unpickled."""

import pickle
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml

from copick_picker.errors import CheckpointError
from copick_picker.project.folders.checkpoints import (
    file_sha256,
    read_mapping,
    read_model_folder,
    read_octopi_pair,
    read_torch_weights,
    write_model_folder,
)
from copick_picker.project.folders.model_places import CARD_FILE, WEIGHTS_FILE, is_model_folder

OCTOPI = Path(__file__).parents[1] / "fixtures" / "octopi"
CARD = {"name": "thin", "objects": [{"name": "ribosome", "channel": 1}]}


def small_state() -> dict[str, torch.Tensor]:
    shared = torch.arange(6.0)
    return {
        "turned": torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        "first": shared[:4],
        "second": shared[2:],
        "index": torch.arange(3),
        "half": torch.ones(2, dtype=torch.float16),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_folder(tmp_path / "model", small_state(), CARD)
    return tmp_path / "model"


class Payload:
    """Pickles to a call that makes a file: what a malicious checkpoint does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def one_line(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_folder_holds_what_was_written(folder: Path) -> None:
    state, raw = read_model_folder(folder)
    assert is_model_folder(folder)
    assert raw["name"] == "thin"
    assert raw["weights_sha256"] == file_sha256(folder / WEIGHTS_FILE)
    assert set(state) == set(small_state())
    for name, tensor in small_state().items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)


def test_same_model_gives_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_model_folder(tmp_path / "again", small_state(), CARD)
    for name in (CARD_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_nothing_else_is_left_in_the_parent(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_existing_folder_needs_overwrite(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="use overwrite"):
        write_model_folder(folder, small_state(), CARD)
    write_model_folder(folder, {"one": torch.ones(1)}, CARD, overwrite=True)
    assert list(read_model_folder(folder)[0]) == ["one"]


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(CheckpointError, match="it is not a model"):
        write_model_folder(tmp_path, small_state(), CARD, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError) as error:
        write_model_folder(tmp_path / "file" / "model", small_state(), CARD)
    assert "cannot be written" in one_line(error)


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError) as error:
        read_model_folder(folder)
    assert f"{name} does not exist" in one_line(error)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere does not exist"):
        read_model_folder(tmp_path / "nowhere")


def test_changed_weights_fail_the_checksum(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(CheckpointError) as error:
        read_model_folder(folder)
    assert "changed or truncated" in one_line(error)


def test_truncated_safetensors_with_a_right_checksum_is_one_line(folder: Path) -> None:
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:100])
    raw = yaml.safe_load((folder / CARD_FILE).read_text())
    raw["weights_sha256"] = file_sha256(weights)
    (folder / CARD_FILE).write_text(yaml.safe_dump(raw))
    with pytest.raises(CheckpointError) as error:
        read_model_folder(folder)
    assert "not a complete safetensors file" in one_line(error)


def test_weights_outside_of_the_folder_are_not_read(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / WEIGHTS_FILE, tmp_path / "outside.safetensors")
    raw = yaml.safe_load((folder / CARD_FILE).read_text())
    raw["weights_file"] = "../outside.safetensors"
    (folder / CARD_FILE).write_text(yaml.safe_dump(raw))
    with pytest.raises(CheckpointError, match="does not exist"):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: [1, 2", "not valid YAML"),
        ("- a\n- b\n", "expected a mapping"),
        ("", "expected a mapping"),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_malformed_yaml_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(CheckpointError) as error:
        read_mapping(tmp_path / "card.yaml")
    assert reason in one_line(error)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes(b"\xff\xfe\xfa name: 1")
    with pytest.raises(CheckpointError) as error:
        read_mapping(tmp_path / "card.yaml")
    assert "not valid YAML" in one_line(error)


def test_octopi_pair_gives_tensors_and_mapping() -> None:
    state, raw = read_octopi_pair(
        OCTOPI / "Unet" / "model_config.yaml", OCTOPI / "Unet" / "best_model.pth"
    )
    assert raw["model"]["architecture"] == "Unet"
    assert raw["labels"] == {"apo-ferritin": 1, "ribosome": 2, "virus-like-particle": 3}
    assert all(tensor.dtype == torch.float32 for tensor in state.values())


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_truncated_octopi_weights_are_one_line(tmp_path: Path, share: float) -> None:
    data = (OCTOPI / "Unet" / "best_model.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError) as error:
        read_torch_weights(tmp_path / "cut.pth")
    assert "cut.pth" in one_line(error)


def test_damaged_octopi_weights_never_escape_as_another_error(tmp_path: Path) -> None:
    data = (OCTOPI / "Unet" / "best_model.pth").read_bytes()
    generator = torch.Generator().manual_seed(5)
    for number in range(60):
        broken = bytearray(data)
        reach = 3000 if number % 2 else len(data)
        for place in torch.randint(reach, (4,), generator=generator).tolist():
            broken[place] ^= 0x5A
        (tmp_path / "broken.pth").write_bytes(broken)
        with suppress(CheckpointError):
            state = read_torch_weights(tmp_path / "broken.pth")
            assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def test_malicious_weights_do_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    torch.save({"weight": Payload(mark)}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError) as error:
        read_torch_weights(tmp_path / "bad.pth")
    assert "--trust-checkpoint" in one_line(error)
    assert not mark.exists()


def test_malicious_plain_pickle_does_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    (tmp_path / "bad.pth").write_bytes(pickle.dumps({"weight": Payload(mark)}))
    with pytest.raises(CheckpointError) as error:
        read_torch_weights(tmp_path / "bad.pth")
    one_line(error)
    assert not mark.exists()


def test_trust_unpickles(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    torch.save({"weight": torch.ones(2), "extra": Payload(mark)}, tmp_path / "own.pth")
    with pytest.raises(CheckpointError, match="these are not tensors: extra"):
        read_torch_weights(tmp_path / "own.pth", trust=True)
    assert mark.exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {}, {"epoch": 3}])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="state dict"):
        read_torch_weights(tmp_path / "other.pth")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.pth do not exist"):
        read_torch_weights(tmp_path / "nothing.pth")
