"""A video tokenizer with an autoregressive transformer over its codes."""

from vidgen.generators.autoregressive.config import AutoregressiveConfig, PriorConfig, Sampler
from vidgen.generators.autoregressive.generator import Autoregressive

__all__ = ["Autoregressive", "AutoregressiveConfig", "PriorConfig", "Sampler"]
