import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import anchors
from vidgen.evaluation.anchors import DESCRIPTIONS


@pytest.fixture(scope="module")
def made(prompts, held_out):
    return anchors(prompts, held_out, seed=0)


def test_each_anchor_answers_the_same_prompts_and_is_described(made, prompts):
    assert set(made) == set(DESCRIPTIONS) - {"reconstruction"}
    for clips in made.values():
        assert clips.captions == prompts.captions
        assert clips.video.shape == prompts.video.shape


def test_held_out_real_is_another_clip_where_there_is_a_choice(made, prompts):
    same = (made["held-out-real"].video == prompts.video).all((1, 2, 3, 4))
    np.testing.assert_array_equal(same, prompts.context_mask)


def test_copies_and_frozen_clips_stand_still(made, prompts):
    frozen, copied = made["frozen-real"].video, made["copy-first-frame"].video
    assert (frozen == prompts.video[:, :1]).all()
    given = prompts.context_mask
    np.testing.assert_array_equal(copied[given], frozen[given])
    assert not copied[~given].any()


def test_shuffled_frames_are_the_same_frames_in_another_order(made, prompts):
    for clip, real in zip(made["shuffled-frames"].video, prompts.video, strict=True):
        assert not (clip == real).all()
        assert sorted(f.tobytes() for f in clip) == sorted(f.tobytes() for f in real)


def test_shuffled_captions_use_each_clip_once_and_never_under_its_own_caption(made, prompts):
    said = {video.tobytes(): c for video, c in zip(prompts.video, prompts.captions, strict=True)}
    shuffled = [video.tobytes() for video in made["shuffled-captions"].video]
    assert sorted(shuffled) == sorted(video.tobytes() for video in prompts.video)
    assert all(said[v] != c for v, c in zip(shuffled, prompts.captions, strict=True))


def test_what_decays_begins_as_it_is_and_is_further_off_in_every_frame(made, prompts):
    gap = made["decaying-real"].video.astype(int) - prompts.video
    per_frame = np.abs(gap).mean(axis=(0, 2, 3, 4))
    assert per_frame[0] == 0
    assert (np.diff(per_frame) > 0).all()
    assert np.abs(gap[:, -1]).max() > 150


def test_captions_that_cannot_be_shuffled_are_refused(prompts, held_out):
    alike = [i for i, caption in enumerate(prompts.captions) if caption == prompts.captions[0]]
    with pytest.raises(ValueError, match="cannot be shuffled"):
        anchors(prompts[np.array(alike)], held_out, seed=0)


def test_without_captions_the_clips_of_other_prompts_take_their_place(prompts, held_out):
    silent = prompts.replace(
        captions=("",) * len(prompts), context_mask=np.ones_like(prompts.context_mask)
    )
    shuffled = anchors(silent, held_out, seed=0)["shuffled-captions"].video
    assert sorted(v.tobytes() for v in shuffled) == sorted(v.tobytes() for v in prompts.video)
    assert not (shuffled == prompts.video).all((1, 2, 3, 4)).any()


def test_captions_that_nothing_else_bears_are_answered_by_their_own_clips(prompts, held_out):
    alone = prompts.replace(
        captions=(*prompts.captions[:-1], "a sentence of its own"),
        context_mask=np.zeros_like(prompts.context_mask),
    )
    held_out_real = anchors(alone, held_out, seed=0)["held-out-real"].video
    same = (held_out_real == prompts.video).all((1, 2, 3, 4))
    np.testing.assert_array_equal(same, [False] * (len(prompts) - 1) + [True])


def test_clips_under_other_captions_are_not_made_where_captions_are_told(prompts):
    telling = source("digits", split="test", clips=150)
    said, made = [clip.caption for clip in telling], []

    class Telling(type(telling)):
        """Knows what is said of its clips without making them."""

        def __getitem__(self, index):
            made.append(said[index])
            return super().__getitem__(index)

        def captions(self):
            return said

        def sentences(self):
            return said

    telling.__class__ = Telling
    two = sorted(set(prompts.captions))[:2]
    asked = prompts.replace(
        captions=tuple(two[place % 2] for place in range(len(prompts))),
        context_mask=np.zeros_like(prompts.context_mask),
    )
    anchors(asked, telling, seed=0)
    assert set(made) == set(two)
