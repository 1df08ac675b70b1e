"""Trained generators that come with vidgen: ``vidgen.load("zoo:gan-camera")``.

Each is one model file beside this one, as `vidgen export` writes it, named after its generator and
the source of the clips it learned from. What it is, what it scores, how it is trained again and
what is wrong with it stands on the card inside; `vidgen list zoo` shows all of them.
"""

from __future__ import annotations

from pathlib import Path

from vidgen.registry import suggest

PREFIX = "zoo:"
"""Before a name, where a run folder or a file might stand."""

_FOLDER = Path(__file__).parent
SUFFIX = ".safetensors"
"""Of model files."""


def names() -> list[str]:
    """The names of all models, sorted."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _FOLDER.glob(f"*{SUFFIX}"))


def path(name: str) -> Path:
    """The file of a model.

    Args:
        name: with or without `PREFIX`.

    Raises:
        vidgen.registry.UnknownNameError: if there is none of the name, with near misses.
    """
    name = name.removeprefix(PREFIX)
    if name not in names():
        raise suggest(name, names(), "model of the zoo")
    return _FOLDER / f"{name}{SUFFIX}"
