"""The order of clips in real processes: one, two and four, and one that goes on after another."""

import collections
import json
import subprocess
import sys

import pytest

_CLIPS, _BATCH = 48, 8

_READER = """
import hashlib, json, sys
import numpy as np
from vidgen.data import batches, source
from vidgen.text import WordVectors
from vidgen.types import Task

asked = json.loads(sys.argv[1])
shapes = source("shapes", size=16, frames=4, clips=asked["clips"])
known = {shapes[i].video.tobytes(): i for i in range(len(shapes))}
assert len(known) == len(shapes)
task = Task(frames=4, height=16, width=16, channels=3, context_frames=2, text_length=9,
            text_width=4, images=1)
stream = batches(shapes, WordVectors(shapes.vocabulary, length=9, width=4), task,
                 batch_size=asked["batch"], seed=5, shard=tuple(asked["shard"]))
if asked["state"]:
    stream.set_state(asked["state"])
batch_hashes, indices, states = [], [], []
for _ in range(asked["steps"]):
    batch = next(stream)
    rows = zip(batch.video, batch.text, batch.text_mask, batch.context_mask, batch.images.pixels)
    batch_hashes.append([
        hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in row)).hexdigest()
        for row in rows
    ])
    states.append(stream.get_state())
    indices.append([known[video.tobytes()] for video in batch.video])
print(json.dumps({"rows": batch_hashes, "indices": indices, "states": states}))
"""


def start(shard=(0, 1), steps=2 * _CLIPS // _BATCH, state=None):
    asked = {
        "clips": _CLIPS,
        "batch": _BATCH,
        "shard": shard,
        "steps": steps,
        "state": state,
    }
    return subprocess.Popen(
        [sys.executable, "-c", _READER, json.dumps(asked)], stdout=subprocess.PIPE, text=True
    )


def result(process):
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


@pytest.fixture(scope="module")
def runs():
    """What each process of groups of one, two and four read in two epochs."""
    started = {
        count: [start(shard=(index, count)) for index in range(count)] for count in (1, 2, 4)
    }
    return {count: [result(process) for process in group] for count, group in started.items()}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_clip_is_lost_or_seen_twice_in_an_epoch(runs, count):
    steps = _CLIPS // _BATCH
    for epoch in (0, 1):
        seen = collections.Counter(
            index
            for process in runs[count]
            for batch in process["indices"][epoch * steps : (epoch + 1) * steps]
            for index in batch
        )
        assert seen == dict.fromkeys(range(_CLIPS), 1)


@pytest.mark.fault(8)
@pytest.mark.parametrize("count", [2, 4])
def test_many_processes_read_the_batches_of_one(runs, count):
    (whole,) = runs[1]
    for step, rows in enumerate(whole["rows"]):
        together = [row for process in runs[count] for row in process["rows"][step]]
        assert together == rows
    assert whole["rows"][:6] != whole["rows"][6:]


@pytest.mark.fault(7)
def test_a_fresh_process_goes_on_in_the_middle_of_an_epoch(runs):
    (whole,) = runs[1]
    rest = result(start(steps=5, state=whole["states"][3]))
    assert rest["rows"] == whole["rows"][4:9]
