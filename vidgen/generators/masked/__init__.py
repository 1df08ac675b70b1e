"""A video tokenizer with a bidirectional transformer that fills in its codes, many at a time."""

from vidgen.generators.masked.config import MaskedConfig, MaskedPriorConfig, Sampler
from vidgen.generators.masked.generator import Masked

__all__ = ["Masked", "MaskedConfig", "MaskedPriorConfig", "Sampler"]
