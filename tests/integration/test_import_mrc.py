"""A folder of MRC files into a project, through the real command line."""

import bz2
import gzip
import struct
import subprocess
import sys

import copick
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner

from copick_picker.cli.main import console
from copick_picker.project.copick.making import add_tomogram, create_project
from copick_picker.project.formats.mrc_stream import read_block, read_header
from copick_picker.records.keys import TomogramKey
from copick_picker.records.runs import ObjectSpec
from projects import noise, run_folder, temporaries, tree

SHAPE = (5, 7, 9)
VOLUME = np.random.default_rng(0).integers(0, 15, size=SHAPE).astype(np.float32)
MODES = {
    "int8": (0, "i1"),
    "int16": (1, "i2"),
    "float32": (2, "f4"),
    "uint16": (6, "u2"),
    "float16": (12, "f2"),
}


def run(*arguments, code=0):
    result = CliRunner().invoke(console, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback (most" not in result.output
    return " ".join(result.output.split())


def mrc_bytes(volume, *, mode=2, kind="f4", order="<", spacing=10.0, extended=0, axes=(1, 2, 3)):
    """Return an MRC file by its specification, independent of any library."""
    n_z, n_y, n_x = volume.shape
    header = bytearray(1024)
    struct.pack_into(f"{order}4i", header, 0, n_x, n_y, n_z, mode)
    struct.pack_into(f"{order}3i", header, 28, n_x, n_y, n_z)
    struct.pack_into(f"{order}3f", header, 40, n_x * spacing, n_y * spacing, n_z * spacing)
    struct.pack_into(f"{order}3i", header, 64, *axes)
    struct.pack_into(f"{order}i", header, 92, extended)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0"
    return bytes(header) + bytes(extended) + volume.astype(f"{order}{kind}").tobytes()


def whole(path):
    header = read_header(path, name=path)
    return read_block(path, header, (0, 0, 0), header.shape_zyx), header


@pytest.fixture
def config(tmp_path):
    return create_project(tmp_path / "p", [ObjectSpec("ribosome", 1, 150.0)], name="empty")


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "tomograms"
    place.mkdir()
    return place


def stored(config, run_name, key="wbp", spacing=10.0):
    tomogram = copick.from_file(str(config)).get_run(run_name).get_voxel_spacing(spacing)
    return zarr.open_group(tomogram.get_tomograms(key)[0].zarr(), mode="r")


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("name", MODES)
def test_every_mode_and_byte_order_is_read(tmp_path, name, order):
    mode, kind = MODES[name]
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc_bytes(VOLUME, mode=mode, kind=kind, order=order, extended=160))
    volume, header = whole(path)
    assert np.array_equal(volume, VOLUME)
    assert header.voxel_spacing == 10.0
    with mrcfile.open(path) as file:
        assert np.array_equal(file.data, VOLUME)


def test_imods_bytes_and_half_bytes_are_read(tmp_path):
    raw = bytearray(mrc_bytes(VOLUME * 17, mode=0, kind="u1"))
    struct.pack_into("<2i", raw, 152, 1146047817, 0)
    (tmp_path / "bytes.mrc").write_bytes(raw)
    assert np.array_equal(whole(tmp_path / "bytes.mrc")[0], VOLUME * 17)
    rows = np.pad(VOLUME.astype(np.uint8), ((0, 0), (0, 0), (0, 1)))
    packed = rows[..., 0::2] | rows[..., 1::2] << 4
    head = mrc_bytes(VOLUME, mode=101, kind="f4")[:1024]
    (tmp_path / "half.mrc").write_bytes(head + packed.tobytes())
    assert np.array_equal(whole(tmp_path / "half.mrc")[0], VOLUME)


@pytest.mark.parametrize("axes", [(1, 2, 3), (2, 1, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
def test_axes_are_put_in_order_in_every_block(tmp_path, axes):
    columns, rows, sections = axes
    order = {1: 2, 2: 1, 3: 0}
    kept = VOLUME.transpose([order[axis] for axis in (sections, rows, columns)])
    path = tmp_path / "a.mrc"
    path.write_bytes(mrc_bytes(kept, axes=axes))
    header = read_header(path, name=path)
    assert header.shape_zyx == SHAPE
    block = read_block(path, header, (1, 2, 3), (4, 6, 8))
    assert np.array_equal(block, VOLUME[1:4, 2:6, 3:8])


def test_a_folder_becomes_runs_with_copicks_own_pyramid(config, folder):
    volume = noise((37, 21, 270), seed=1)
    data = mrc_bytes(volume, spacing=7.84)
    (folder / "TS 1 (good).mrc").write_bytes(data)
    (folder / "TS_2.rec").write_bytes(data)
    (folder / "TS_3.mrc.gz").write_bytes(gzip.compress(data))
    (folder / "TS_4.mrc.bz2").write_bytes(bz2.compress(data))
    (folder / "notes.txt").write_text("not a tomogram")
    names = folder.parent / "names.csv"
    output = run("import", "mrc", folder, "-c", config, "--names", names)
    assert "TS 1 (good).mrc TS-1-good" in output
    assert names.read_text().splitlines()[1] == "TS-1-good,TS 1 (good).mrc"
    add_tomogram(config, "reference", TomogramKey("wbp", 7.84), volume)
    expected = stored(config, "reference", spacing=7.84)
    for run_name in ("TS-1-good", "TS_2", "TS_3", "TS_4"):
        found = stored(config, run_name, spacing=7.84)
        assert sorted(found) == ["0", "1", "2"]
        for level in "012":
            assert np.array_equal(found[level][:], expected[level][:])
        ours = found.attrs["multiscales"][0]
        copicks = expected.attrs["multiscales"][0]
        assert ours["axes"] == copicks["axes"]
        assert ours["datasets"] == copicks["datasets"]


def test_blocks_fit_together_where_there_are_several(config, folder):
    volume = noise((3, 300, 530), seed=2)
    (folder / "wide.mrc").write_bytes(mrc_bytes(volume))
    run("import", "mrc", folder, "-c", config)
    add_tomogram(config, "reference", TomogramKey("wbp", 10.0), volume)
    for level in "012":
        found = stored(config, "wide")[level][:]
        assert np.array_equal(found, stored(config, "reference")[level][:])


def test_what_is_stored_is_skipped_and_never_replaced(config, folder):
    (folder / "TS_1.mrc").write_bytes(mrc_bytes(VOLUME))
    run("import", "mrc", folder, "-c", config)
    before = tree(config.parent)
    (folder / "TS_2.mrc").write_bytes(mrc_bytes(VOLUME + 1))
    assert "1 done, 1 skipped" in run("import", "mrc", folder, "-c", config)
    (folder / "TS_1.mrc").write_bytes(mrc_bytes(VOLUME[:, :, 1:]))
    output = run("import", "mrc", folder, "-c", config, code=1)
    assert "TS_1 failed" in output
    assert "was made with other settings" in output
    assert {name: tree(config.parent)[name] for name in before} == before
    run("import", "mrc", folder, "-c", config, "--overwrite", "-r", "TS_1")
    assert stored(config, "TS_1")["0"].shape == (5, 7, 8)


def test_a_faulty_file_is_named_and_leaves_nothing_while_the_others_come_in(config, folder):
    good = mrc_bytes(VOLUME)
    broken = VOLUME.copy()
    broken[2, 3, 4] = np.nan
    (folder / "a.mrc").write_bytes(good[:-4])
    (folder / "b.mrc").write_bytes(mrc_bytes(broken))
    (folder / "c.mrc").write_bytes(good[:500])
    (folder / "d.mrc").write_bytes(bytes(2000))
    (folder / "e.mrc").write_bytes(mrc_bytes(VOLUME, spacing=1.0))
    (folder / "f.mrc").write_bytes(mrc_bytes(VOLUME, mode=4, kind="c8"))
    (folder / "g.mrc.gz").write_bytes(gzip.compress(good)[:-30])
    (folder / "h.mrc.bz2").write_bytes(b"no such data")
    (folder / "z.mrc").write_bytes(good)
    output = run("import", "mrc", folder, "-c", config, code=1)
    for text in (
        "a.mrc is truncated: 2280 bytes, 2284 expected for 9 x 7 x 5 voxels of mode 2",
        "b.mrc: 1 voxels are NaN or infinite",
        "c.mrc has 500 bytes",
        "d.mrc is not an MRC file",
        "e.mrc states voxels of 1 A",
        "f.mrc has mode 4 (complex floats)",
        "g.mrc.gz is truncated",
        "cannot read",
        "1 done, 8 failed",
    ):
        assert text in output
    runs = config.parent / "project" / "ExperimentRuns"
    assert sorted(path.name for path in runs.iterdir()) == ["z"]
    assert not temporaries(config.parent)


def test_a_spacing_that_is_given_wins(config, folder):
    (folder / "TS_1.mrc").write_bytes(mrc_bytes(VOLUME, spacing=0.0))
    output = run("import", "mrc", folder, "-c", config, code=1)
    assert "0 A" in output
    run("import", "mrc", folder, "-c", config, "--spacing", "13.48", "--type", "denoised")
    assert stored(config, "TS_1", "denoised", 13.48)["0"].shape == SHAPE


def test_a_project_is_made_where_there_is_none(tmp_path, folder):
    (folder / "TS_1_10.00Apx.mrc").write_bytes(mrc_bytes(VOLUME))
    config = tmp_path / "new" / "config.json"
    arguments = ("import", "mrc", folder, "-c", config, "--name-pattern", "{run}_10.00Apx")
    assert "--new-object NAME=RADIUS" in run(*arguments, code=2)
    assert "1 planned" in run(*arguments, "--new-object", "ribosome=150", "--dry-run")
    assert not config.exists()
    run(*arguments, "--new-object", "ribosome=150")
    assert run_folder(config, "TS_1").is_dir()
    objects = copick.from_file(str(config)).pickable_objects
    assert [(item.name, item.radius) for item in objects] == [("ribosome", 150.0)]


@pytest.mark.parametrize(
    ("names", "arguments", "texts"),
    [
        ([], [], ["contains no MRC file"]),
        (["a b.mrc", "a-b.mrc"], [], ["a b.mrc and a-b.mrc would both be run 'a-b'"]),
        (["a.mrc", "a.rec"], [], ["would both be run 'a'"]),
        (
            ["a.mrc"],
            ["--name-pattern", "TS_{run}"],
            ["(does not match --name-pattern 'TS_{run}'): a.mrc"],
        ),
        (["._a.mrc", "a.st"], [], ["(hidden): ._a.mrc", "(a raw stack, by its name; --pattern"]),
        (["a.mrc"], ["--pattern", "b*"], ["does not match --pattern 'b*'"]),
        (["a.mrc"], ["--spacing", "-3"], ["--spacing: got '-3'"]),
        (["a.mrc"], ["--type", "a_b"], ["use 'a-b'"]),
        (["a.mrc"], ["-r", "b"], ["no run 'b'"]),
    ],
)
def test_a_wrong_import_is_one_line_and_writes_nothing(config, folder, names, arguments, texts):
    for name in names:
        (folder / name).write_bytes(mrc_bytes(VOLUME))
    before = tree(config.parent)
    output = run("import", "mrc", folder, "-c", config, *arguments, code=2)
    for text in texts:
        assert text in output
    assert tree(config.parent) == before


OTHERS = ("._TS_1.mrc", ".hidden.mrc", "TS_1_ali.mrc", "TS_1_preali_bin4.mrc", "TS_1_half1.mrc")
OTHERS += (
    "TS_1_half2_10.00Apx.mrc",
    "TS_1.st",
    "TS_1.mrcs",
    "TS_1_EVN.mrc",
    "TS_1_odd_7.90Apx.mrc",
)


def runs_of(config):
    return sorted(path.name for path in (config.parent / "project" / "ExperimentRuns").iterdir())


def test_files_that_are_no_tomogram_are_left_out_with_a_line(config, folder):
    for name in ("TS_1.mrc", "P7_ali_7.90Apx.mrc", "half1_TS_9.mrc", *OTHERS):
        (folder / name).write_bytes(mrc_bytes(VOLUME))
    (folder / "._TS_1.mrc").write_bytes(b"\0\5\x16\7" + bytes(2000))
    output = run("import", "mrc", folder, "-c", config, "--names", folder.parent / "names.csv")
    assert runs_of(config) == ["P7_ali_7.90Apx", "TS_1", "half1_TS_9"]
    for name in OTHERS:
        assert name in output.split("Left out", 1)[1]
    assert len((folder.parent / "names.csv").read_text().splitlines()) == 4
    run("import", "mrc", folder, "-c", config, "-r", "!*_half*", "-r", "!half1*")


def test_a_glob_chooses_files_whatever_their_names_say(config, folder):
    for name in ("TS_1_ali.mrc", "TS_1_rec.mrc", "TS_2_ali.mrc", "TS_2.st"):
        (folder / name).write_bytes(mrc_bytes(VOLUME))
    pattern = ("--name-pattern", "{run}_ali")
    output = run("import", "mrc", folder, "-c", config, "--pattern", "*_ali.mrc", *pattern)
    assert runs_of(config) == ["TS_1", "TS_2"]
    assert "Left out (does not match --pattern '*_ali.mrc'): TS_1_rec.mrc, TS_2.st" in output


def test_a_file_that_does_not_fit_the_pattern_is_left_out(config, folder):
    for name in ("rec_TS_1.mrc", "rec_TS_2.mrc", "other.mrc"):
        (folder / name).write_bytes(mrc_bytes(VOLUME))
    output = run("import", "mrc", folder, "-c", config, "--name-pattern", "rec_{run}")
    assert runs_of(config) == ["TS_1", "TS_2"]
    assert "Left out (does not match --name-pattern 'rec_{run}'): other.mrc" in output


def test_a_header_that_tells_of_tilts_or_of_one_image_is_left_out(config, folder):
    tilts = bytearray(mrc_bytes(VOLUME))
    struct.pack_into("<i", tilts, 152, 1146047817)
    struct.pack_into("<h", tilts, 160, 1)
    (folder / "series.mrc").write_bytes(tilts)
    (folder / "image.mrc").write_bytes(mrc_bytes(VOLUME[:1]))
    (folder / "TS_1.mrc").write_bytes(mrc_bytes(VOLUME))
    output = run("import", "mrc", folder, "-c", config)
    assert "series.mrc is a tilt series, by its header: left out" in output
    assert "image.mrc is an image: left out" in output
    assert "2 absent, 1 done" in output
    assert runs_of(config) == ["TS_1"]


def unequal(spacing_z):
    data = bytearray(mrc_bytes(VOLUME))
    struct.pack_into("<f", data, 48, VOLUME.shape[0] * spacing_z)
    return bytes(data)


def test_an_explicit_spacing_overrules_any_header(config, folder):
    (folder / "a.mrc").write_bytes(unequal(12.0))
    (folder / "b.mrc").write_bytes(mrc_bytes(VOLUME, spacing=7.9))
    (folder / "c.mrc").write_bytes(mrc_bytes(VOLUME, spacing=10.0))
    output = run("import", "mrc", folder, "-c", config, "-r", "a", code=1)
    assert (
        "a.mrc has voxels of 10, 10, 12 A (x, y, z); expected cubic voxels: use --spacing A"
        in output
    )
    output = run("import", "mrc", folder, "-c", config, "--spacing", "10")
    assert "a.mrc says 10, 10, 12 (x, y, z) A; using --spacing 10" in output
    assert "b.mrc says 7.9 A; using --spacing 10" in output
    assert "c.mrc says" not in output
    for name in "abc":
        assert stored(config, name, spacing=10.0)["0"].shape == SHAPE


def test_the_table_of_names_holds_any_file_name(config, folder):
    (folder / 'a,b "c".mrc').write_bytes(mrc_bytes(VOLUME))
    names = folder.parent / "names.csv"
    run("import", "mrc", folder, "-c", config, "--names", names)
    assert names.read_text().splitlines()[1] == 'a-b-c,"a,b ""c"".mrc"'


def test_a_missing_folder_is_named(config, tmp_path):
    output = run("import", "mrc", tmp_path / "nowhere", "-c", config, code=2)
    assert "there is no folder" in output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
def test_memory_does_not_grow_with_the_file(config, folder):
    """A file of 1.1 GB comes in with less memory than it has bytes.

    The peak is Linux's VmHWM, in kilobytes: getrusage's would count the process that started it.
    """
    shape = (260, 1024, 1024)
    path = folder / "large.mrc"
    path.write_bytes(mrc_bytes(np.zeros((1, 1, 1), np.float32))[:1024])
    with path.open("r+b") as file:
        head = bytearray(file.read(1024))
        struct.pack_into("<3i", head, 0, *reversed(shape))
        struct.pack_into("<3i", head, 28, *reversed(shape))
        struct.pack_into("<3f", head, 40, *(10.0 * size for size in reversed(shape)))
        file.seek(0)
        file.write(head)
        file.truncate(1024 + 4 * int(np.prod(shape)))
    code = (
        "import sys\nfrom pathlib import Path\nfrom copick_picker.cli.main import console\n"
        "try:\n    console(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "import", "mrc", folder, "-c", config],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(result.stdout.splitlines()[-1]) < 700_000
    assert stored(config, "large")["0"].shape == shape


def test_tiff_stacks_and_zarr_volumes_come_in_too(tmp_path):
    folder = tmp_path / "tomos"
    folder.mkdir()
    about = {"axes": "ZYX", "spacing": 0.75, "unit": "nm"}
    tifffile.imwrite(
        folder / "TS_1.tif", VOLUME, imagej=True, resolution=(1 / 0.75, 1 / 0.75), metadata=about
    )
    tifffile.imwrite(folder / "TS_2.tiff", VOLUME.astype(np.uint8))
    group = zarr.open_group(str(folder / "TS_3.zarr"), mode="w")
    group.create_dataset("s1", data=VOLUME[::2, ::2, ::2], chunks=(2, 2, 2))
    group.create_dataset("s0", data=VOLUME, chunks=(2, 3, 4))
    scales = [("s0", 7.5), ("s1", 15.0)]
    group.attrs["multiscales"] = [
        {
            "axes": [{"name": n, "type": "space", "unit": "angstrom"} for n in "zyx"],
            "datasets": [
                {
                    "path": name,
                    "coordinateTransformations": [{"type": "scale", "scale": [size] * 3}],
                }
                for name, size in scales
            ],
        }
    ]
    zarr.save_array(str(folder / "TS_4.zarr"), VOLUME)
    (folder / "not.zarr").write_text("a file")
    config = tmp_path / "p" / "config.json"
    text = run("import", "mrc", folder, "-c", config, "--new-object", "ribosome=100", code=1)
    assert "2 done, 2 failed" in text
    assert "TS_2.tiff does not give its voxel spacing: use --spacing A" in text
    run("import", "mrc", folder, "-c", config, "--spacing", "7.5")
    root = copick.from_file(str(config))
    for name in ("TS_1", "TS_2", "TS_3", "TS_4"):
        (tomogram,) = root.get_run(name).get_voxel_spacing(7.5).get_tomograms("wbp")
        assert np.array_equal(tomogram.numpy(), VOLUME)
    assert "4 skipped" in run("import", "mrc", folder, "-c", config, "--spacing", "7.5")


def test_what_is_no_volume_in_tiff_and_zarr_is_one_line(tmp_path):
    folder = tmp_path / "tomos"
    folder.mkdir()
    tifffile.imwrite(folder / "flat.tif", VOLUME[0])
    (folder / "cut.tif").write_bytes((folder / "flat.tif").read_bytes()[:60])
    zarr.save_array(str(folder / "four.zarr"), VOLUME[None])
    (folder / "empty.zarr").mkdir()
    (folder / "new.zarr").mkdir()
    (folder / "new.zarr" / "zarr.json").write_text("{}")
    nan = VOLUME.copy()
    nan[1, 2, 3] = np.nan
    zarr.save_array(str(folder / "nan.zarr"), nan)
    config = tmp_path / "p" / "config.json"
    words = ("-c", config, "--new-object", "ribosome=100", "--spacing", 10)
    text = run("import", "mrc", folder, *words, code=1)
    for part in (
        "flat.tif holds an array of 7 x 9; expected one volume (z, y, x)",
        "four.zarr holds an array of 1 x 5 x 7 x 9; expected one volume",
        "new.zarr is a zarr v3 store",
        "cannot read",
        "empty.zarr",
        "nan.zarr",
        "6 failed",
    ):
        assert part in text


def as_compressed_with(path, number):
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            page.tags["Compression"].overwrite(number)


def test_compressed_tiff_is_read_or_says_what_it_needs(tmp_path, capfd):
    folder = tmp_path / "tomos"
    folder.mkdir()
    words = (folder, "-c", tmp_path / "p" / "config.json", "--spacing", 10)
    for name in ("zlib", "lzma"):
        tifffile.imwrite(folder / f"{name}.tif", VOLUME, compression=name, photometric="minisblack")
    assert "2 done" in run("import", "mrc", *words, "--new-object", "ribosome=100")
    whole = (folder / "zlib.tif").read_bytes()
    tifffile.imwrite(folder / "lzw.tif", VOLUME, photometric="minisblack")
    as_compressed_with(folder / "lzw.tif", 5)
    (folder / "cut.tif").write_bytes(whole[:900])
    # the second plane's first bytes
    with tifffile.TiffFile(folder / "zlib.tif") as file:
        start = file.pages[1].dataoffsets[0]
    (folder / "spoilt.tif").write_bytes(whole[:start] + bytes(40) + whole[start + 40 :])
    (folder / "no.tif").write_bytes(b"II*\0" + bytes(30))
    capfd.readouterr()
    text = " ".join(run("import", "mrc", *words, code=1).split())
    assert "lzw.tif is compressed with LZW, which needs the package imagecodecs" in text
    assert "uncompressed or with Deflate (ZIP), LZMA or PackBits" in text
    for name in ("cut", "spoilt", "no"):
        assert f"{name}.tif is damaged" in text or f"{name}.tif is truncated" in text, text
    assert "tifffile" not in "".join(capfd.readouterr())
