"""What generators over a video tokenizer's codes share, in whatever order they draw them."""

from vidgen.priors.codec import Codec
from vidgen.priors.config import CodesConfig, PriorConfig
from vidgen.priors.digits import DigitHead, tally
from vidgen.priors.expectation import Expectation, decided
from vidgen.priors.generator import CodesGenerator
from vidgen.priors.guidance import doubled, guided
from vidgen.priors.phase import Codes, PriorPhase
from vidgen.priors.prior import Prior, Prompt

__all__ = [
    "Codec",
    "Codes",
    "CodesConfig",
    "CodesGenerator",
    "DigitHead",
    "Expectation",
    "Prior",
    "PriorConfig",
    "PriorPhase",
    "Prompt",
    "decided",
    "doubled",
    "guided",
    "tally",
]
