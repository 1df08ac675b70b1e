"""LPIPS against the network of the package that brings its weights."""

from __future__ import annotations

import numpy as np
import pytest

from vidgen.evaluation import lpips
from vidgen.evaluation.features import UnsuitableClipsError, perceptual


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch):
    """Batches of a few frames, so that a test need not fill larger ones."""
    monkeypatch.setitem(perceptual._PIXELS_AT_ONCE, "cpu", 4 * 31 * 40)


@pytest.mark.parametrize(
    ("network", "size"),
    [
        ("alex", (2, 31, 40, 1)),
        ("alex", (3, 64, 64, 3)),
        ("alex", (1, 97, 50, 3)),
        ("vgg", (2, 32, 24, 3)),
    ],
)
def test_is_what_the_package_s_own_network_says(parity, network, size):
    rng = np.random.default_rng(0)
    a, b = parity.clips(rng, 2, size, 1.0), parity.clips(rng, 2, size, 1.0)
    ours, theirs = lpips(a, b, network=network), parity.reference_lpips(a, b, network)
    assert ours.shape == (2, size[0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    assert theirs.min() > 0.05


def test_frames_know_neither_their_batch_nor_their_order_and_equal_ones_are_0_apart():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (2, 3, 3, 31, 40, 1), dtype=np.uint8)
    together = lpips(a, b)
    np.testing.assert_allclose(lpips(a[:1], b[:1]), together[:1], rtol=1e-5)
    np.testing.assert_allclose(lpips(a[::-1], b[::-1])[::-1], together, rtol=1e-5)
    np.testing.assert_allclose(lpips(b[:1], a[:1]), together[:1], rtol=1e-5)
    np.testing.assert_array_equal(lpips(a[:1], a[:1]), np.zeros((1, 3)))
    assert lpips(a[:0], b[:0]).shape == (0, 3)


def test_more_noise_is_farther_away():
    rng = np.random.default_rng(2)
    clean = np.full((1, 1, 31, 40, 1), 128, np.uint8)
    noise = rng.normal(size=clean.shape)
    far = [
        lpips(clean, np.clip(clean + s * noise, 0, 255).astype(np.uint8))[0, 0]
        for s in (2, 8, 32, 64)
    ]
    assert far == sorted(far)
    assert far[0] < 0.5 * far[-1]


def test_what_does_not_fit_is_refused():
    grey = np.zeros((1, 1, 32, 32, 1), np.uint8)
    # While testing, annotated shapes are checked before the function's own words are reached.
    with pytest.raises(Exception, match=r"one shape|parameter 'b'"):
        lpips(grey, grey[:, :, :31])
    with pytest.raises(UnsuitableClipsError, match=r"alex needs .* 31x31 pixels.* have 30x32"):
        lpips(grey[:, :, :30], grey[:, :, :30])
    with pytest.raises(UnsuitableClipsError, match="1 or 3 channels, and these have 2"):
        lpips(np.repeat(grey, 2, axis=-1), np.repeat(grey, 2, axis=-1))
    with pytest.raises(Exception, match=r"(?s)alex.*vgg"):
        lpips(grey, grey, network="squeeze")  # type: ignore[arg-type]
