"""The machine that a command runs on, for summaries and reports."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

_KIBIBYTE = 1024


def machine_facts() -> dict[str, Any]:
    """Return processor, cores, threads, accelerator and peak memory so far.

    Threads and accelerator are torch's, if the command has loaded it.
    """
    facts: dict[str, Any] = {
        "platform": platform.platform(terse=True),
        "processor": processor_name(),
        "cores": usable_cores(),
        "peak_memory_bytes": peak_memory_bytes(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        facts["threads"] = torch.get_num_threads()
        found = torch.cuda.is_available()
        facts["accelerator"] = torch.cuda.get_device_name() if found else None
    return facts


def processor_name() -> str:
    """Return the processor's name as the system reports it."""
    table = Path("/proc/cpuinfo")
    if table.is_file():
        named = re.search(r"^model name\s*:\s*(.+)$", table.read_text(), re.MULTILINE)
        if named:
            return named[1].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_memory_bytes() -> int | None:
    """Return the largest resident memory of this process so far; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIBIBYTE
