"""``--cryosiam-config`` of segment and localize: CryoSiam's YAML files as they are."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from copick_picker.jobs.summary import Summary
    from copick_picker.settings.cryosiam import CryosiamJob

_TAKEN = {
    "segment": {
        *("device", "threads", "window_batch", "trust_checkpoint", "postprocess_only"),
        "input",
    },
    "localize": set[str](),
}
_ALWAYS = {
    *("cryosiam_config", "run_names", "shard", "overwrite", "dry_run", "json_file"),
    *("config", "output", "object_map", "objects"),
}


def run_cryosiam(command: str, flags: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Run a command with CryoSiam's YAML in place of a project and a model.

    Parameters
    ----------
    command : str
        ``segment`` or ``localize``.
    flags, job : mapping
        As ``job_flags`` returns them.
    """
    from copick_picker.cli.console import execute

    known = _ALWAYS | _TAKEN[command]
    context = click.get_current_context()
    given = {
        name for name in flags if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    for name in flags:
        if name in given - known:
            option = "--" + name.replace("_", "-")
            text = (
                f"{option} has no meaning with --cryosiam-config; convert the checkpoint "
                "(copick-picker model convert) and use --model"
            )
            raise click.UsageError(text)
    # a project of the environment is not meant: the YAML file says where results go
    unasked = set[str]() if "config" in given else {"config"}
    taken = {name: value for name, value in flags.items() if name in known - unasked}
    workflow = _segment if command == "segment" else _localize
    execute(command, workflow=workflow, settings=_settings, flags=taken, job=job)


def _settings() -> "type[CryosiamJob]":
    from copick_picker.settings.cryosiam import CryosiamJob

    return CryosiamJob


def _segment() -> "Callable[..., Summary]":
    from copick_picker.workflows.cryosiam.segment import cryosiam_segment

    return cryosiam_segment


def _localize() -> "Callable[..., Summary]":
    from copick_picker.workflows.cryosiam.localize import cryosiam_localize

    return cryosiam_localize
