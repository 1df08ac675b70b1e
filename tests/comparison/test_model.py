"""What a loaded model is told: plans, and sentences where none is given. Sentences and pictures are
tested end to end.
"""

import dataclasses
import inspect
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.comparison.model import Model
from vidgen.contract import Card
from vidgen.text import WordVectors
from vidgen.types import Plan, Task

TASK = Task(
    frames=2, height=8, width=16, channels=1, context_frames=0, text_length=2, text_width=4,
    objects=1,
)  # fmt: skip
ENCODER = WordVectors(("3", "4"), length=2, width=4)


class Painter:
    """Every pixel of a frame as bright as its first box is high; -1 without a layout."""

    card: ClassVar[Card] = Card(
        name="painter", family="toy", summary="", paper="", matches_reference="", layout=True
    )

    def phases(self):
        return []

    def sample(self, params, condition, keys, sampler=None):
        layout = condition.layout
        if layout is None:
            return jnp.full((condition.batch_size, *TASK.video_shape), -1.0)
        tall = layout.boxes[:, :, 0, 2] - layout.boxes[:, :, 0, 0] - 1.0
        shape = (condition.batch_size, *TASK.video_shape)
        return jnp.broadcast_to(tall[:, :, None, None, None], shape)


class Deaf(Painter):
    card = dataclasses.replace(Painter.card, layout=False)


class Reader(Painter):
    """Every pixel as bright as what is said adds up to; black where nothing is."""

    def sample(self, params, condition, keys, sampler=None):
        said = 0.5 * jnp.tanh(condition.text[..., 0].sum(axis=1))
        said = jnp.where(condition.text_mask.any(axis=1), said, -1.0)
        shape = (condition.batch_size, *TASK.video_shape)
        return jnp.broadcast_to(said[:, None, None, None, None], shape)


class Mute(Painter):
    card = dataclasses.replace(Painter.card, text=False)


def model(painter=Painter, task=TASK, captions=()):
    return Model("painter", painter(), {}, ENCODER, task, captions=lambda: captions)


def plan(bottom=4.0, identity=("3",), frames=2):
    boxes = np.tile(np.array([0, 0, bottom, 8], np.float32), (frames, len(identity), 1))
    return Plan(identity=identity, boxes=boxes)


def test_weights_that_lie_on_the_host_go_to_the_device_once():
    params = {"only": {"w": np.arange(3, dtype=np.float32)}}
    weights = Model("painter", Painter(), params, ENCODER, TASK).params["only"]["w"]
    assert isinstance(weights, jax.Array)
    np.testing.assert_array_equal(weights, params["only"]["w"])


def test_a_clip_of_which_nothing_is_said_follows_a_sentence_of_training():
    reader = model(Reader, captions=("4", "3 4", "", " ", "4" * 2001, "4"))
    assert reader.sentences == ("3 4", "4")
    drawn = reader.draw_sentences(5, range(20))
    assert set(drawn) == {"3 4", "4"}
    assert reader.draw_sentences(5, [7, 3]) == [drawn[7], drawn[3]]
    assert reader.draw_sentences(6, range(20)) != drawn
    asked = ["3", *[None] * 12]
    clips = reader.sample(asked, seed=5)
    np.testing.assert_array_equal(clips, reader.sample(["3", *drawn[1:13]], seed=5))
    assert len(np.unique(clips)) == 3
    # Where a plan says what is to be seen, or no clip of training had a sentence, nothing is said.
    planned = reader.sample([None, None], plan=[plan(), None], seed=5)
    assert not planned[0].any()
    np.testing.assert_array_equal(planned[1], reader.sample(drawn[:2], seed=5)[1])
    silent = model(Reader, captions=("", ""))
    assert silent.draw_sentences(5, range(2)) == [None, None]
    assert not silent.sample([None, None]).any()
    unread = Model("mute", Mute(), {}, ENCODER, TASK, captions=lambda: 1 / 0)
    assert unread.draw_sentences(5, range(2)) == [None, None]
    with pytest.raises(ValueError, match="64 bits"):
        reader.draw_sentences(2**63, [0])


def test_a_plan_reaches_its_own_clip():
    clips = model().sample(["3", None, "4"], plan=[plan(4.0), None, plan(8.0)])
    # Half of the height is 0.5 - 1 = -0.5, a quarter of 255.
    assert clips[:, 0, 0, 0, 0].tolist() == [64, 0, 128]
    both = model().sample(["3", "4"], plan=plan(4.0))
    assert (both == 64).all()


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("build", "plans", "message"),
    [
        (model, [None], "2 sentences, but 1 plans"),
        (model, plan(identity=("3", "4")), r"places 2 objects \(3, 4\), this model has room for 1"),
        (model, plan(bottom=1000.0), "the box of '3' in frame 0 lies outside of, or far beyond"),
        (model, plan(frames=3), "a plan has 3 frames, the task 2"),
        (lambda: model(Deaf), plan(), "painter follows no layout"),
        (
            lambda: model(task=dataclasses.replace(TASK, objects=0)),
            plan(),
            "was trained without layouts",
        ),
        (model, plan(identity=("seven",)), "seven"),
    ],
)
def test_plans_that_make_no_sense_are_refused(build, plans, message):
    with pytest.raises(ValueError, match=message):
        build().sample(["3", "4"], plan=plans)


@pytest.mark.fault(19)
@pytest.mark.parametrize("given", [{"objects": []}, "plan.json"])
def test_what_is_no_plan_is_refused_where_types_are_not_checked(given):
    sample = inspect.unwrap(Model.sample)
    with pytest.raises(ValueError, match=r"a plan is a vidgen\.types\.Plan"):
        sample(model(), ["3", "4"], plan=given)
