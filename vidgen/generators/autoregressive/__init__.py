"""A video tokenizer with an autoregressive transformer over its codes."""

from vidgen.generators.autoregressive.config import AutoregressiveConfig, CausalPriorConfig, Sampler
from vidgen.generators.autoregressive.generator import Autoregressive

__all__ = ["Autoregressive", "AutoregressiveConfig", "CausalPriorConfig", "Sampler"]
