"""The metrics log and the TensorBoard events."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.training.writers import MetricsLog, TensorBoard, read_metrics


def test_rows_are_exact_and_null_where_not_finite(tmp_path):
    log = MetricsLog(tmp_path)
    value = np.float32(0.1)
    log.write("only", 3, "train", {"z": jnp.bfloat16(2.5), "loss": value, "bad": np.inf, "n": 7})
    log.close()
    (row,) = read_metrics(tmp_path)
    expected = {"bad": None, "loss": float(value), "n": 7, "z": 2.5}
    assert row == {"phase": "only", "step": 3, "split": "train"} | expected
    assert list(row)[3:] == sorted(expected)
    assert isinstance(row["n"], int)


def test_the_log_is_cut_back_and_goes_on(tmp_path):
    log = MetricsLog(tmp_path)
    log.write("only", 1, "train", {"loss": 1.0})
    offset = log.offset
    log.write("only", 2, "train", {"loss": 2.0})
    log.close()
    log = MetricsLog(tmp_path, offset)
    assert log.offset == offset
    log.write("only", 2, "train", {"loss": 3.0})
    log.close()
    assert [row["loss"] for row in read_metrics(tmp_path)] == [1.0, 3.0]
    with pytest.raises(ValueError, match="was cut or replaced"):
        MetricsLog(tmp_path, 10**6)


def test_half_a_line_is_dropped_and_another_schema_refused(tmp_path):
    assert read_metrics(tmp_path) == []
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"schema_version": 1}\n{"step": 1}\n{"st')
    assert read_metrics(tmp_path) == [{"step": 1}]
    path.write_text('{"schema_version": 99}\n')
    with pytest.raises(ValueError, match="schema version 99"):
        read_metrics(tmp_path)


def test_tensorboard_gets_the_finite_scalars(tmp_path):
    board = TensorBoard(tmp_path, "only", 0)
    board.write(1, "train", {"loss": 0.5, "bad": np.nan})
    board.close()
    (events,) = (tmp_path / "tensorboard" / "only").iterdir()
    assert b"train/loss" in events.read_bytes()
    assert b"bad" not in events.read_bytes()


def test_the_header_is_the_schema_version(tmp_path):
    MetricsLog(tmp_path).close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"schema_version": 1}
