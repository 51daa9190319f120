"""Options that commands share, and octopi's names for them.

The defaults shown in help are those of ``copick_picker.settings``; a test holds them together.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
JOB_OPTIONS = ("settings_file", "log", "verbose")


def hidden(*names: str, **extra: Any) -> Callable[[Command], Command]:
    """Return an option that works and is not shown in help: another program's name for ours."""
    return click.option(*names, hidden=True, **extra)


def job_options(command: Command) -> Command:
    """Add the options that every command over a project takes."""
    for option in reversed(
        [
            click.option(
                "-c",
                "--config",
                metavar="PATH",
                envvar="COPICK_CONFIG",
                show_envvar=True,
                help="copick configuration file of the project.",
            ),
            click.option(
                "-r",
                "--run-names",
                multiple=True,
                metavar="RUN",
                help="Run name, glob, @file with a name a line, or !name to leave out; "
                "repeatable. Default: all runs.",
            ),
            hidden("--run-ids", "-runs", "--runIDs", "run_ids", metavar="A,B"),
            click.option(
                "--objects",
                metavar="A,B",
                help="Only these objects. Default: all.",
            ),
            click.option(
                "--shard",
                metavar="I/N",
                help="Only the I-th of N parts of the runs (for Slurm arrays).",
            ),
            click.option(
                "--split", metavar="NAME", help="Only this split of a Croissant manifest."
            ),
            click.option(
                "--cache",
                metavar="DIR",
                help="Keep remote array data in this folder. Default: no cache on disk.",
            ),
            click.option(
                "--cache-size",
                "cache_gigabytes",
                type=float,
                metavar="GB",
                help="Most that --cache may hold. Default: 20.",
            ),
            click.option(
                "--attempts",
                type=int,
                metavar="N",
                help="How often a remote object is asked for. Default: 4.",
            ),
            click.option(
                "--timeout",
                "timeout_seconds",
                type=float,
                metavar="SECONDS",
                help="How long to wait for a remote store. Default: 60.",
            ),
            click.option(
                "--settings",
                "settings_file",
                metavar="YAML",
                help="File with any of these options; options on the command line win.",
            ),
            click.option("--overwrite", is_flag=True, default=None, help="Replace outputs."),
            click.option(
                "--dry-run",
                is_flag=True,
                default=None,
                help="Say what would be done; write nothing.",
            ),
            click.option(
                "--json", "json_file", metavar="FILE", help="Write a machine-readable summary."
            ),
            click.option(
                "--log",
                metavar="FILE",
                help="Log file with tracebacks. Default: one in the user's cache folder.",
            ),
            click.option("-v", "--verbose", count=True, help="Say more; repeatable."),
        ]
    ):
        command = option(command)
    return command


def target_options(command: Command) -> Command:
    """Add the options of what is painted of reference picks."""
    for option in reversed(
        [
            click.option(
                "--radius", multiple=True, metavar="NAME=A", help="Radius of an object; repeatable."
            ),
            click.option(
                "--target",
                metavar="spheres|points|gaussian|masks",
                show_default="spheres",
                help="What the network learns to paint.",
            ),
            click.option(
                "--target-fraction",
                type=float,
                show_default="0.5",
                help="Radius of the painted sphere, or sigma of the Gaussian, over the particle's "
                "radius.",
            ),
            click.option(
                "--masks", metavar="URI", help="Segmentation that --target masks is cut from."
            ),
        ]
    ):
        command = option(command)
    return command


def job_flags(flags: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (flags for the settings, job options), with octopi's run list folded in.

    Parameters
    ----------
    flags : dict
        All parameters of a command as click gives them.
    """
    flags = dict(flags)
    job = {name: flags.pop(name) for name in JOB_OPTIONS}
    runs = flags.pop("run_ids", None)
    if runs:
        flags["run_names"] = (*flags["run_names"], *names_of(runs))
    return flags, job


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in ``a,b`` or ``[a,b]``.

    Parameters
    ----------
    text : str
        What the user wrote.
    """
    return tuple(name.strip() for name in text.strip("[] ").split(",") if name.strip())


def take_alias(flags: dict[str, Any], name: str, value: object, alias: str) -> None:
    """Store another program's option under our name; refuse both at once.

    Parameters
    ----------
    flags : dict
        Flags of the command, changed in place.
    name : str
        Our field.
    value : object
        Value of the alias, None where not given.
    alias : str
        The option as the user wrote it.
    """
    if value in (None, ()):
        return
    if flags.get(name) not in (None, ()):
        text = f"{alias} and --{name.replace('_', '-')} both given; use one"
        raise click.UsageError(text)
    flags[name] = value


def octopi_segmentation(seg_info: str | None, seg_uri: str | None) -> str | None:
    """Return the segmentation URI that octopi's ``--seg-info`` or ``--seg-uri`` means.

    Parameters
    ----------
    seg_info : str or None
        ``name,user,session`` (before octopi 1.7).
    seg_uri : str or None
        ``name:user/session`` (octopi 1.7).
    """
    if not seg_info:
        return seg_uri
    parts = names_of(seg_info)
    if len(parts) == 1:
        return parts[0]
    if len(parts) != 3:
        text = f"--seg-info: got '{seg_info}'; expected name,user,session"
        raise click.UsageError(text)
    name, user, session = parts
    return f"{name}:{user}/{session}"


def numeric(text: str | None) -> bool:
    """Return whether an option's text is a plain number.

    Parameters
    ----------
    text : str or None
        What the user wrote.
    """
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def pop_all(flags: dict[str, Any], *names: str) -> Mapping[str, Any]:
    """Return and remove several flags.

    Parameters
    ----------
    flags : dict
        Flags of the command, changed in place.
    *names : str
        Which ones.
    """
    return {name: flags.pop(name) for name in names}
