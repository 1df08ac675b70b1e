"""Several answers to one prompt, each by a case that is known."""

import numpy as np
import pytest

from vidgen.evaluation import asked_again, further_answers, judge_answers, psnr
from vidgen.evaluation.best_of import best_of

K = 4


@pytest.fixture(scope="module")
def few(prompts):
    return prompts[:24]


@pytest.fixture(scope="module")
def again(few):
    return asked_again(few, answers=K)


def test_best_of_k_never_comes_without_the_mean_and_k():
    values = np.random.default_rng(0).normal(size=(50, 5))
    found = best_of(values, note="2 failed clips")
    assert found.k == 5
    assert found.mean.value == pytest.approx(values.mean())
    assert found.best.value == pytest.approx(values.max(1).mean())
    assert found.best.note == "2 failed clips; best of K=5 answers a prompt; t over prompts"
    assert "mean of K=5" in found.mean.note
    assert best_of(values, better="lower").best.value == pytest.approx(values.min(1).mean())


def test_prompts_that_give_a_frame_are_asked_again_with_keys_of_their_own(few, again):
    given = few[few.context_mask]
    assert 0 < len(given) < len(few)
    assert again.captions == given.captions * (K - 1)
    np.testing.assert_array_equal(again.video.reshape(K - 1, *given.video.shape)[2], given.video)
    keys = np.concatenate([given.keys, again.keys]).reshape(K, -1)
    assert all(len(set(of_prompt)) == K for of_prompt in keys.T.tolist())
    np.testing.assert_array_equal(keys[:3].ravel()[len(given) :], asked_again(few, answers=3).keys)


@pytest.fixture(scope="module")
def answers(few, again):
    """Noise but for one answer a prompt, which is the real clip: to the list, and again."""
    rng, given = np.random.default_rng(0), few[few.context_mask]
    video = rng.integers(256, size=(K, *given.video.shape), dtype=np.uint8)
    lucky = rng.integers(K, size=len(given))
    video[lucky, np.arange(len(given))] = given.video
    whole = few.video.copy()
    whole[few.context_mask] = video[0]
    return (
        few.replace(video=whole),
        again.replace(video=video[1:].reshape(again.video.shape)),
        video,
    )


def test_mean_and_best_are_over_the_answers_of_each_prompt(judge, few, answers):
    first, further, video = answers
    given = few[few.context_mask]
    found = judge_answers(judge, first, further, few, answers=K)
    names = {f"{name}_{of}_of_k" for name in ("psnr", "ssim") for of in ("mean", "best")}
    assert set(found) == {(name, "text+image") for name in names}
    mean, best = (found[f"psnr_{of}_of_k", "text+image"] for of in ("mean", "best"))
    each = np.stack([psnr(one, given.video)[:, 1:].mean(1) for one in video])
    assert mean.value == pytest.approx(each.mean())
    assert best.value == pytest.approx(each.max(0).mean())
    assert best.value == pytest.approx(psnr(given.video, given.video).mean())
    assert mean.n == best.n == len(given)
    assert found["ssim_best_of_k", "text+image"].value == pytest.approx(1)
    assert "K=4" in found["ssim_mean_of_k", "text+image"].note


def test_answers_to_other_prompts_or_fewer_are_refused(judge, few, answers):
    first, further, _ = answers
    with pytest.raises(ValueError, match="do not answer"):
        judge_answers(judge, first, further[::-1], few, answers=K)
    with pytest.raises(ValueError, match="do not answer"):
        judge_answers(judge, first, further, few, answers=K + 1)


def test_luck_alone_gains_by_k_and_the_real_clip_cannot(judge, few, again):
    made = further_answers(few, answers=K, seed=0)
    shuffled = made["shuffled-captions"]
    said = {video.tobytes(): c for video, c in zip(few.video, few.captions, strict=True)}
    assert all(said[v.tobytes()] != c for v, c in zip(shuffled.video, again.captions, strict=True))
    rounds = shuffled.video.reshape(K - 1, -1, *few.video.shape[1:])
    assert (rounds[0] != rounds[1]).any((1, 2, 3, 4)).mean() > 0.5
    found = judge_answers(judge, few, shuffled, few, answers=K)
    assert found["psnr_mean_of_k", "text+image"].high < found["psnr_best_of_k", "text+image"].low
    real = judge_answers(judge, few, made["held-out-real"], few, answers=K)
    mean, best = (real[f"psnr_{of}_of_k", "text+image"].value for of in ("mean", "best"))
    assert mean == best == pytest.approx(psnr(few.video, few.video).mean())
