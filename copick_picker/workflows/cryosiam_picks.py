"""CryoSiam's ``semantic_to_centers``: its predictions to ``labels_k.csv`` and STAR."""

from pathlib import Path

from copick_picker.core.localize.eroded import eroded_components
from copick_picker.errors import ConflictError, SettingsError, choices_text
from copick_picker.project.cryosiam_files import SUFFIX, Row, csv_text, read_labels, star_text
from copick_picker.project.files import write_text
from copick_picker.records import RunOutcome
from copick_picker.settings.cryosiam import CryosiamConfig, CryosiamJob
from copick_picker.workflows.cryosiam import read_and_warn
from copick_picker.workflows.runs import Reporter, Summary, process_runs, select_runs


def cryosiam_localize(settings: CryosiamJob, *, reporter: Reporter) -> Summary:
    """Make one CSV and one STAR file a class of all predictions of a folder.

    The files are written when every prediction could be read: a merged file never lacks a tomogram
    without a word.

    Parameters
    ----------
    settings : CryosiamJob
        Which YAML file, which predictions.
    reporter : Reporter
        Where progress goes.

    Raises
    ------
    SettingsError
        If the YAML file is wrong or the folder has no predictions.
    ConflictError
        If files stand there that say something else, and ``overwrite`` is not set.
    """
    config = read_and_warn(settings, reporter)
    found = _predictions(config)
    names = select_runs(list(found), settings.run_names, shard=settings.shard)
    rows: dict[int, list[Row]] = {label: [] for label in config.parameters.network.classes}

    def work(name: str) -> RunOutcome:
        return _picks(name, found[name], config, rows)

    summary = process_runs("localize", names, work, reporter=reporter)
    if summary.exit_code:
        reporter.warn("no CSV or STAR was written; leave a broken file out with -r '!NAME'")
    else:
        _write(settings, config, rows, reporter)
    if settings.json_file is not None:
        summary.write(settings.json_file)
    return summary


def _predictions(config: CryosiamConfig) -> dict[str, Path]:
    """Return tomogram -> its prediction, by name."""
    folder = config.prediction_folder
    paths = sorted(folder.glob("*.h5")) if folder.is_dir() else []
    if not paths:
        msg = f"prediction_folder {folder} has no .h5 file: run segment first"
        raise SettingsError(msg)
    return {path.name.removesuffix(SUFFIX).removesuffix(".h5"): path for path in paths}


def _picks(name: str, path: Path, config: CryosiamConfig, rows: dict[int, list[Row]]) -> RunOutcome:
    labels = read_labels(path)
    network = config.parameters.network
    counts = {}
    for label, of_label in rows.items():
        limit = network.least_voxels(label)
        found = eroded_components(labels, label, more_than_voxels=limit)
        parts = zip(found.numbers, found.voxel_counts, found.centres_zyx, strict=True)
        for number, voxels, (z, y, x) in parts:
            of_label.append((int(number), int(voxels), float(z), float(y), float(x), name))
        counts[str(label)] = len(found.numbers)
    text = ", ".join(f"label {label}: {count}" for label, count in counts.items())
    return RunOutcome(name, "done", text, {"input": str(path), "picks": counts})


def _write(
    settings: CryosiamJob, config: CryosiamConfig, rows: dict[int, list[Row]], reporter: Reporter
) -> None:
    """Write what is new; refuse to replace what says something else."""
    texts = {}
    for label, of_label in rows.items():
        folder = config.prediction_folder
        texts[folder / f"labels_{label}.csv"] = csv_text(of_label)
        texts[folder / f"labels_{label}_particles.star"] = star_text(of_label)
    new = {
        path: text
        for path, text in texts.items()
        if not path.exists() or path.read_bytes() != text.encode()
    }
    standing = [path.name for path in new if path.exists()]
    if standing and not settings.overwrite:
        msg = (
            f"{config.prediction_folder} has {choices_text(standing)}, which say something else; "
            "use --overwrite"
        )
        raise ConflictError(msg)
    if not settings.dry_run:
        for path, text in new.items():
            write_text(path, text)
    verb = "would be written" if settings.dry_run else "written"
    unchanged = len(texts) - len(new)
    reporter.note(f"{config.prediction_folder}: {len(new)} files {verb}, {unchanged} unchanged")
