"""Real clips and one judge, built once: fitting a recogniser takes a second or two."""

import pytest

from vidgen.data import source
from vidgen.evaluation import Judge, protocol


@pytest.fixture(scope="session")
def held_out():
    return source("digits", split="test")


@pytest.fixture(scope="session")
def judge():
    return Judge(source("digits", split="train"))


@pytest.fixture(scope="session")
def prompts(held_out):
    """160 prompts: twice each of ten digits in eight directions."""
    return protocol(held_out, n=160, seed=0, context_frames=1)
