"""``--cryosiam-config`` of segment and localize: CryoSiam's YAML files as they are."""

import time
from pathlib import Path

import click
from click.core import ParameterSource

from copick_picker.cli.command import CONSOLE_OPTIONS, Flags

_TAKEN = {
    *("cryosiam_config", "run_names", "shard", "overwrite", "dry_run", "json_file"),
    *("config", "output", "object_map", "objects"),
}
_TAKEN_BY_SEGMENT = {
    *("input", "device", "threads", "window_batch", "trust_checkpoint", "postprocess_only")
}


def run_cryosiam(name: str, flags: Flags) -> None:
    """Run a command with CryoSiam's YAML in place of a project and a model, where one is given.

    Parameters
    ----------
    name : str
        ``segment`` or ``localize``.
    flags : dict
        Values of the command line; without ``cryosiam_config`` it is only taken out.

    Raises
    ------
    click.UsageError
        If an option is given that has no meaning then.
    """
    from copick_picker.cli.console import execute

    if flags["cryosiam_config"] is None:
        del flags["cryosiam_config"]
        return
    known = _TAKEN | _TAKEN_BY_SEGMENT if name == "segment" else _TAKEN
    context = click.get_current_context()
    given = set()
    for parameter in context.command.params:
        field = getattr(parameter, "field", parameter.name)
        if context.get_parameter_source(str(parameter.name)) != ParameterSource.COMMANDLINE:
            continue
        given.add(field)
        if field not in known and field not in CONSOLE_OPTIONS:
            option = next(part for part in parameter.opts if part.startswith("--"))
            text = (
                f"{option} does not apply with --cryosiam-config; convert the checkpoint "
                "(copick-picker model convert) and use --model"
            )
            raise click.UsageError(text)
    # a project of the environment is not meant: the YAML file says where results go
    unasked = set[str]() if "config" in given else {"config"}
    job = {option: context.params[option] for option in CONSOLE_OPTIONS}
    if job["log"] is None:
        job["log"] = _log_of(name, flags)
    execute(
        name,
        workflow=f"copick_picker.workflows.cryosiam.{name}:cryosiam_{name}",
        settings="copick_picker.settings.cryosiam:CryosiamJob",
        flags={field: value for field, value in flags.items() if field in known - unasked},
        job=job,
    )


def _log_of(name: str, flags: Flags) -> str | None:
    """Return the log file in the ``log_dir`` of the YAML file, if it names one."""
    from copick_picker.settings.cryosiam import cryosiam_log

    stamp = time.strftime("%Y%m%d-%H%M%S")
    file = cryosiam_log(Path(flags["cryosiam_config"]), f"{name}-{stamp}.log")
    return None if file is None else str(file)
