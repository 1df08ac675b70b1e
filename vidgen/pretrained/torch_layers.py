"""How the arrays of PyTorch's layers become those of Flax's: entries of a table for `port`."""

from __future__ import annotations

import numpy as np

from vidgen.pretrained.weights import Entry


def norm(target: str, source: str, width: int, *, bias: bool = True) -> list[Entry]:
    """Of a layer normalisation, or without `bias` of one by the root mean square."""
    entries = [Entry(target=f"{target}.scale", sources={f"{source}.weight": (width,)})]
    if bias:
        entries.append(Entry(target=f"{target}.bias", sources={f"{source}.bias": (width,)}))
    return entries


def linear(
    target: str, source: str, inputs: int, outputs: int, *, bias: bool = True
) -> list[Entry]:
    """Of a dense layer, which PyTorch keeps transposed."""
    entries = [
        Entry(
            target=f"{target}.kernel",
            sources={f"{source}.weight": (outputs, inputs)},
            make=np.transpose,
        )
    ]
    if bias:
        entries.append(Entry(target=f"{target}.bias", sources={f"{source}.bias": (outputs,)}))
    return entries


def embedding(target: str, source: str, count: int, width: int) -> list[Entry]:
    """Of a table of `count` vectors."""
    return [Entry(target=target, sources={f"{source}.weight": (count, width)})]


def clip_blocks(depth: int, width: int, hidden: int) -> list[Entry]:
    """Of the blocks of either tower of CLIP, as Hugging Face's files name them."""
    layers = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
    entries: list[Entry] = []
    for number in range(depth):
        block, source = f"blocks.{number}", f"encoder.layers.{number}"
        for part, layer in layers.items():
            entries += linear(
                f"{block}.attention.{part}", f"{source}.self_attn.{layer}", width, width
            )
        entries += [
            *norm(f"{block}.attention_norm", f"{source}.layer_norm1", width),
            *norm(f"{block}.forward_norm", f"{source}.layer_norm2", width),
            *linear(f"{block}.forward.widen", f"{source}.mlp.fc1", width, hidden),
            *linear(f"{block}.forward.narrow", f"{source}.mlp.fc2", hidden, width),
        ]
    return entries
