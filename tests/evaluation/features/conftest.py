"""The references that benchmarks compare with, and I3D compiled once."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def parity(load_benchmark):
    """benchmarks/parity.py, for its references and its clips."""
    return load_benchmark("parity")


@pytest.fixture(scope="session")
def i3d():
    from vidgen.evaluation.features import load_i3d

    return load_i3d()
