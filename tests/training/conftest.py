"""Puts the toy generator within reach, here and in the processes that tests start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

import toy

from vidgen.training import Trained, train


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """The toy's run that nothing disturbed: its folder and what came of it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, train(toy.Toy(), **toy.setting(folder=folder))
