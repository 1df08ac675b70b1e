"""The causal video tokenizer and its training phase, shared by generators on codes or latents."""

from vidgen.tokenizers.config import (
    AdversarialLoss,
    LatentTokenizerConfig,
    PerceptualLoss,
    TokenizerConfig,
)
from vidgen.tokenizers.latents import LatentTokenizer, LatentTokenizerPhase
from vidgen.tokenizers.phase import TokenizerPhase
from vidgen.tokenizers.tokenizer import Tokenizer

__all__ = [
    "AdversarialLoss",
    "LatentTokenizer",
    "LatentTokenizerConfig",
    "LatentTokenizerPhase",
    "PerceptualLoss",
    "Tokenizer",
    "TokenizerConfig",
    "TokenizerPhase",
]
