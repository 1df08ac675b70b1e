"""How a source finds its oracle, and what the judge makes of it."""

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import (
    ClipOracle,
    ClipVerdicts,
    Judge,
    Measure,
    Oracle,
    UnjudgeableError,
    oracle_for,
    oracles,
    register_oracle,
)
from vidgen.evaluation.babyai_oracle import BabyAIOracle
from vidgen.evaluation.oracles import CameraOracle


class Toy:
    """A world in which a clip is right if its first pixel is lit."""

    class Verdicts:
        silence = "a toy knows nothing else"

        def __init__(self, success):
            self.success = success

        def measures(self):
            return {"oracle_success": Measure(kind="proportion", values=self.success)}

        def confusions(self):
            return {}

    def examine(self, clips, real):
        return self.Verdicts(clips.video[:, 0, 0, 0, 0] > 0)

    def broken(self, real, *, seed):
        return {"dark": (real.replace(video=np.zeros_like(real.video)), real)}


@pytest.fixture
def toy_world(held_out, monkeypatch):
    monkeypatch.setattr(oracles, "_builders", dict(oracles._builders))
    monkeypatch.setattr(held_out, "name", "toy")
    return held_out


def test_built_in_sources_find_their_own():
    assert isinstance(oracle_for(source("camera", size=32, frames=8)), CameraOracle)
    assert isinstance(oracle_for(source("babyai")), BabyAIOracle)
    assert isinstance(oracle_for(source("shapes", ground="textured", clips=8)), Oracle)


def test_a_new_world_brings_its_oracle_through_one_door(toy_world, prompts):
    @register_oracle("toy")
    def build(train, seed):
        return Toy()

    judge = Judge(toy_world)
    assert isinstance(judge.oracle, ClipOracle)
    lit = prompts.replace(video=np.full_like(prompts.video, 255))
    assert isinstance(judge.oracle.examine(lit, prompts), ClipVerdicts)
    found = judge.judge(lit, prompts)
    assert found["oracle_success", "text"].value == 1.0
    assert found["oracle_success", "text"].n == 80
    assert found["identity", "all"].note == "a toy knows nothing else"
    assert judge.own_error(lit)["dark"].value == 0.0
    assert judge.own_error(lit)["real"].value == 1.0


def test_a_name_is_taken_once(toy_world):
    register_oracle("toy")(lambda train, seed: Toy())

    def other(train, seed):
        return Toy()

    with pytest.raises(ValueError, match="has an oracle already"):
        register_oracle("toy")(other)


def test_a_missing_package_is_a_reason_and_no_crash(toy_world, prompts):
    @register_oracle("toy")
    def build(train, seed):
        raise ImportError("pip install 'vidgen[toy]'")

    judge = Judge(toy_world)
    assert "vidgen[toy]" in judge.judge(prompts[:4], prompts[:4])["oracle_success", "all"].note
    with pytest.raises(UnjudgeableError, match="toy"):
        judge.own_error(prompts[:4])


def test_a_measure_becomes_the_number_it_says():
    rows = np.array([True, True, False])
    share = Measure(kind="proportion", values=np.array([True, False, True]))
    none, first = np.zeros((3, 3), bool), np.zeros((3, 3), bool)
    first[:2, 0] = True
    assert share.score(rows, given=none, better="higher").value == 0.5
    frames = np.array([[9.0, 1.0, np.nan], [9.0, np.nan, np.nan], [0.0, 0.0, 0.0]])
    mean = Measure(kind="average", values=frames).score(rows, given=first, better="lower")
    assert mean.value == 1.0
    assert "1 of 2 clips have no value" in mean.note
    slope = Measure(kind="drift", values=np.array([[0.0, 1.0, 2.0]] * 3))
    found = slope.score(rows, given=none, better="lower")
    assert found.value == pytest.approx(1.0)
    assert found.better == "lower"
    # A frame that was given is right whatever follows, and no fall from perfection.
    fallen = Measure(kind="drift", values=np.array([[True, False, False]] * 3))
    assert fallen.score(rows, given=first, better="higher").value == 0
