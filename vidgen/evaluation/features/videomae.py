"""VideoMAE: what content-debiased FVD is measured on, from weights that users bring.

A vision transformer whose tokens, tubelets of pixels, all attend to one another. The features are
the normalised mean of its last tokens, which its classifier reads, of clips of 16 frames. A file
says by its shapes which network it holds, from ViT-S to ViT-G; content-debiased FVD is measured on
ViT-g/14. JEDi (Luo et al. 2025) takes a kernel distance on V-JEPA, which is not ported: the kernel
distance on these features is akin to it, and no JEDi.

A file holds the state dict of a fine-tuned network of the two original repositories (in
vit_g_hybrid_pt_1200e_ssv2_ft it lies under "module"), saved anew without pickle, say by
`safetensors.torch.save_file`. Hugging Face's files name the same arrays in other ways, which
changed between its versions, and are refused.

References: Tong et al., "VideoMAE: masked autoencoders are data-efficient learners ...", NeurIPS
2022; Wang et al., "VideoMAE V2: scaling video masked autoencoders ...", CVPR 2023; Ge et al., "On
the content bias in Fréchet video distance", CVPR 2024.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.brought import BROUGHT
from vidgen.evaluation.features.feature import check_length, check_pictures
from vidgen.evaluation.features.i3d import resize
from vidgen.pretrained.batches import Batched
from vidgen.pretrained.torch_layers import linear, norm
from vidgen.pretrained.weights import Entry, WrongWeightsError, digest, port, read

FRAMES = 16
SIDE = 224
"""Pixels a side that every frame is squashed to."""

_HEADS: Mapping[int, int] = {384: 6, 768: 12, 1024: 16, 1280: 16, 1408: 16, 1664: 16}
"""Attention heads by width (ViT-S, B, L, H, g and G), the one size that no array shows."""

_TELLING = ("patch_embed.proj.weight", "blocks.0.mlp.fc1.weight")
_CLASSIFIER = ("head.weight", "head.bias")

_EPSILON = 1e-6
"""Of the layer normalisation that the weights were trained with."""

_CLIPS_AT_ONCE = {"cpu": 1}
_CLIPS_AT_ONCE_ELSEWHERE = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """What distinguishes one VideoMAE from another.

    Attributes:
        width: features of a token.
        depth: blocks.
        heads: of the attention.
        hidden: width of the feed-forward networks.
        patch: frames, height and width of a tubelet.
    """

    width: int
    depth: int
    heads: int
    hidden: int
    patch: nn.Sizes

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray], *, heads: int | None = None) -> Sizes:
        """The sizes of a file, from the shapes of two arrays and the number of blocks.

        Raises:
            WrongWeightsError: if the two are not there, the heads cannot be told, or clips do not
                fall into such tubelets.
        """
        kernel, widening = (weights.get(key) for key in _TELLING)
        if kernel is None or kernel.ndim != 5 or widening is None or widening.ndim != 2:
            raise WrongWeightsError(
                f"VideoMAE's original repositories save {' and '.join(_TELLING)}; this file holds "
                f"{', '.join(sorted(weights)[:4])} ..."
            )
        width, _, frames, height, across = kernel.shape
        heads = _HEADS.get(width) if heads is None else heads
        if heads is None or width % heads:
            raise WrongWeightsError(f"how many heads a width of {width} has is not known")
        if FRAMES % frames or SIDE % height or SIDE % across:
            raise WrongWeightsError(
                f"clips of {FRAMES}x{SIDE}x{SIDE} do not fall into tubelets of "
                f"{frames}x{height}x{across}"
            )
        blocks = (re.match(r"blocks\.(\d+)\.", key) for key in weights)
        return cls(
            width=width,
            depth=1 + max(int(block[1]) for block in blocks if block),
            heads=heads,
            hidden=widening.shape[0],
            patch=(frames, height, across),
        )


class Block(nnx.Module):
    """Attention among all tokens and a feed-forward network, each behind its normalisation."""

    def __init__(self, sizes: Sizes, *, rngs: nnx.Rngs) -> None:
        self.heads = sizes.heads
        self.attention_norm = _layer_norm(sizes.width, rngs)
        self.qkv = nnx.Linear(sizes.width, 3 * sizes.width, rngs=rngs)
        self.out = nnx.Linear(sizes.width, sizes.width, rngs=rngs)
        self.forward_norm = _layer_norm(sizes.width, rngs)
        self.widen = nnx.Linear(sizes.width, sizes.hidden, rngs=rngs)
        self.narrow = nnx.Linear(sizes.hidden, sizes.width, rngs=rngs)

    def __call__(self, x: Float[Array, "B N D"]) -> Float[Array, "B N D"]:
        joint = self.qkv(self.attention_norm(x)).reshape(*x.shape[:2], 3, self.heads, -1)
        query, key, value = (joint[:, :, i] for i in range(3))
        attended = jax.nn.dot_product_attention(query, key, value)
        x = x + self.out(attended.reshape(x.shape))
        hidden = jax.nn.gelu(self.widen(self.forward_norm(x)), approximate=False)
        return x + self.narrow(hidden)


class Encoder(nnx.Module):
    """The network without its classifier."""

    def __init__(self, sizes: Sizes, *, rngs: nnx.Rngs) -> None:
        self.patch = sizes.patch
        self.embed = nnx.Linear(3 * int(np.prod(sizes.patch)), sizes.width, rngs=rngs)
        self.blocks = nnx.List([Block(sizes, rngs=rngs) for _ in range(sizes.depth)])
        self.norm = _layer_norm(sizes.width, rngs)

    def __call__(self, video: Float[Array, "B T H W 3"]) -> Float[Array, "B D"]:
        """Features of clips in [0, 1]."""
        tokens = self.embed(nn.patchify(video, self.patch))
        tokens = tokens.reshape(len(video), -1, tokens.shape[-1])
        x = tokens + positions(*tokens.shape[1:])[None]
        for block in self.blocks:
            x = block(x)
        return self.norm(x.mean(axis=1))


def _layer_norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer normalisation; the variance by two passes, as a mean far from 0 asks for."""
    return nnx.LayerNorm(width, epsilon=_EPSILON, use_fast_variance=False, rngs=rngs)


