"""all-MiniLM-L6-v2 where the hub's own tools keep it."""

import hashlib
import sys
import types

import pytest

from vidgen.text import minilm


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache with stand-ins for all files, whose weights count as the right ones."""
    for name in minilm._FILES:
        (tmp_path / name).write_bytes(name.encode())
    tools = types.SimpleNamespace(
        try_to_load_from_cache=lambda repository, name, *, revision: (
            str(tmp_path / name) if (tmp_path / name).is_file() else None
        )
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", tools)
    monkeypatch.setattr(minilm, "SHA256", hashlib.sha256(b"model.safetensors").hexdigest())
    monkeypatch.setattr(minilm, "_packaged", lambda: None)
    monkeypatch.delenv(minilm.DIRECTORY_VARIABLE, raising=False)
    return tmp_path


def test_what_was_fetched_before_is_here(cache):
    assert minilm.here() == cache


def test_a_damaged_or_partial_cache_counts_as_none(cache):
    (cache / "model.safetensors").write_bytes(b"others")
    assert minilm.here() is None
    (cache / "model.safetensors").unlink()
    assert minilm.here() is None


def test_without_the_hubs_tools_nothing_is_kept(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert minilm.here() is None
