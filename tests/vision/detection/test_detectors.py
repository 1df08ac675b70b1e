import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen import nn
from vidgen.vision.detection import DETECTORS, MASK_SIZE, Objects, build_detector
from vidgen.vision.detection.two_stage import anchors

SHAPE, CLASSES, WIDTH, MOST = (18, 16, 1), 3, 8, 4


def drawn(n, objects, seed=0):
    """Frames of bright rectangles, and what is in them; the last place of each is padding."""
    rng = np.random.default_rng(seed)
    frames = -np.ones((n, *SHAPE), np.float32)
    boxes = np.zeros((n, objects + 1, 4), np.float32)
    masks = np.zeros((n, objects + 1, *SHAPE[:2]), bool)
    for frame, box, mask in zip(frames, boxes, masks, strict=True):
        for number in range(objects):
            top, left = rng.integers(0, 9, 2)
            height, width = rng.integers(4, 8, 2)
            frame[top : top + height, left : left + width] = 1
            mask[number, top : top + height, left : left + width] = True
            box[number] = top, left, top + height, left + width
    there = np.zeros((n, objects + 1), bool)
    there[:, :objects] = True
    classes = rng.integers(0, CLASSES, there.shape).astype(np.int32)
    known = boxes, classes, masks, there
    names = "boxes", "classes", "masks", "there"
    return jnp.asarray(frames), Objects(**dict(zip(names, map(jnp.asarray, known), strict=True)))


@pytest.fixture(scope="module", params=DETECTORS)
def made(request):
    """Loss with its gradient, detections, and weights that are all awake."""
    network = nn.Network(
        lambda rngs: build_detector(
            request.param, SHAPE, CLASSES, width=WIDTH, most=MOST, rngs=rngs
        )
    )
    weights = network.init(jax.random.key(0))
    keys = iter(jax.random.split(jax.random.key(1), len(weights)))
    weights = {k: w + 0.2 * jax.random.normal(next(keys), w.shape) for k, w in weights.items()}

    def loss(weights, frames, known):
        terms = network.bind(weights).loss(frames, known)
        return sum(terms.values()), terms

    learn = jax.jit(jax.value_and_grad(loss, has_aux=True))
    look = jax.jit(lambda frames: network.bind(weights).detect(frames))
    return weights, learn, look


def test_padding_changes_neither_loss_nor_gradients_and_nothing_compiles_again(made):
    weights, learn, _ = made
    frames, known = drawn(3, 1)
    (value, terms), grads = learn(weights, frames, known)
    assert np.isfinite(value)
    assert all(float(term) >= 0 for term in terms.values())
    for name, grad in grads.items():
        assert np.isfinite(grad).all(), name
        assert np.abs(grad).max() > 0, name
    compiled = learn._cache_size()
    other = dataclasses.replace(
        known,
        masks=known.masks.at[:, -1].set(True),
        classes=known.classes.at[:, -1].add(1) % CLASSES,
        boxes=known.boxes.at[:, -1].set(jnp.array([1.0, 1, 9, 9])),
    )
    (again, _), same = learn(weights, frames, other)
    assert float(again) == float(value)
    for name, grad in grads.items():
        np.testing.assert_array_equal(same[name], grad)
    # A frame without any object teaches as well, and what it teaches is finite.
    empty = dataclasses.replace(known, boxes=known.boxes * 0, there=known.there & False)
    (nothing, terms), grads = learn(weights, frames, empty)
    assert np.isfinite(nothing)
    assert float(terms["box"]) == float(terms["mask"]) == 0
    assert all(np.isfinite(grad).all() for grad in grads.values())
    assert learn._cache_size() == compiled


def test_what_is_there_changes_the_loss(made):
    weights, learn, _ = made
    frames, known = drawn(3, 1)
    (value, _), _ = learn(weights, frames, known)
    classes = (known.classes + 1) % CLASSES
    (other, terms), _ = learn(weights, frames, dataclasses.replace(known, classes=classes))
    assert float(other) != float(value)
    masks = ~known.masks
    (_, inverted), _ = learn(weights, frames, dataclasses.replace(known, masks=masks))
    assert float(inverted["mask"]) != float(terms["mask"])


def test_detections_lie_in_the_frame_and_depend_on_nobody_beside(made):
    _, _, look = made
    frames, _ = drawn(3, 1)
    found = look(frames)
    assert found.boxes.shape == (3, MOST, 4)
    assert found.masks.shape == (3, MOST, MASK_SIZE, MASK_SIZE)
    boxes, scores = np.asarray(found.boxes), np.asarray(found.scores)
    assert (boxes >= 0).all()
    assert (boxes[..., [0, 2]] <= SHAPE[0]).all()
    assert (boxes[..., [1, 3]] <= SHAPE[1]).all()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert ((found.classes >= 0) & (found.classes < CLASSES)).all()
    turned = look(frames[::-1])
    np.testing.assert_allclose(turned.boxes[::-1], boxes, rtol=1e-4, atol=1e-3)


def test_anchors_by_hand():
    made = np.asarray(anchors(16, 32))
    assert made.shape == (4 * 8 * 9, 4)
    # The first cell's square anchors have an eighth, a quarter and a half of the shorter side.
    np.testing.assert_allclose(made[1], [1, 1, 3, 3], atol=1e-5)
    np.testing.assert_allclose(made[4], [0, 0, 4, 4], atol=1e-5)
    sides = made[:, 2:] - made[:, :2]
    np.testing.assert_allclose(sides[0], [2 * 0.5**0.5, 2 / 0.5**0.5], rtol=1e-5)
    np.testing.assert_allclose(np.prod(sides[3:6], axis=1), 16, rtol=1e-5)
