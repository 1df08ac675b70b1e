import jax.numpy as jnp
import numpy as np

from vidgen.vision.detection import paste, roi_align


def read(maps, y, x):
    """A point of a map by bilinear interpolation, as the reference implementation reads it."""
    H, W, _ = maps.shape
    if y < -1 or y > H or x < -1 or x > W:
        return np.zeros(maps.shape[2])
    y, x = np.clip(y, 0, H - 1), np.clip(x, 0, W - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, H - 1), min(x0 + 1, W - 1)
    fy, fx = y - y0, x - x0
    upper = (1 - fx) * maps[y0, x0] + fx * maps[y0, x1]
    lower = (1 - fx) * maps[y1, x0] + fx * maps[y1, x1]
    return (1 - fy) * upper + fy * lower


def plain(maps, boxes, size, stride, samples):
    out = np.zeros((len(boxes), size, size, maps.shape[2]))
    for r, (top, left, bottom, right) in enumerate(boxes / stride):
        h, w = (bottom - top) / size, (right - left) / size
        for i in range(size):
            for j in range(size):
                for a in range(samples):
                    for b in range(samples):
                        y = top + h * (i + (a + 0.5) / samples) - 0.5
                        x = left + w * (j + (b + 0.5) / samples) - 0.5
                        out[r, i, j] += read(maps, y, x) / samples**2
    return out


def test_roi_align_is_what_a_plain_loop_makes():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(5, 7, 2)).astype(np.float32)
    boxes = np.array(
        [[2, 3, 13.5, 20], [0, 0, 20, 28], [-6, -9, 5, 9], [17, 25, 29, 40], [4, 4, 4, 4]],
        np.float32,
    )
    for samples in (1, 2):
        found = roi_align(*map(jnp.asarray, (maps, boxes)), size=3, stride=4.0, samples=samples)
        expected = plain(maps, boxes, 3, 4.0, samples)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_roi_align_by_hand():
    ramp = jnp.arange(6.0)[:, None, None] * jnp.ones((1, 6, 1))
    # Whole cells: each bin is its own cell, whose value stands at its middle.
    whole = roi_align(ramp, jnp.array([[1.0, 1, 4, 4]]), size=3, samples=1)
    np.testing.assert_allclose(whole[0, :, 0, 0], [1, 2, 3], rtol=1e-6)
    # Half a cell further down everything is half a step more: nothing is rounded.
    half = roi_align(ramp, jnp.array([[1.5, 1, 4.5, 4]]), size=3, samples=1)
    np.testing.assert_allclose(half[0, :, 0, 0], [1.5, 2.5, 3.5], rtol=1e-6)


def test_masks_go_back_to_where_they_were_read():
    mask = np.zeros((12, 10), np.float32)
    mask[3:9, 2:5] = 1
    mask[5:7, 5:8] = 1
    box = jnp.array([[3.0, 2, 9, 8]])
    read = roi_align(jnp.asarray(mask)[..., None], box, size=28)[..., 0]
    back = paste(read, box, height=12, width=10)
    np.testing.assert_array_equal(np.asarray(back[0]) > 0.5, mask > 0.5)


def test_nothing_is_pasted_outside_the_box():
    full = jnp.ones((2, 4, 4))
    boxes = jnp.array([[1.0, 1, 3, 5], [2, 2, 2, 2]])
    back = np.asarray(paste(full, boxes, height=6, width=6))
    expected = np.zeros((6, 6))
    expected[1:3, 1:5] = 1
    np.testing.assert_allclose(back[0], expected, rtol=1e-6)
    assert back[1].sum() == 0
