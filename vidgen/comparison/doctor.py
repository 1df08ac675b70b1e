"""What this machine and this installation are, for a bug report and for a reader of results, and
what to do about what is amiss.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from vidgen.comparison.folder import revision
from vidgen.evaluation.features import BROUGHT, MissingWeightsError
from vidgen.evaluation.features.clip import find_clip
from vidgen.pretrained.packaged import I3D_KINETICS400, LPIPS_ALEX, LPIPS_VGG, Packaged
from vidgen.pretrained.weights import digest
from vidgen.text import contextual, minilm
from vidgen.training.cost import processor

EXTRAS = {
    "report": "the page that every comparison ends in",
    "video": "files of video, in and out",
    "app": "the page of vidgen serve",
    "metrics": "I3D, LPIPS and optical flow",
    "detection": "average precision of detectors",
    "text": "text encoders: MiniLM, BERT, T5, CLIP, GPT-2, word2vec",
    "tune": "vidgen tune",
    "ray": "--executor ray",
    "s3": "run folders in buckets of S3",
    "gs": "run folders in buckets of GCS",
    "babyai": "the source babyai",
    "camera": "the source camera",
    "tfds": "the sources tfds:NAME",
}
"""Extras of this distribution, and what each is for."""

NEEDED = ("report",)
"""Those without which `vidgen compare` does not come to its end."""

_PACKAGED = {"i3d": I3D_KINETICS400, "lpips-alex": LPIPS_ALEX, "lpips-vgg": LPIPS_VGG}

_LEAST_DISK = 2**30
"""Bytes; `quick` leaves 0.3 GB behind, and a checkpoint that does not fit ends a training."""
_LEAST_MEMORY = 4 * 2**30
"""Bytes; `quick` takes 3.6 GB."""

_ACCELERATORS = {
    "/dev/nvidiactl": "an NVIDIA GPU is here: pip install 'jax[cuda13]', or 'jax[cuda12]' for an "
    "older driver",
    "/dev/kfd": "an AMD GPU is here: see https://docs.jax.dev/en/latest/installation.html",
    "/dev/accel0": "a TPU is here: pip install 'jax[tpu]'",
}
"""Device files, and what is missing where JAX computes on the CPU beside them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One fact.

    Attributes:
        what: it is about.
        found: in words.
        value: where it is a number: bytes, FLOP/s or bytes/s.
        advice: what to do about it; empty where all is well.
        missing: whether something needed is missing, so that no result can be had before.
    """

    what: str
    found: str
    value: float | None = None
    advice: str = ""
    missing: bool = False


def examine() -> list[Finding]:
    """Look at everything. Measures the matmul peak and the copy bandwidth, which takes seconds."""
    return [*_versions(), *_machine(), *_devices(), *_extras(), *_weights()]


def _versions() -> Iterator[Finding]:
    yield Finding(what="python", found=platform.python_version())
    try:
        yield Finding(what="vidgen", found=metadata.version("vidgen"))
    except metadata.PackageNotFoundError:
        advice = "pip install -e . in the clone: which packages it needs is not known"
        yield Finding(what="vidgen", found="not installed", advice=advice)
    for requirement in _requirements(""):
        found = _installed(requirement)
        fits = requirement.specifier.contains(found or "", prereleases=True) if found else False
        yield Finding(
            what=requirement.name,
            found=found or "absent",
            advice="" if fits else f"pip install '{_plain(requirement)}'",
            missing=not fits,
        )
    yield Finding(what="jaxlib", found=_installed(Requirement("jaxlib")) or "absent")
    yield Finding(what="revision", found=revision() or "not a clone")


def _machine() -> Iterator[Finding]:
    yield Finding(what="machine", found=platform.platform())
    yield Finding(what="processor", found=processor())
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    yield Finding(what="cores", found=f"{cores} ({usable} usable)", value=float(usable))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    idle = load <= 0.5
    yield Finding(
        what="load",
        found=f"{load:.1f} running processes in the last minute",
        value=load,
        advice="" if idle else "times are not to be cited before it is idle; steps and FLOPs are",
    )
    yield _memory()
    disk = shutil.disk_usage(Path.cwd())
    little, writable = disk.free < _LEAST_DISK, os.access(Path.cwd(), os.W_OK)
    yield Finding(
        what="disk here",
        found=f"{_gib(disk.free)} free of {_gib(disk.total)}" + ("" if writable else ", read-only"),
        value=float(disk.free),
        advice="make room, or write elsewhere: --out FOLDER" if little or not writable else "",
        missing=little or not writable,
    )


def _memory() -> Finding:
    try:
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total, free = (int(facts[k].split()[0]) * 1024 for k in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return Finding(what="memory", found="unknown")
    return Finding(
        what="memory",
        found=f"{_gib(free)} available of {_gib(total)}",
        value=float(free),
        advice="close what else is open, or train smaller batches: vidgen compare EXPERIMENT "
        "--estimate 1e11 says what each phase takes"
        if free < _LEAST_MEMORY
        else "",
    )


def _devices() -> Iterator[Finding]:
    import jax

    from vidgen.training.peak import copy_bandwidth, matmul_peak, peak_dtype

    try:
        devices = jax.local_devices()
    except RuntimeError as error:  # JAX_PLATFORMS names what is not here
        advice = "unset JAX_PLATFORMS, or JAX_PLATFORMS=cpu to compute without it"
        yield Finding(what="devices", found=str(error), advice=advice, missing=True)
        return
    unused = [words for path, words in _ACCELERATORS.items() if Path(path).exists()]
    for device in devices:
        room = (device.memory_stats() or {}).get("bytes_limit")
        yield Finding(
            what=f"device {device.id}",
            found=f"{device.device_kind} ({device.platform})"
            + (f", {_gib(room)} for JAX" if room else ""),
            value=float(room) if room else None,
            advice="; ".join(unused) if device.platform == "cpu" else "",
        )
    peak, copied = matmul_peak(), copy_bandwidth()
    rate = f"{peak / 1e9:,.0f} GFLOP/s in {peak_dtype().name}"
    yield Finding(what="matmul peak", found=rate, value=peak)
    yield Finding(what="copy bandwidth", found=f"{copied / 1e9:,.1f} GB/s", value=copied)


def _extras() -> Iterator[Finding]:
    for extra, purpose in EXTRAS.items():
        installed, wanting = [], []
        for requirement in _requirements(extra):
            found = _installed(requirement)
            if found is None:
                wanting.append(f"{requirement.name} is absent")
            elif not requirement.specifier.contains(found, prereleases=True):
                wanting.append(f"{requirement.name} {found} is not {requirement.specifier}")
            else:
                installed.append(f"{requirement.name} {found}")
        yield Finding(
            what=f"vidgen[{extra}]",
            found=", ".join(wanting or installed),
            advice=f"for {purpose}: pip install 'vidgen[{extra}]'" if wanting else "",
            missing=bool(wanting) and extra in NEEDED,
        )


def _weights() -> Iterator[Finding]:
    for name, packaged in _PACKAGED.items():
        yield _of_package(name, packaged)
    yield _minilm()
    places = {name: brought.find for name, brought in BROUGHT.items()}
    for name, find in {**places, "clip": lambda: find_clip() / contextual.WEIGHTS}.items():
        try:
            path = find()
            yield Finding(what=name, found=f"{path}, sha256 {digest(path)}")
        except MissingWeightsError as reason:
            yield Finding(what=name, found="absent", advice=str(reason))


def _minilm() -> Finding:
    folder = minilm.here()
    weights = None if folder is None else folder / contextual.WEIGHTS
    if weights is None or not weights.is_file():
        found = "absent" if weights is None else f"{weights} is absent"
        return Finding(what="minilm", found=found, advice=minilm.HOW)
    found = digest(weights)
    right = found == minilm.SHA256
    return Finding(
        what="minilm",
        found=f"{weights}, sha256 {found}" + ("" if right else f", not {minilm.SHA256}"),
        advice="" if right else f"it is another or damaged, and will not be used: {minilm.HOW}",
    )


def _of_package(name: str, packaged: Packaged) -> Finding:
    try:
        path = packaged.path()
    except MissingWeightsError as reason:
        return Finding(what=name, found="absent", advice=str(reason))
    found = digest(path)
    right = found == packaged.sha256
    return Finding(
        what=name,
        found=f"{path}, sha256 {found}" + ("" if right else f", not {packaged.sha256}"),
        advice=""
        if right
        else "it is damaged and will not be opened: pip install --force-reinstall --no-deps "
        f"{packaged.distribution}",
    )


def _requirements(extra: str) -> list[Requirement]:
    """What an extra of this distribution brings here, or with "" what it cannot do without; nothing
    where it is not installed.
    """
    try:
        declared = [Requirement(line) for line in metadata.requires("vidgen") or []]
    except metadata.PackageNotFoundError:
        return []

    def applies(requirement: Requirement, extra: str) -> bool:
        return requirement.marker is None or requirement.marker.evaluate({"extra": extra})

    always = [one for one in declared if applies(one, "")]
    if not extra:
        return always
    return [one for one in declared if applies(one, extra) and one not in always]


def _installed(requirement: Requirement) -> str | None:
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return None


def _plain(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _gib(count: float | int) -> str:
    return f"{count / 2**30:.1f} GiB"
