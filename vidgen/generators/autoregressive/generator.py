"""The autoregressive generator: a video tokenizer and a transformer over its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Array, Float, Int

from vidgen.contract import Card, Key
from vidgen.generators.autoregressive.config import AutoregressiveConfig, Sampler
from vidgen.generators.autoregressive.network import CausalPrior
from vidgen.generators.autoregressive.phase import CausalPriorPhase
from vidgen.generators.autoregressive.sampling import sample_codes
from vidgen.nn import digits_of
from vidgen.priors import CodesGenerator
from vidgen.registry import register
from vidgen.types import Condition, Params, Video


@register("autoregressive", AutoregressiveConfig)
class Autoregressive(CodesGenerator):
    """Codes of a causal video tokenizer, drawn one after another by a transformer.

    Args:
        config: sizes.
        task: shape of the clips and captions.
    """

    card: ClassVar[Card] = Card(
        name="autoregressive",
        family="autoregressive",
        summary="An encoder-decoder transformer predicts the codes of a causal video tokenizer "
        "one after another, each digit by digit.",
        paper="Yan et al., VideoGPT (2021); Mentzer et al., Finite scalar quantization (2023)",
        matches_reference="no: the same method at a small size; the tokenizer is causal and uses "
        "scalar quantisation, the prior reads text, is told each code's neighbours and what motion "
        "compensation expects outright, and draws a code digit by digit; what a given first frame "
        "decides is given, not drawn; with residual, later codes are of what motion leaves",
        layout=True,
    )

    prior_phase = CausalPriorPhase
    config: AutoregressiveConfig

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: Sampler | None = None,
    ) -> Video:
        """Draw one clip for each row of the condition, a context that is given included."""
        return self._sampled(params, condition, keys, sampler)

    def _draw(
        self,
        prior: CausalPrior,
        condition: Condition,
        keys: Key,
        sampler: Sampler | None,
        **known: Any,
    ) -> Int[Array, "B N"]:
        sampler = self.config.sampler if sampler is None else sampler
        return sample_codes(prior, condition=condition, keys=keys, sampler=sampler, **known)

    def _read(
        self,
        prior: CausalPrior,
        codes: Int[Array, "B N"],
        told: Float[Array, "B N F"],
        expected: Float[Array, "B N F"],
        condition: Condition,
        keys: Key,
    ) -> None:
        """Teacher forcing."""
        del keys
        prompt = prior.expecting(prior.encode(condition), expected, self._codec.expectation.opening)
        levels = self._codec.tokenizer.config.quantizer.levels
        prior(told, digits_of(codes, levels), prompt)
