"""Meta-tests of the metrics of whole sets: each moves as far as its fault is dosed, and one way.

The features are real clips under a fixed linear map, so that what is shown is the metric's own
behaviour, and no network's.
"""

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import anchors
from vidgen.evaluation.caption_swap import caption_swap
from vidgen.evaluation.corruptions import CORRUPTIONS, STRENGTHS
from vidgen.evaluation.diversity import diversity
from vidgen.evaluation.memorisation import memorisation
from vidgen.evaluation.prdc import prdc

STEPS = range(STRENGTHS + 1)
SHARES = [step / STRENGTHS for step in STEPS]


def features(video):
    """float32 [N 128] of uint8 [N T H W C]: random projections of frames and of their changes."""
    frames = video.reshape(*video.shape[:2], -1).astype(np.float32)
    rng = np.random.default_rng(0)
    parts = [part.reshape(len(video), -1) for part in (frames, np.diff(frames, axis=1))]
    return np.concatenate(
        [part @ rng.standard_normal((part.shape[1], 64), np.float32) for part in parts], axis=1
    )


@pytest.fixture(scope="module")
def others(prompts, held_out):
    """Real clips that are none of the prompts, under the same captions."""
    return anchors(prompts, held_out, seed=0)["real-against-real"].video


@pytest.fixture(scope="module")
def under_corruption(prompts, others):
    """By corruption: precision, recall, density and coverage at strengths 0 to 5."""
    real = features(prompts.video)
    return {
        kind: [prdc(real, features(corrupt(others, strength))) for strength in STEPS]
        for kind, corrupt in CORRUPTIONS.items()
    }


def falls(values, *, slack=0.0):
    steps = np.diff(np.asarray(values, float))
    return (steps < slack).all() and values[-1] < values[0]


@pytest.mark.parametrize("kind", ["noise", "jitter"])
@pytest.mark.parametrize("name", ["precision", "density", "coverage"])
def test_precision_density_and_coverage_fall_with_noise_and_jitter(under_corruption, kind, name):
    values = [getattr(found, name) for found in under_corruption[kind]]
    # Where three frames of five are jittered hardly two are left in order: little more can break.
    some = 3 if kind == "jitter" else STRENGTHS
    assert falls(values[: some + 1], slack=1e-9)
    assert max(values[some:]) < 0.7 * values[0]


def test_blur_costs_recall_and_passes_for_precision(under_corruption):
    """What is blurred moves towards the mean of the real clips, where neighbours are near."""
    assert falls([found.recall for found in under_corruption["blur"]], slack=1e-9)
    assert under_corruption["blur"][-1].recall < 0.2
    assert under_corruption["blur"][-1].precision >= under_corruption["blur"][0].precision
    assert under_corruption["blur"][-1].density > 2 * under_corruption["blur"][0].density


def test_recall_and_coverage_fall_with_every_mode_that_is_dropped_and_precision_does_not():
    rng = np.random.default_rng(0)
    modes = 100 * np.eye(6, 8)
    drawn = rng.standard_normal((2, 240, 8))
    real = (modes[np.arange(240) % 6] + drawn[0]).astype(np.float32)
    found = [
        prdc(real, (modes[np.arange(240) % (6 - dropped)] + drawn[1]).astype(np.float32))
        for dropped in STEPS
    ]
    for name in ("recall", "coverage"):
        values = np.array([getattr(each, name) for each in found])
        np.testing.assert_allclose(values / values[0], 1 - np.array(STEPS) / 6, atol=0.04)
    assert min(each.precision for each in found) > 0.9


def test_memorisation_rises_with_the_share_of_copies(prompts, others):
    train = source("digits", split="train")
    trained_on = np.stack([train[i].video for i in range(len(prompts))])
    copies = np.random.default_rng(0).permutation(len(prompts))
    scores = []
    for share in SHARES:
        answers = others.copy()
        taken = copies[: round(share * len(copies))]
        answers[taken] = trained_on[taken]
        scores.append(
            memorisation(features(trained_on), features(prompts.video), features(answers))
        )
    values = [score.value for score in scores]
    assert falls(np.negative(values))
    # A copy is nearer than any held-out clip; what is no copy is nearer in one half of the pairs.
    np.testing.assert_allclose(values, [0.5 + share / 2 for share in SHARES], atol=0.06)
    assert values[-1] == 1
    assert scores[0].low < 0.5 < scores[0].high
    assert all(score.low > 0.5 for score in scores[2:])


def test_diversity_falls_to_nothing_with_the_share_of_duplicates(others):
    # Sixteen conditions of ten answers; of each, more and more are the first one over again.
    conditions, place = np.divmod(np.arange(len(others)), 10)
    real = features(others)
    values = [
        diversity(
            real,
            real[10 * conditions + np.where(place < 10 * share, 0, place)],
            conditions.tolist(),
        ).value
        for share in SHARES
    ]
    assert values[0] == pytest.approx(1)
    assert falls(values)
    assert values[-1] == 0


def test_caption_swap_rises_from_chance_with_the_share_that_answers():
    rng = np.random.default_rng(0)
    n, classes = 300, (5, 3)
    asked = [rng.integers(count, size=n) for count in classes]
    captions = tuple(f"the digit {one} goes {other}" for one, other in zip(*asked, strict=True))
    # A network that is right at 0.8 and spreads the rest, over two questions a clip.
    seen = np.concatenate(
        [
            0.8 * np.eye(count)[labels] + 0.2 / count
            for labels, count in zip(asked, classes, strict=True)
        ],
        axis=1,
    )
    wanted = np.concatenate(
        [np.eye(count)[labels] for labels, count in zip(asked, classes, strict=True)], axis=1
    )
    shuffled, lot = seen[rng.permutation(n)], rng.permutation(n)
    scores = [
        caption_swap(np.where((lot < share * n)[:, None], seen, shuffled), wanted, captions)
        for share in SHARES
    ]
    assert falls([-score.value for score in scores])
    assert scores[0].low < 0 < scores[0].high
    assert all(score.low > 0 for score in scores[1:])
    # The network's own certainty is all that there is to see.
    perfect = caption_swap(wanted, wanted, captions).value
    assert scores[-1].value == pytest.approx(0.8 * perfect)
