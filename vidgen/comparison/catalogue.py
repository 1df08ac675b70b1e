"""Where experiments are found: in ``experiments/`` of a clone or of an install, or in a file."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import sys
from pathlib import Path

import vidgen
from vidgen.comparison.experiment import Experiment
from vidgen.registry import suggest


def folder() -> Path:
    """The folder of the experiments that come with vidgen.

    Raises:
        FileNotFoundError: if the installation has none.
    """
    package = Path(vidgen.__file__).parent
    installed, clone = package / "experiments", package.parent / "experiments"
    # The project file tells a clone from a stray folder beside an install.
    if clone.is_dir() and (package.parent / "pyproject.toml").is_file():
        return clone
    if installed.is_dir():
        return installed
    raise FileNotFoundError(f"no experiments in {installed}: install vidgen anew")


def names() -> list[str]:
    """Names of the experiments that come with vidgen, sorted; nothing is run. Scripts beside them,
    which define none, are left out.
    """
    return sorted(p.stem for p in folder().glob("*.py") if _defines(p))


def _defines(path: Path) -> bool:
    """Whether a file sets ``experiment``."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(to, ast.Name) and to.id == "experiment" for to in node.targets)
        for node in ast.parse(path.read_text()).body
    )


def summary(name: str) -> str:
    """First paragraph of an experiment's docstring; the file is read, not run."""
    tree = ast.parse((folder() / f"{name}.py").read_text())
    return " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())


def find(name: str) -> Experiment:
    """The experiment of a name, or in a Python file that defines ``experiment``.

    Raises:
        vidgen.registry.UnknownNameError: if no experiment bears the name, with near misses.
        FileNotFoundError: if the name is a path, and nothing lies there.
        ValueError: if the file defines no experiment.
    """
    if name.endswith(".py") or "/" in name:
        return load(Path(name).expanduser())
    if name not in names():
        raise suggest(name, names(), "experiment")
    return load(folder() / f"{name}.py")


def load(path: Path) -> Experiment:
    """The experiment that a Python file defines. The file is run: open only what you trust.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it defines no `Experiment` named ``experiment``.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no experiment at {path}")
    spec = importlib.util.spec_from_file_location(f"vidgen_experiment_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses are looked up
    spec.loader.exec_module(module)
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{path} must define `experiment = Experiment(...)`")
    if not experiment.expectation:
        words = inspect.cleandoc(module.__doc__ or "")
        experiment = dataclasses.replace(experiment, expectation=words)
    return experiment
