"""What this machine and this installation are, for a bug report and for a reader of results."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from vidgen.comparison.folder import surroundings
from vidgen.evaluation.features import BROUGHT, Brought, MissingWeightsError

OPTIONAL = {
    "matplotlib": "report",
    "jinja2": "report",
    "tensorboardX": "report",
    "av": "video",
    "optuna": "tune",
}
"""Optional packages, and the extra that brings each."""


def examine() -> list[tuple[str, str]]:
    """(what, finding) by what. Measures the matmul peak, which takes a few seconds."""
    import jax

    from vidgen.training.peak import matmul_peak, peak_dtype

    found = surroundings()
    lines = [(package, version) for package, version in found["versions"].items()]
    lines += [
        ("revision", found["revision"] or "not a clone"),
        ("machine", found["machine"]),
        ("processor", found["processor"]),
        ("device", found["device"]),
        ("cores", f"{found['cores']} ({len(os.sched_getaffinity(0))} usable)")
        if hasattr(os, "sched_getaffinity")
        else ("cores", str(found["cores"])),
        ("memory", _memory()),
    ]
    for device in jax.local_devices():
        stats = device.memory_stats() or {}
        if "bytes_limit" in stats:
            lines.append((f"memory of {device}", _gib(stats["bytes_limit"])))
    disk = shutil.disk_usage(Path.cwd())
    lines.append(("disk here", f"{_gib(disk.free)} free of {_gib(disk.total)}"))
    lines.append(("matmul peak", f"{matmul_peak() / 1e9:,.0f} GFLOP/s in {peak_dtype().name}"))
    for package, extra in OPTIONAL.items():
        here = importlib.util.find_spec(package) is not None
        lines.append((package, "installed" if here else f"absent: pip install 'vidgen[{extra}]'"))
    return lines + [(name, _file(brought)) for name, brought in BROUGHT.items()]


def _file(brought: Brought) -> str:
    """Where weights that users bring are, or how to get them."""
    try:
        return str(brought.find())
    except MissingWeightsError as reason:
        return str(reason)


def _memory() -> str:
    try:
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(facts[k].split()[0]) * 1024 for k in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return "unknown"
    return f"{_gib(free)} available of {_gib(total)}"


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
