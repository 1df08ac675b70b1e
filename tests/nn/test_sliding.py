"""Longer clips by a window that slides."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from vidgen.nn import slide


def test_a_window_knows_the_last_frames_and_no_draw_is_made_twice():
    clip = jnp.broadcast_to(jnp.arange(4.0)[None, :, None, None, None], (2, 4, 1, 1, 1))

    def go_on(last, keys):
        """One frame more, by the pace of those that are known, and a little more by a lot."""
        assert last.shape == (2, 3, 1, 1, 1)
        lots = jax.vmap(jax.random.uniform)(keys)[:, None, None, None, None]
        pace = (last[:, -1:] - last[:, :1]) / 2
        return jnp.concatenate([last, last[:, -1:] + pace + 1e-3 * lots], axis=1)

    longer = slide(clip, jax.random.split(jax.random.key(0), 2), 7, 3, go_on)
    assert longer.shape == (2, 7, 1, 1, 1)
    np.testing.assert_allclose(longer[0, :, 0, 0, 0], np.arange(7), atol=0.1)
    rest = np.asarray(longer)[:, 4:, 0, 0, 0] - np.arange(4, 7)
    assert len(np.unique(rest)) == rest.size
