"""The ported networks against PyTorch's, layer by layer, on the CPU.

They run where torch is installed, and are skipped elsewhere; `.ci/run` installs it and sets
VIDGEN_REQUIRE_PARITY, by which its absence is an error.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from vidgen.text import Contextual, minilm_folder

pytestmark = pytest.mark.parity

if os.environ.get("VIDGEN_REQUIRE_PARITY"):
    import torch
    import transformers
else:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

WORDS = ("<pad>", "<unk>", "a", "red", "circle", "moves", "up", "and", "left", ".", "</s>")
CAPTIONS = ["a red circle moves up and left .", "up", "circle and circle and red", "left left ."]
LENGTH = 12
TOLERANCE = 1e-4


def tokenizer():
    """A word a token, and a sign at the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({w: n for n, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", eos_token="</s>"
    )


BERT = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
T5 = {
    "vocab_size": 20,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 24,
    "num_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 10,
}
CLIP = {**BERT, "projection_dim": 10, "eos_token_id": WORDS.index("</s>")}
GPT2 = {"vocab_size": 20, "n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": 16}


def clip_whole():
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"intermediate_size": 8, "image_size": 8, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=CLIP, vision_config=vision, projection_dim=10)
    return transformers.CLIPModel(config)


NETWORKS = {
    "bert": lambda: transformers.BertModel(transformers.BertConfig(**BERT)),
    "bert, other nonlinearity, with a head": lambda: transformers.BertForMaskedLM(
        transformers.BertConfig(**BERT, hidden_act="gelu_new")
    ),
    "t5": lambda: transformers.T5EncoderModel(transformers.T5Config(**T5)),
    "t5, gated, with its decoder": lambda: transformers.T5ForConditionalGeneration(
        transformers.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    ),
    "clip": clip_whole,
    "clip, the tower": lambda: transformers.CLIPTextModel(transformers.CLIPTextConfig(**CLIP)),
    "clip, the tower and its projection": lambda: transformers.CLIPTextModelWithProjection(
        transformers.CLIPTextConfig(**CLIP, hidden_act="gelu")
    ),
    "clip, by the old rule of where a text ends": lambda: transformers.CLIPTextModelWithProjection(
        transformers.CLIPTextConfig(**CLIP | {"eos_token_id": 2})
    ),
    "gpt2": lambda: transformers.GPT2Model(transformers.GPT2Config(**GPT2)),
    "gpt2, with a head": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(**GPT2, n_inner=20)
    ),
}


def saved(build, folder):
    """A network with large random weights, which it has saved beside a tokenizer."""
    torch.manual_seed(0)
    model = build().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scaling = "norm" in name.lower() and name.endswith("weight")
            parameter.normal_(1.0 if scaling else 0.0, 0.3)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return model


@pytest.fixture(scope="module", params=NETWORKS)
def both(request, tmp_path_factory):
    """PyTorch's network with large random weights, and the port of what it saved."""
    folder = tmp_path_factory.mktemp("network")
    return saved(NETWORKS[request.param], folder), Contextual(folder, length=LENGTH)


def asked(encoder):
    """The tokens of the captions as PyTorch takes them, padded with 0, and their mask."""
    rows = torch.tensor(encoder._rows(CAPTIONS).astype(np.int64))
    return {"input_ids": rows.clamp(min=0), "attention_mask": (rows >= 0).long()}


def text_part(model):
    """The part of a model that reads text."""
    if hasattr(model, "decoder"):
        return model.get_encoder()
    return next(
        (
            getattr(model, name)
            for name in ("text_model", "transformer", "bert")
            if hasattr(model, name)
        ),
        model,
    )


def test_every_layer_is_pytorch_s(both):
    model, encoder = both
    inputs = asked(encoder)
    with torch.no_grad():
        out = text_part(model)(**inputs, output_hidden_states=True)
    theirs = [state.numpy() for state in out.hidden_states]
    theirs[-1] = out.last_hidden_state.numpy()
    mine = encoder.hidden_states(CAPTIONS)
    assert mine.shape[1] == len(theirs)
    there = inputs["attention_mask"].numpy().astype(bool)
    for layer, state in enumerate(theirs):
        assert np.abs(state[there]).max() > 0.5
        gap = np.abs(mine[:, layer][there] - state[there]).max()
        assert gap < TOLERANCE, (layer, gap)


