"""Blocks that two or more generators use."""

from vidgen.nn.attention import Attention, KeyValues, causal_mask
from vidgen.nn.convolution import Conv, Padding, convolve, pads
from vidgen.nn.network import Network, Weights
from vidgen.nn.norm import AdaptiveNorm
from vidgen.nn.positions import grid, rotary_angles, rotate, sinusoids
from vidgen.nn.quantizer import (
    FSQ,
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
from vidgen.nn.spacetime import SpaceTimeAttention
from vidgen.nn.transformer import Block, Decoder, Encoder, FeedForward

__all__ = [
    "FSQ",
    "GRU",
    "LSTM",
    "VQ",
    "AdaptiveNorm",
    "Attention",
    "Block",
    "Codebook",
    "Conv",
    "Decoder",
    "Encoder",
    "FeedForward",
    "KeyValues",
    "Network",
    "Padding",
    "Quantized",
    "Quantizer",
    "SpaceTimeAttention",
    "Weights",
    "causal_mask",
    "codes_of",
    "convolve",
    "digits_of",
    "grid",
    "histogram",
    "pads",
    "perplexity",
    "rotary_angles",
    "rotate",
    "sinusoids",
    "usage",
]
