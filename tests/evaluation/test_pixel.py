import numpy as np
import pytest

from vidgen.evaluation import psnr, ssim
from vidgen.evaluation.pixel import PSNR_CEILING


def clips(seed, shape=(2, 3, 13, 15, 3)):
    return np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)


def slow_ssim(x, y, data_range=255.0):
    """Wang et al.'s formula, one window of one channel at a time."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for channel in range(x.shape[2]):
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                a = x[i : i + 11, j : j + 11, channel].astype(float)
                b = y[i : i + 11, j : j + 11, channel].astype(float)
                ma, mb = (window * a).sum(), (window * b).sum()
                va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
                cov = (window * (a - ma) * (b - mb)).sum()
                top = (2 * ma * mb + c1) * (2 * cov + c2)
                values.append(top / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(values)


def test_ssim_is_the_slow_formula():
    a = clips(0)
    b = np.clip(a.astype(int) + clips(1) // 4 - 32, 0, 255).astype(np.uint8)
    expected = [[slow_ssim(x, y) for x, y in zip(p, q, strict=True)] for p, q in zip(a, b)]  # noqa: B905
    np.testing.assert_allclose(ssim(a, b), expected, rtol=1e-9)


def test_ssim_of_equal_frames_is_one_and_more_noise_is_less():
    a = clips(0)
    noise = np.random.default_rng(2).normal(size=a.shape)
    noisy = [np.clip(a + s * noise, 0, 255).astype(np.uint8) for s in (5, 20, 80)]
    values = [ssim(a, b).mean() for b in (a, *noisy)]
    assert values[0] == pytest.approx(1.0)
    assert all(np.diff(values) < 0)


def test_ssim_does_not_depend_on_how_many_clips_are_judged_at_once():
    a, b = clips(0, (70, 1, 11, 11, 1)), clips(1, (70, 1, 11, 11, 1))
    one_by_one = np.concatenate([ssim(a[i : i + 1], b[i : i + 1]) for i in range(70)])
    np.testing.assert_allclose(ssim(a, b), one_by_one, rtol=1e-12)


def test_psnr_by_hand():
    a = np.full((1, 2, 4, 4, 1), 100, np.uint8)
    b = a.copy()
    b[0, 0] += 10
    b[0, 1, 0, 0] -= 4
    expected = [[10 * np.log10(255**2 / 100), 10 * np.log10(255**2 / (16 / 16))]]
    np.testing.assert_allclose(psnr(a, b), expected)
    np.testing.assert_allclose(psnr(a, b, data_range=1.0), np.array(expected) - 20 * np.log10(255))


def test_psnr_without_error_is_the_ceiling_and_not_infinite():
    a = clips(0)
    np.testing.assert_allclose(psnr(a, a), PSNR_CEILING)
    assert pytest.approx(58.92, abs=0.01) == PSNR_CEILING


def test_psnr_does_not_wrap_around():
    black, white = np.zeros((1, 1, 4, 4, 1), np.uint8), np.full((1, 1, 4, 4, 1), 255, np.uint8)
    np.testing.assert_allclose(psnr(black, white), 0.0, atol=1e-12)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_other_shapes_are_refused(measure):
    with pytest.raises((ValueError, TypeError)):
        measure(clips(0), clips(0)[:, :2])


def test_frames_below_the_window_are_refused():
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(clips(0)[:, :, :10], clips(1)[:, :, :10])


@pytest.mark.parametrize("shape", [(2, 3, 16, 16, 1), (1, 2, 33, 20, 3), (1, 1, 64, 64, 3)])
def test_both_are_those_of_scikit_image_at_the_same_settings(shape):
    metrics = pytest.importorskip("skimage.metrics")
    a = clips(0, shape)
    b = np.clip(a.astype(int) + clips(1, shape) // 4 - 32, 0, 255).astype(np.uint8)
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for n, t in np.ndindex(*shape[:2]):
        # scikit-image averages where the window lies within the frame, as "valid" does.
        similarity = metrics.structural_similarity(
            a[n, t], b[n, t], data_range=255, channel_axis=-1, **how
        )
        assert ssim(a, b)[n, t] == pytest.approx(similarity, abs=1e-4)
        ratio = metrics.peak_signal_noise_ratio(a[n, t], b[n, t], data_range=255)
        assert psnr(a, b)[n, t] == pytest.approx(ratio, abs=1e-4)
