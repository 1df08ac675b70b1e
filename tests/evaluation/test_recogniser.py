import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation.recogniser import UNKNOWN, Recogniser, centroids, crop


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_handwriting_is_read(judge, split):
    images, identities = source("digits", split=split).exemplars()
    read = judge.oracle.recognise(images)
    right = [judge.oracle.recogniser.classes[r] == i for r, i in zip(read, identities, strict=True)]
    assert np.mean(right) >= 0.985


def test_noise_is_unknown(judge):
    noise = np.random.default_rng(0).integers(256, size=(40, 14, 14, 1), dtype=np.uint8)
    assert (judge.oracle.recognise(noise) == UNKNOWN).mean() > 0.9
    assert judge.oracle.recognise(np.zeros_like(noise[:1])).tolist() == [UNKNOWN]


def blobs(n, seed):
    """Bars that lie and bars that stand."""
    rng = np.random.default_rng(seed)
    images = np.zeros((n, 12, 12, 1), np.uint8)
    labels = [("lying", "standing")[i % 2] for i in range(n)]
    for image, label in zip(images, labels, strict=True):
        bar = np.s_[4:7, 1:11] if label == "lying" else np.s_[1:11, 4:7]
        image[bar] = rng.integers(180, 256)
    return images, labels


def test_a_fit_is_deterministic_and_forgives_brightness():
    images, labels = blobs(8, 0)
    one, two = (Recogniser.fit(images, labels, size=12, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    new, expected = blobs(6, 1)
    crops = crop(new // 2, centroids(new), 12)
    assert [one.classes[i] for i in one(crops)] == expected


def test_bad_exemplars_are_refused():
    images, labels = blobs(4, 0)
    with pytest.raises(ValueError, match="4 exemplars, but 3"):
        Recogniser.fit(images, labels[:3], size=12)
    with pytest.raises(ValueError, match="two identities"):
        Recogniser.fit(images, ["lying"] * 4, size=12)


def test_too_many_exemplars_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr("vidgen.evaluation.recogniser._MOST_ROWS", 6)
    images, labels = blobs(40, 0)
    fitted = Recogniser.fit(images, labels, size=12)
    assert len(fitted.rows) == 6
    crops = crop(images[:2], centroids(images[:2]), 12)
    assert [fitted.classes[i] for i in fitted(crops)] == labels[:2]


def test_a_crop_follows_subpixel_shifts_and_is_black_beyond_the_edge():
    image = np.zeros((1, 20, 20, 1), np.float32)
    image[0, 8:12, 8:12] = 200
    centred = crop(image, np.array([[10.0, 10.0]]), 14)
    np.testing.assert_allclose(centred, centred[:, ::-1, ::-1], atol=1e-3)
    half = crop(image, np.array([[10.5, 10.0]]), 14)
    whole = crop(image, np.array([[11.0, 10.0]]), 14)
    np.testing.assert_allclose(half, (centred + whole) / 2, atol=1e-3)
    corner = crop(np.full((1, 20, 20, 1), 90.0), np.array([[0.0, 0.0]]), 14)
    assert not corner[0, :8].any()
    np.testing.assert_allclose(corner[0, 10:, 10:], 90.0, rtol=1e-4)