def one_vector(model, inputs):
    """Of each text, as those who published the network make it."""
    if hasattr(model, "get_text_features"):
        pooled = model.get_text_features(**inputs)
        return getattr(pooled, "pooler_output", pooled)
    out = text_part(model)(**inputs)
    if hasattr(model, "text_projection"):
        return model(**inputs).text_embeds
    if "CLIP" in type(model).__name__:
        return out.pooler_output
    there = inputs["attention_mask"]
    if "GPT2" in type(model).__name__:
        return out.last_hidden_state[torch.arange(len(there)), there.sum(1) - 1]
    return (out.last_hidden_state * there[..., None]).sum(1) / there.sum(1, keepdim=True)


def test_one_vector_a_text_is_pytorch_s(both):
    model, encoder = both
    with torch.no_grad():
        pooled = one_vector(model, asked(encoder))
    theirs = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    assert np.abs(encoder.sentences(CAPTIONS) - theirs).max() < TOLERANCE


SENTENCES = [
    "a red circle moves up",
    "The digit 3 is moving up and left.",
    "two dogs play in the park, then rest",
    "naïve café, 東京, Zürich!",
    "x",
    "slowly zoom in on the old harbour at dusk while gulls circle above the boats and the sea "
    "gets rough",
    "GO TO THE BLUE KEY",
    "...",
]


def test_minilm_gives_the_sentences_of_sentence_transformers():
    """Its recipe: BERT, the mean of the tokens that are there, length 1."""
    folder = minilm_folder()
    encoder = Contextual(folder, length=48, kind="bert")
    model = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    read = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    inputs = read(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        out = model(**inputs, output_hidden_states=True)
    there = inputs["attention_mask"].bool()
    mean = (out.last_hidden_state * there[..., None]).sum(1) / there.sum(1, keepdim=True)
    theirs = torch.nn.functional.normalize(mean, dim=-1).numpy()
    assert np.abs(encoder.sentences(SENTENCES) - theirs).max() < TOLERANCE
    mine = encoder.hidden_states(SENTENCES)[:, :, : there.shape[1]]
    for layer, state in enumerate(out.hidden_states):
        assert np.abs(mine[:, layer][there.numpy()] - state[there].numpy()).max() < TOLERANCE


@pytest.fixture(scope="module")
def whole_clip(tmp_path_factory):
    """PyTorch's CLIP with large random weights, and the folder that it saved."""
    folder = tmp_path_factory.mktemp("clip")
    return saved(clip_whole, folder), folder


def test_clipsim_is_pytorch_s(whole_clip):
    """The product of the two vectors, mean over frames, from pixels and captions on."""
    from vidgen.evaluation.features.clip import ClipFrames, prepared

    model, folder = whole_clip
    network = ClipFrames(folder)
    video = np.random.default_rng(0).integers(0, 256, (4, 3, 12, 10, 3), dtype=np.uint8)
    pictures = prepared(video.reshape(-1, *video.shape[2:]), 8)
    inputs = asked(network._text)
    with torch.no_grad():
        out = model(**inputs, pixel_values=torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()))
    seen = out.image_embeds.numpy().reshape(4, 3, -1)
    theirs = np.einsum("ntd,nd->nt", seen, out.text_embeds.numpy()).mean(axis=1)
    mine = np.einsum("nd,nd->n", network(video), network.text(CAPTIONS))
    assert np.abs(mine - theirs).max() < TOLERANCE
    assert np.ptp(theirs) > 1e-2


def test_frames_are_prepared_as_by_clip_s_processor():
    from vidgen.evaluation.features.clip import prepared

    processor = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}
    )
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 45, 3), dtype=np.uint8)
    theirs = processor(list(frames), return_tensors="np")["pixel_values"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(prepared(frames, 24), theirs, atol=1e-5)
