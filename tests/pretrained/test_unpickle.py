"""The restricted unpickler: arrays of numbers come out, and nothing else is called."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from vidgen.pretrained.unpickle import ForbiddenPickleError, unpickle


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_come_out_as_they_went_in(protocol):
    tree = {
        "a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "f": np.asfortranarray(np.eye(3))},
        "c": np.array([1, 2], dtype=">i2"),
        "d": np.zeros((0, 2), bool),
    }
    found = unpickle(pickle.dumps(tree, protocol=protocol))
    assert found["a"].keys() == {"b", "f"}
    for ours, theirs in [
        (found["a"]["b"], tree["a"]["b"]),
        (found["a"]["f"], tree["a"]["f"]),
        (found["c"], tree["c"]),
        (found["d"], tree["d"]),
    ]:
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype.newbyteorder("=")  # numpy itself reads them native


def test_the_old_name_of_numpy_s_module_is_known():
    data = pickle.dumps(np.arange(3.0), protocol=3)
    old = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert old != data
    np.testing.assert_array_equal(unpickle(old), np.arange(3.0))


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (Runs(os.mkdir, "made"), "mkdir"),
        (Runs(eval, "1"), "builtins.eval"),
        (Runs(np.load, "x.npy"), "numpy.load"),
        (Runs(getattr, 1, "real"), "builtins.getattr"),
        (np.float64(1), "numpy._core.multiarray.scalar"),
        (np.ma.array([1.0]), "numpy.ma"),
        (np.random.default_rng(0), "numpy.random"),
        (slice(1), "builtins.slice"),
    ],
)
def test_anything_else_is_refused_by_name_and_not_called(payload, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"good": np.ones(2), "bad": payload}, protocol=3)
    with pytest.raises(ForbiddenPickleError, match=name.replace(".", r"\.")):
        unpickle(data)
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_objects_strings_and_records_are_refused():
    for array in (np.array([{}], object), np.array(["a"]), np.zeros(1, [("x", "f4")])):
        with pytest.raises(ForbiddenPickleError, match="not numbers"):
            unpickle(pickle.dumps(array, protocol=3))


def test_the_class_of_arrays_cannot_be_called():
    # numpy.ndarray((2,)), as a pickle would write it.
    with pytest.raises(pickle.UnpicklingError):
        unpickle(b"cnumpy\nndarray\n((I2\nttR.")
    with pytest.raises(ForbiddenPickleError, match="kind"):
        unpickle(b"cnumpy._core.multiarray\n_reconstruct\n(I1\nI2\nI3\ntR.")


def test_persistent_objects_and_damaged_bytes():
    with pytest.raises(ForbiddenPickleError, match="persistent object 'x'"):
        unpickle(b"Px\n.")
    with pytest.raises(pickle.UnpicklingError):
        unpickle(pickle.dumps(np.ones(3))[:20])
