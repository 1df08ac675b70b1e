import gzip

import numpy as np
import pytest

from vidgen.data import CorruptFileError, idx


@pytest.fixture
def pair():
    return np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4), np.array([7, 1], np.uint8)


@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_pair_is_read_under_each_of_its_names(tmp_path, write_idx, pair, mark, end):
    write_idx("train", *pair, mark=mark, end=end)
    images, labels = idx.read_pair(tmp_path, "train")
    np.testing.assert_array_equal(images, pair[0])
    np.testing.assert_array_equal(labels, pair[1])


def test_a_missing_file_is_named_with_what_would_do(tmp_path, write_idx, pair):
    write_idx("train", *pair)
    with pytest.raises(
        FileNotFoundError, match=r"t10k-images-idx3-ubyte, t10k-images-idx3-ubyte\."
    ):
        idx.read_pair(tmp_path, "t10k")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: b"", "starts with nothing"),
        (lambda raw: b"\x89PNG" + raw, "89 50 4e 47"),
        (lambda raw: b"\0\0\x0d\x03" + raw[4:], "00 00 0d 03"),
        (lambda raw: b"\0\0\x08\x01" + raw[4:], "3 axes"),
        (lambda raw: raw[:9], "within its header"),
        (lambda raw: raw[:-1], "only 23: it is truncated"),
        (lambda raw: raw + b"\0", "holds more"),
        (lambda raw: raw[:4] + b"\xff" * 12, "beyond belief"),
        (lambda raw: raw[:4] + b"\0" * 12, "empty"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_damaged_file_is_named(tmp_path, write_idx, pair, damage, message, end):
    write_idx("train", *pair)
    raw = damage((tmp_path / "train-images-idx3-ubyte").read_bytes())
    file = tmp_path / f"images{end}"
    file.write_bytes(gzip.compress(raw) if end else raw)
    with pytest.raises(CorruptFileError, match=message) as caught:
        idx.read(file, rank=3)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"no archive", lambda raw: b""]
)
def test_a_damaged_archive_is_named(tmp_path, write_idx, pair, damage):
    write_idx("train", *pair, end=".gz")
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CorruptFileError, match=r"train-images-idx3-ubyte\.gz"):
        idx.read(file, rank=3)


def test_a_flipped_byte_in_an_archive_is_found(tmp_path, write_idx, pair):
    write_idx("train", *pair, end=".gz")
    file = tmp_path / "train-images-idx3-ubyte.gz"
    raw = bytearray(file.read_bytes())
    raw[-6] ^= 1
    file.write_bytes(raw)
    with pytest.raises(CorruptFileError, match="damaged gzip"):
        idx.read(file, rank=3)


def test_images_and_labels_must_agree(tmp_path, write_idx, pair):
    write_idx("train", pair[0], np.array([1, 2, 3]))
    with pytest.raises(CorruptFileError, match=r"2 images and .* 3 labels"):
        idx.read_pair(tmp_path, "train")
    write_idx("train", pair[0], np.array([1, 12]))
    with pytest.raises(CorruptFileError, match="label 12"):
        idx.read_pair(tmp_path, "train")
