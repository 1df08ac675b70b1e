"""Text networks of a few numbers, as Hugging Face folders that are written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidgen.text.networks import PORTS

WORDS = ("<pad>", "<unk>", "a", "red", "circle", "moves", "up", "and", "left", "</s>")
CONFIGS = {
    "bert": {
        "model_type": "bert",
        "vocab_size": 12,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 16,
    },
    "t5": {
        "model_type": "t5",
        "vocab_size": 12,
        "d_model": 16,
        "d_kv": 6,
        "d_ff": 24,
        "num_layers": 2,
        "num_heads": 4,
    },
    "clip": {
        "model_type": "clip_text_model",
        "vocab_size": 12,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 16,
        "eos_token_id": 9,
    },
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": 12,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 16,
    },
}


def write_tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 9)]
    )
    made.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))


def weights_of(kind):
    from transformers import AutoConfig

    config = AutoConfig.for_model(**CONFIGS[kind]).to_dict()
    rng = np.random.default_rng(0)
    shapes = {}
    for entry in PORTS[config["model_type"]].of(config).table():
        shapes |= entry.sources
    return {key: rng.normal(0, 0.3, shape).astype(np.float32) for key, shape in shapes.items()}


def write(folder, kind="bert", weights=None):
    """A folder of one kind of network; of random weights where none are given."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIGS[kind]))
    save_file(weights_of(kind) if weights is None else weights, folder / "model.safetensors")
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("networks")
    return {kind: write(root / kind, kind) for kind in CONFIGS}


@pytest.fixture(scope="session")
def bert_weights():
    """Makes weights of the tiny BERT, by their keys."""
    return lambda: weights_of("bert")


@pytest.fixture(scope="session")
def write_folder():
    """Writes a folder of a kind of network, with weights of one's own."""
    return write


@pytest.fixture(scope="session")
def configs():
    """``config.json`` by kind."""
    return CONFIGS
