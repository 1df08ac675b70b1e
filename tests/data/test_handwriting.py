import numpy as np
import pytest

from vidgen.data import handwriting
from vidgen.data.splits import divide


def test_scikit_learns_digits_are_divided_by_digit_and_none_is_lost():
    parts = handwriting.parts("sklearn")
    total = sum(len(part.labels) for part in parts.values())
    assert total == 1797
    assert len(np.unique(np.concatenate([p.images for p in parts.values()]), axis=0)) == 1797
    for part, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        counts = np.bincount(parts[part].labels, minlength=10)
        assert np.abs(counts / counts.sum() - 0.1).max() < 0.01
        assert abs(counts.sum() / total - share) < 0.01


def test_labels_stay_with_their_images():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    known = {image.tobytes(): label for image, label in zip(pixels, labels, strict=True)}
    for part in handwriting.parts("sklearn").values():
        raw = np.rint(part.images / (255 / 16)).reshape(-1, 64)
        assert [known[image.tobytes()] for image in raw] == part.labels.tolist()


def test_parts_do_not_depend_on_the_order_of_the_file(tmp_path, write_idx):
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (60, 5, 5), np.uint8), np.arange(60) % 10

    def train_part(order):
        write_idx("train", images[order], labels[order])
        write_idx("t10k", images[:1], labels[:1])
        handwriting.parts.cache_clear()
        return handwriting.parts(str(tmp_path))["train"].images

    np.testing.assert_array_equal(train_part(np.arange(60)), train_part(rng.permutation(60)))


def test_idx_files_give_train_and_validation_from_train_and_test_from_t10k(mnist_like):
    parts = handwriting.parts(str(mnist_like))
    assert {name: len(part.labels) for name, part in parts.items()} == {
        "train": 100,
        "validation": 20,
        "test": 40,
    }
    small = handwriting.digits(str(mnist_like), "test", 6)
    assert small.images.shape == (40, 6, 6)
    assert set(small.labels.tolist()) == set(range(10))


def test_a_folder_that_is_not_there_says_what_would_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither 'sklearn' nor a folder"):
        handwriting.parts(str(tmp_path / "absent"))


def test_resampling_keeps_size_untouched_and_the_maximum_full():
    images = np.random.default_rng(0).integers(0, 201, (3, 8, 8)).astype(np.uint8)
    images[:, 0, 0] = 255
    np.testing.assert_array_equal(handwriting.resample(images, 8), images)
    assert (handwriting.resample(images // 2, 14).max(axis=(1, 2)) == 255).all()
    assert not handwriting.resample(np.zeros((1, 8, 8), np.uint8), 14).any()


@pytest.mark.parametrize("size", [5, 14, 28])
def test_resampling_keeps_the_centre_of_ink(size):
    # A smooth blob well inside, off centre, so that a shift or an axis swap would show.
    y, x = np.mgrid[:16, :16]
    blob = 255 * np.exp(-((y - 5.0) ** 2 + (x - 9.0) ** 2) / 8.0)
    made = handwriting.resample(np.rint(blob).astype(np.uint8)[None], size)[0].astype(float)
    centres = (np.arange(size) + 0.5) * 16 / size - 0.5
    mass = made.sum()
    assert abs((made.sum(axis=1) * centres).sum() / mass - 5.0) < 0.05
    assert abs((made.sum(axis=0) * centres).sum() / mass - 9.0) < 0.05


def test_shrinking_does_not_alias():
    # A checkerboard finer than the new pixels must become flat grey, away from the edge.
    board = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = handwriting.resample(board[None], 8)[0, 2:-2, 2:-2].astype(float)
    assert np.ptp(small) <= 2


def test_a_share_never_vanishes_and_too_few_are_refused():
    cut = divide(4, 0.15, 0.15)
    assert [cut[p].stop - cut[p].start for p in ("train", "validation", "test")] == [2, 1, 1]
    with pytest.raises(ValueError, match="too few"):
        divide(2, 0.15, 0.15)
