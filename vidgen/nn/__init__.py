"""Blocks that two or more generators use."""

from vidgen.nn.adversarial import LOSSES, LossKind, discriminator_loss, generator_loss
from vidgen.nn.attention import Attention, Cache, KeyValues, causal_mask, observe
from vidgen.nn.caption import Caption
from vidgen.nn.convolution import Conv, Padding, convolve, pads
from vidgen.nn.layout import LayoutMap, LayoutPool
from vidgen.nn.network import RUN_ONCE, Network, Weights
from vidgen.nn.norm import AdaptiveNorm
from vidgen.nn.patches import (
    Sizes,
    patch_grid,
    patchify,
    unpatchify,
)
from vidgen.nn.positions import grid, rotary_angles, rotate, sinusoids
from vidgen.nn.quantizer import (
    FSQ,
    LFQ,
    VQ,
    Codebook,
    Quantized,
    Quantizer,
    codes_of,
    digits_of,
    histogram,
    perplexity,
    usage,
)
from vidgen.nn.recurrent import GRU, LSTM
from vidgen.nn.remat import recomputed
from vidgen.nn.sliding import slide
from vidgen.nn.spacetime import SpaceTimeAttention
from vidgen.nn.transformer import Block, Decoder, Encoder, FeedForward
from vidgen.nn.warp import refine_flow, warp

__all__ = [
    "FSQ",
    "GRU",
    "LFQ",
    "LOSSES",
    "LSTM",
    "RUN_ONCE",
    "VQ",
    "AdaptiveNorm",
    "Attention",
    "Block",
    "Cache",
    "Caption",
    "Codebook",
    "Conv",
    "Decoder",
    "Encoder",
    "FeedForward",
    "KeyValues",
    "LayoutMap",
    "LayoutPool",
    "LossKind",
    "Network",
    "Padding",
    "Quantized",
    "Quantizer",
    "Sizes",
    "SpaceTimeAttention",
    "Weights",
    "causal_mask",
    "codes_of",
    "convolve",
    "digits_of",
    "discriminator_loss",
    "generator_loss",
    "grid",
    "histogram",
    "observe",
    "pads",
    "patch_grid",
    "patchify",
    "perplexity",
    "recomputed",
    "refine_flow",
    "rotary_angles",
    "rotate",
    "sinusoids",
    "slide",
    "unpatchify",
    "usage",
    "warp",
]
