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
