"""What priors over a video tokenizer's codes share, in whatever order they draw them."""

from vidgen.priors.codec import Codec
from vidgen.priors.digits import DigitHead, tally
from vidgen.priors.expectation import Expectation, decided
from vidgen.priors.phase import Codes, PriorPhase
from vidgen.priors.prior import Prior, Prompt

__all__ = [
    "Codec",
    "Codes",
    "DigitHead",
    "Expectation",
    "Prior",
    "PriorPhase",
    "Prompt",
    "decided",
    "tally",
]
