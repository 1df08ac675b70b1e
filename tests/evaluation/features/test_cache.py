import numpy as np
import pytest
from rich.console import Console

from vidgen.evaluation.features import FeatureCache, UnsuitableClipsError


class Counting:
    """Mean light of each frame, and how many clips were asked for."""

    name, width = "counting-0", 3

    def __init__(self):
        self.clips = 0

    def __call__(self, video):
        if video.shape[1] != 3:
            raise UnsuitableClipsError("three frames")
        self.clips += len(video)
        return video.mean((2, 3, 4)).astype(np.float32)


@pytest.fixture
def video():
    return np.random.default_rng(0).integers(256, size=(70, 3, 4, 4, 1), dtype=np.uint8)


def test_features_are_computed_once_for_the_same_pixels(video, tmp_path):
    network = Counting()
    expected = network(video)
    network.clips = 0
    cache = FeatureCache(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(cache(network, video.copy()), expected)
    np.testing.assert_array_equal(FeatureCache(tmp_path)(network, video), expected)
    assert network.clips == 70
    cache(network, video[::-1])
    assert network.clips == 140


def test_another_network_has_other_features(video, tmp_path):
    cache, network = FeatureCache(tmp_path), Counting()
    cache(network, video)
    network.name = "counting-1"
    cache(network, video)
    assert network.clips == 140


@pytest.mark.parametrize("damage", ["truncated", "flipped", "other"])
def test_damaged_files_are_computed_again(video, tmp_path, damage):
    network = Counting()
    expected = FeatureCache(tmp_path)(network, video).copy()
    (path,) = tmp_path.glob("counting-0/*.npz")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
        path.write_bytes(content)
    else:
        FeatureCache(tmp_path)(network, video[:5])
        other = next(p for p in tmp_path.glob("counting-0/*.npz") if p != path)
        path.write_bytes(other.read_bytes())
    np.testing.assert_array_equal(FeatureCache(tmp_path)(network, video), expected)
    before = network.clips
    np.testing.assert_array_equal(FeatureCache(tmp_path)(network, video), expected)
    assert network.clips == before  # mended on disk as well
    assert not list(tmp_path.rglob("*.partial"))


def test_without_a_folder_memory_serves(video):
    cache, network = FeatureCache(), Counting()
    cache(network, video)
    cache(network, video)
    assert network.clips == 70


def test_progress_is_shown_where_a_console_is_given(video):
    console = Console(record=True, force_terminal=True, width=100)
    FeatureCache(console=console)(Counting(), video)
    assert "features of 70 clips, counting-0" in console.export_text()


def test_clips_that_do_not_suit_are_refused_and_leave_nothing(video, tmp_path):
    with pytest.raises(UnsuitableClipsError):
        FeatureCache(tmp_path)(Counting(), video[:, :2])
    assert not list(tmp_path.rglob("*.npz"))
