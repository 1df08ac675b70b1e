"""The references that benchmarks compare with, and I3D compiled once."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="session")
def parity():
    """benchmarks/parity.py, for its references and its clips."""
    spec = importlib.util.spec_from_file_location("parity", BENCHMARKS / "parity.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["parity"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def i3d():
    from vidgen.evaluation.features import load_i3d

    return load_i3d()
