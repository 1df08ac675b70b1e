"""MNIST's layout in TensorFlow Datasets, through real array records and without a network."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from vidgen.data import handwriting, source, tfds_digits

# A builder lives in a module of its own folder; TFDS reads the folder's name. To encode arrays TFDS
# would import TensorFlow, which takes longer than all the rest.
BUILDER = """
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


class TinyDigits(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(12, 12, 1)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, manager):
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        images, labels = np.load("images.npz")[split], np.load("labels.npz")[split]
        for n, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield n, {"image": Image.fromarray(image), "label": int(label)}


if __name__ == "__main__":
    TinyDigits(file_format="array_record").download_and_prepare()
"""

READER = """
import sys
from vidgen.data import handwriting, source
import numpy as np
parts = handwriting.parts("tfds:tiny_digits")
np.savez("read.npz", **{f"{k}_{f}": getattr(p, f) for k, p in parts.items()
                        for f in ("images", "labels")})
source("digits", handwriting="tfds:tiny_digits", split="validation")[0]
print("tensorflow" in sys.modules)
"""


def run(script, folder):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"TFDS_DATA_DIR": str(folder / "tfds"), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


def test_the_parts_are_those_of_the_same_images_in_idx_files(tmp_path, mnist_like):
    from vidgen.data import idx

    pairs = {s: idx.read_pair(mnist_like, p) for s, p in (("train", "train"), ("test", "t10k"))}
    np.savez(tmp_path / "images.npz", **{split: images for split, (images, _) in pairs.items()})
    np.savez(tmp_path / "labels.npz", **{split: labels for split, (_, labels) in pairs.items()})
    (tmp_path / "tiny_digits").mkdir()
    (tmp_path / "tiny_digits" / "__init__.py").touch()
    (tmp_path / "tiny_digits" / "tiny_digits.py").write_text(textwrap.dedent(BUILDER))
    run("import runpy; runpy.run_module('tiny_digits.tiny_digits', run_name='__main__')", tmp_path)
    # Reading needs no TensorFlow.
    assert run(READER, tmp_path) == ["False"]
    found = np.load(tmp_path / "read.npz")
    for part, known in handwriting.parts(str(mnist_like)).items():
        order = np.lexsort(found[f"{part}_images"].reshape(len(known.images), -1).T)
        expected = np.lexsort(known.images.reshape(len(known.images), -1).T)
        np.testing.assert_array_equal(found[f"{part}_images"][order], known.images[expected])
        np.testing.assert_array_equal(found[f"{part}_labels"][order], known.labels[expected])


def test_without_tfds_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[tfds\]'"):
        source("digits", handwriting="tfds:mnist")


class FakeTfds:
    """Stands where TFDS would, with rows of any kind."""

    def __init__(self, rows):
        self._rows = rows

    def data_source(self, name, *, split):
        return self._rows


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image": np.zeros((4, 4, 3), np.uint8), "label": 1},
            r"no grey 'image'.*image \(4, 4, 3\)",
        ),
        ({"video": np.zeros((2, 4, 4, 1), np.uint8)}, r"rows hold video \(2, 4, 4, 1\)"),
        ({"image": np.zeros((4, 4, 1), np.uint8), "label": 25}, "labels from 25 to 25"),
    ],
)
def test_a_set_without_digits_is_refused(monkeypatch, row, message):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", FakeTfds([row]))
    with pytest.raises(ValueError, match=message):
        tfds_digits.read("other", "train")
