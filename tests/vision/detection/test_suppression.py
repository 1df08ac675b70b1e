import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.vision.detection import nms, overlaps


def plain(boxes, scores, classes, threshold, most, least=0.0):
    """The textbook's loop."""
    found = np.asarray(overlaps(*[jnp.asarray(boxes)] * 2))
    left = [i for i in np.argsort(-scores, kind="stable") if scores[i] > least]
    kept = []
    while left and len(kept) < most:
        best = left.pop(0)
        kept.append(int(best))
        left = [i for i in left if found[best, i] <= threshold or classes[i] != classes[best]]
    return kept


@pytest.fixture(scope="module")
def suppress():
    return jax.jit(lambda *a: nms(*a, threshold=0.4, most=7, least=0.1))


def kept(rows, filled):
    return np.asarray(rows)[np.asarray(filled)].tolist()


def test_it_keeps_what_a_plain_loop_keeps_without_compiling_again(suppress):
    rng = np.random.default_rng(0)
    fewest = 7
    for _ in range(20):
        corner = rng.uniform(0, 20, (24, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(4, 12, (24, 2))], 1).astype(np.float32)
        scores = np.round(rng.random(24), 1).astype(np.float32)  # with ties
        classes = rng.integers(0, 2, 24).astype(np.int32)
        scores[rng.random(24) < rng.random()] = 0
        found = kept(*suppress(boxes, scores, classes))
        assert found == plain(boxes, scores, classes, 0.4, 7, 0.1)
        fewest = min(fewest, len(found))
    assert fewest < 7  # some places stayed empty
    assert suppress._cache_size() == 1


def test_classes_do_not_suppress_each_other():
    boxes = jnp.array([[0, 0, 4, 4]] * 3, jnp.float32)
    scores = jnp.array([0.5, 0.9, 0.7], jnp.float32)
    rows, filled = nms(boxes, scores, jnp.array([0, 1, 1]), threshold=0.5, most=3)
    assert kept(rows, filled) == [1, 0]
    rows, filled = nms(boxes, scores, jnp.array([1, 1, 1]), threshold=0.5, most=3)
    assert kept(rows, filled) == [1]
