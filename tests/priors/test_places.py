"""What codes are told of a layout: of the frames that they stand for, and no others."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vidgen.priors.prior import Places
from vidgen.types import Layout, Task


def test_a_code_is_told_of_the_frames_that_it_stands_for():
    task = Task(frames=4, height=8, width=8, channels=1, text_length=2, text_width=3, objects=1)
    places = Places(task, (3, 2, 2), 2, 5, rngs=nnx.Rngs(0))
    places.out.kernel = nnx.Param(jax.random.normal(jax.random.key(0), places.out.kernel.shape))
    boxes = jnp.broadcast_to(jnp.array([0.0, 0.0, 0.5, 0.5]), (4, 4, 1, 4))
    # Of each clip another frame says where its object is: in the first cell of four.
    mask = jnp.eye(4, dtype=bool)[..., None]
    told = places(Layout.of(boxes, mask, jnp.ones((4, 1, 3)))).reshape(4, 3, 4, 5)
    hears = np.abs(np.asarray(told)).max(axis=-1) > 1e-6
    # A causal tokenizer's first code is of the first frame alone.
    assert hears[:, :, 0].tolist() == [
        [True, False, False],
        [False, True, False],
        [False, True, False],
        [False, False, True],
    ]
    assert not hears[:, :, 1:].any()
