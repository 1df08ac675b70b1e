"""What words looked at, from a generator to the report's pictures."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.comparison import report
from vidgen.comparison.looking import glowing, look, looked
from vidgen.evaluation import ClipSet
from vidgen.text import WordVectors
from vidgen.types import Task

TASK = Task(
    frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=4
)
WORDS = ("the", "digit", "is", "moving", "down", *map(str, range(10)))
ENCODER = WordVectors(WORDS, length=6, width=4)


class Looker:
    """Each clip looks at word n by n / 10 of its brightness."""

    def attention(self, params, video, condition, keys):
        bright = (video[:, ::2, ::8, ::8].mean(axis=-1) + 1) / 2
        word = jnp.arange(TASK.text_length)[None, :, None, None, None] / 10
        return word * params["scale"] * bright[:, None]


@pytest.fixture
def answered(make_comparison, tmp_path):
    folder = make_comparison(tmp_path / "run")
    run = folder.run("gan", 0)
    answers = ClipSet.load(run.samples("test-8"))
    look(
        Looker(),
        {"scale": jnp.ones(())},
        answers,
        ENCODER,
        TASK,
        run.attention("test-8"),
        prompts=2,
        compiled=lambda function: function,
    )
    return folder, answers


def test_a_place_glows_by_its_share_in_all_that_it_stands_for():
    clip = np.full((4, 4, 4, 1), 100, np.uint8)
    part = np.zeros((2, 2, 2), np.float32)
    part[1, 0, 1] = 0.2
    found = glowing(clip, part, most=0.4)
    assert (found[:2] == 45).all()  # dimmed, and nothing glows
    np.testing.assert_array_equal(
        found[2, 0, 3], np.rint(45 + 0.55 * 0.5 * np.array([255, 150, 30]))
    )
    assert (found[2:, :2, 2:] == found[2, 0, 3]).all()
    assert (found[2:, 2:] == 45).all()
    assert glowing(clip, np.zeros((1, 1, 1), np.float32), most=0.0).max() == 45


def test_the_first_answers_to_sentences_alone_are_shown_word_by_word(answered):
    folder, answers = answered
    found = looked(folder, "test-8", [("gan", folder.run("gan", 0)), ("x", folder.run("x", 0))])
    rows = np.flatnonzero(~answers.context_mask)[:2]
    assert [item.caption for item in found] == [answers.captions[row] for row in rows]
    for item, row in zip(found, rows, strict=True):
        (answer,) = item.answers
        assert [word.word for word in answer.words] == item.caption.split()
        assert answer.grid == (2, 2, 2)
        bright = answers.video[row, ::2, ::8, ::8] / 255
        shares = [word.share for word in answer.words]
        np.testing.assert_allclose(shares, np.arange(6) / 10 * bright.mean(), atol=1e-3)
        assert answer.most == pytest.approx(0.5 * bright.max(), abs=1e-3)
        assert all(word.strip.startswith("data:image/webp;base64,") for word in answer.words)


def test_the_report_shows_them_and_is_silent_without(answered, make_comparison, tmp_path):
    folder, _ = answered
    report(folder.path)
    page = folder.report.read_text()
    assert "Which word looked where" in page
    assert page.count("gan's answer where it looks at “moving”") == 2
    other = make_comparison(tmp_path / "other")
    report(other.path)
    assert "Which word looked where" not in other.report.read_text()


def test_without_sentences_alone_any_answers_are_shown(answered):
    folder, answers = answered
    path = folder.run("gan", 0).attention("test-8")
    given = answers.replace(context_mask=np.ones(len(answers), bool))
    arguments = (Looker(), {"scale": jnp.ones(())}, given, ENCODER, TASK, path)
    look(*arguments, prompts=3, compiled=lambda function: function)
    found = looked(folder, "test-8", [("gan", folder.run("gan", 0))])
    assert [item.caption for item in found] == list(answers.captions[:3])
    assert dataclasses.is_dataclass(found[0])
