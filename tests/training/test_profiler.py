"""`--profile`: a trace of each phase, of which training knows nothing."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import signal

import jax
import numpy as np
import pytest
import toy
from rich.console import Console

from vidgen.training import Cost, Interrupted, profiler, train


def _setting(folder, **changes):
    plain = toy.setting(folder=folder, **changes)
    return plain | {"config": dataclasses.replace(plain["config"], profile=True)}


def _events(folder, phase):
    (found,) = (folder / "profile" / phase).rglob("perfetto_trace.json.gz")
    return found, json.loads(gzip.decompress(found.read_bytes()))["traceEvents"]


@pytest.mark.slow
def test_every_phase_leaves_a_trace_and_the_same_bits_as_without(tmp_path, undisturbed):
    console = Console(file=io.StringIO(), width=300)
    trained = train(toy.Toy(), **_setting(tmp_path, console=console))
    reference_folder, reference = undisturbed
    jax.tree.map(np.testing.assert_array_equal, trained.params, reference.params)
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    assert rows == (reference_folder / "metrics.jsonl").read_bytes()
    for phase, cost in trained.cost.phases.items():
        found, events = _events(tmp_path, phase)
        names = [event.get("name") for event in events]
        # One turn of the loop each, and none of the warm-up, in which a program may be compiled.
        assert names.count("train") == names.count("dispatch") == profiler.STEPS
        assert str(found) in console.file.getvalue()
        assert list(found.parent.glob("*.xplane.pb"))
        assert cost.seconds["profile"] > 0
        assert reference.cost.phases[phase].seconds["profile"] == 0
    assert not list(tmp_path.rglob("*.draft"))


def test_a_run_may_be_profiled_where_it_goes_on(tmp_path, undisturbed):
    with pytest.raises(Interrupted):
        train(toy.Toy(), **toy.setting(folder=tmp_path, data=toy.trip(5, signal.SIGTERM)))
    debris = tmp_path / "profile" / "first.draft"
    debris.mkdir(parents=True)
    (debris / "half").touch()
    trained = train(toy.Toy(), **_setting(tmp_path))
    jax.tree.map(np.testing.assert_array_equal, trained.params, undisturbed[1].params)
    _, events = _events(tmp_path, "first")
    steps = [int(e["args"]["step_num"]) for e in events if e.get("name") == "train"]
    assert steps == [5 + profiler.WARM_UPS + i for i in range(profiler.STEPS)]
    assert not debris.exists()
    assert not Cost.read(tmp_path).phases["first"].accepted
