import numpy as np
import pytest

from vidgen.data import LeakageError, check_splits, handwriting


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_splits_are_disjoint(name):
    report = check_splits(name)
    assert set(report.exemplars) == {"train", "validation", "test"}
    assert report.pairs == {"digits": (40, 40), "shapes": (96, 96)}[name]
    assert "no object is in two parts" in str(report)


def test_a_shared_image_is_found(tmp_path, write_idx):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(1, 256, (40, 14, 14), np.uint8), np.arange(40) % 10
    write_idx("train", images, labels)
    strangers = rng.integers(1, 256, (10, 14, 14), np.uint8)
    strangers[4] = images[24]
    write_idx("t10k", strangers, np.arange(10))
    with pytest.raises(LeakageError, match=r"object 4 \(4\) of the part 'test'"):
        check_splits("digits", handwriting=str(tmp_path))
    handwriting.parts.cache_clear()
    handwriting.digits.cache_clear()


def test_a_shared_pair_is_found(monkeypatch):
    monkeypatch.setattr("vidgen.data.splits.Split.motions", lambda self, rank, motions: ("up",))
    with pytest.raises(LeakageError, match=r"both compositional splits hold .*'up'"):
        check_splits("digits")
