import jax
import numpy as np
import pytest

from vidgen import nn
from vidgen.vision import ARCHITECTURES, recogniser

SHAPE, WIDTH, CLASSES = (20, 16, 1), 16, 5


@pytest.fixture(scope="module", params=ARCHITECTURES)
def network(request):
    """The vectors and logits of clips by one architecture, with weights that are all awake."""
    made = nn.Network(lambda rngs: recogniser(request.param, SHAPE, WIDTH, CLASSES, rngs=rngs))
    weights = made.init(jax.random.key(0))
    # Residual branches start at zero, where time would not yet be looked at.
    keys = iter(jax.random.split(jax.random.key(1), len(weights)))
    stirred = {k: w + 0.2 * jax.random.normal(next(keys), w.shape) for k, w in weights.items()}

    @jax.jit
    def look(video):
        bound = made.bind(stirred)
        return bound.features(video), bound(video)

    return look


@pytest.fixture(scope="module")
def video():
    return np.random.default_rng(0).uniform(-1, 1, (3, 6, *SHAPE)).astype(np.float32)


def test_clips_become_vectors_and_logits_each_by_itself(network, video):
    features, logits = network(video)
    assert (features.shape, logits.shape) == ((3, WIDTH), (3, CLASSES))
    assert np.isfinite(features).all()
    assert np.median(np.std(np.asarray(features), axis=0)) > 0
    np.testing.assert_allclose(network(video[::-1])[0][::-1], features, rtol=1e-4, atol=1e-4)


def test_clips_of_another_length_are_seen(network, video):
    assert network(video[:, :3])[0].shape == (3, WIDTH)


def test_the_order_of_frames_counts(network, video):
    features, _ = network(video)
    backwards, _ = network(video[:, ::-1])
    assert np.abs(np.asarray(backwards) - np.asarray(features)).max() > 1e-3


def test_where_a_thing_goes_counts(network):
    """What moves right is not what moves left, or no network could tell motions apart."""
    clips = np.full((3, 6, *SHAPE), -1, np.float32)
    for frame in range(6):
        clips[0, frame, 8:12, 2 * frame : 2 * frame + 4] = 1
        clips[1, frame, 8:12, 10 - 2 * frame : 14 - 2 * frame] = 1
    one, other = np.asarray(network(clips)[0])[:2]
    assert np.abs(one - other).max() > 1e-3


def test_architectures_are_each_another_network():
    sizes = set()
    for architecture in ARCHITECTURES:
        made = nn.Network(lambda rngs, a=architecture: recogniser(a, SHAPE, 16, 5, rngs=rngs))
        shapes = jax.eval_shape(made.init, jax.random.key(0))
        sizes.add(sum(int(np.prod(leaf.shape)) for leaf in shapes.values()))
    assert len(sizes) == len(ARCHITECTURES)