def positions(count: int, width: int) -> Float[np.ndarray, "{count} {width}"]:
    """Sines and cosines, in turn, of a token's place in the clip, counted through its tubelets.

    In float64, unlike `nn.sinusoids`: at the 2,000th token float32 is right to 1e-4 alone.
    """
    rates = 10_000.0 ** (-np.arange(0, width, 2) / width)
    angles = np.arange(count)[:, None] * rates[None]
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return waves.reshape(count, -1).astype(np.float32)


class VideoMAE:
    """The feature network: uint8 clips of 16 frames in, as many features as the file is wide out.

    Every frame is squashed to 224x224 (bilinear, half-pixel centres, no antialiasing), grey is
    repeated on three channels, and pixels lie in [0, 1] without any further normalisation, all as
    in the code of content-debiased FVD.

    Args:
        path: the state dict, in one of `weights.FORMATS`.
        heads: of its attention, for widths that no published network has.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: if it holds anything else.
    """

    def __init__(self, path: Path, *, heads: int | None = None) -> None:
        weights = {key: array for key, array in read(path).items() if key not in _CLASSIFIER}
        sizes = Sizes.of(weights, heads=heads)
        self.width = sizes.width
        self.name = f"videomae-{sizes.width}x{sizes.depth}-{digest(path)[:8]}"
        network = nn.Network(lambda rngs: Encoder(sizes, rngs=rngs))
        self._run = Batched(
            lambda _, video: (resize(video, side=SIDE) + 1) / 2,
            lambda weights, video: network.bind(weights)(video),
            rows=_CLIPS_AT_ONCE.get(jax.default_backend(), _CLIPS_AT_ONCE_ELSEWHERE),
        )
        self._weights = self._run.place(port(weights, table(sizes)))

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N D"]:
        """Features of N clips, float32. A first call compiles.

        Raises:
            UnsuitableClipsError: for clips of other than 16 frames, or channels other than 1 or 3.
        """
        check_length("VideoMAE", video, FRAMES)
        check_pictures("VideoMAE", video)
        if not len(video):
            return np.zeros((0, self.width), np.float32)
        return self._run(self._weights, video)


def load_videomae(path: Path | None = None) -> VideoMAE:
    """The network of a file, read and compiled once a process; by default of the file where
    `BROUGHT` says that it belongs. Raises as `VideoMAE`.
    """
    return _loaded(BROUGHT["videomae-ssv2"].find() if path is None else Path(path))


@functools.cache
def _loaded(path: Path) -> VideoMAE:
    return VideoMAE(path)


def table(sizes: Sizes) -> list[Entry]:
    """How the arrays of `Encoder` come from those of the state dict."""
    width = sizes.width
    entries = [
        Entry(
            target="embed.kernel",
            sources={"patch_embed.proj.weight": (width, 3, *sizes.patch)},
            make=lambda kernel: kernel.transpose(2, 3, 4, 1, 0).reshape(-1, width),
        ),
        Entry(target="embed.bias", sources={"patch_embed.proj.bias": (width,)}),
        *norm("norm", "fc_norm", width),
    ]
    for number in range(sizes.depth):
        block = f"blocks.{number}"
        entries += [
            *norm(f"{block}.attention_norm", f"{block}.norm1", width),
            Entry(
                target=f"{block}.qkv.kernel",
                sources={f"{block}.attn.qkv.weight": (3 * width, width)},
                make=np.transpose,
            ),
            Entry(
                target=f"{block}.qkv.bias",  # keys have none
                sources={f"{block}.attn.q_bias": (width,), f"{block}.attn.v_bias": (width,)},
                make=lambda query, value: np.concatenate([query, np.zeros_like(query), value]),
            ),
            *linear(f"{block}.out", f"{block}.attn.proj", width, width),
            *norm(f"{block}.forward_norm", f"{block}.norm2", width),
            *linear(f"{block}.widen", f"{block}.mlp.fc1", width, sizes.hidden),
            *linear(f"{block}.narrow", f"{block}.mlp.fc2", sizes.hidden, width),
        ]
    return entries
