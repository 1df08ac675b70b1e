"""The masked generator: a video tokenizer and a transformer that fills in its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float, Int

from vidgen.contract import Card, Key
from vidgen.generators.masked.config import MaskedConfig, Sampler
from vidgen.generators.masked.network import MaskedPrior
from vidgen.generators.masked.phase import MaskedPriorPhase
from vidgen.generators.masked.sampling import sample_codes
from vidgen.priors import CodesGenerator
from vidgen.registry import register
from vidgen.types import Condition, Params, Video


@register("masked", MaskedConfig)
class Masked(CodesGenerator):
    """Codes of a causal video tokenizer, filled in many at a time by a bidirectional transformer.

    Args:
        config: sizes.
        task: shape of the clips and captions.
    """

    card: ClassVar[Card] = Card(
        name="masked",
        family="masked",
        summary="A bidirectional transformer fills in the codes of a causal video tokenizer over a "
        "few passes, the most confident first.",
        paper="Chang et al., MaskGIT (2022); Yu et al., MAGVIT (2023)",
        matches_reference="no: schedule and choice of codes are the papers'; the tokenizer is "
        "causal and uses scalar quantisation, a code is predicted digit by digit, the opening is "
        "filled in before what follows it, and what a context suggests of later codes is motion "
        "compensation of it, not the context padded with a constant; with residual, later codes "
        "are of what motion leaves",
        layout=True,
    )

    prior_phase = MaskedPriorPhase
    config: MaskedConfig

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
        prior: MaskedPrior,
        condition: Condition,
        keys: Key,
        sampler: Sampler | None,
        **known: Any,
    ) -> Int[Array, "B N"]:
        sampler = self.config.sampler if sampler is None else sampler
        return sample_codes(prior, condition=condition, keys=keys, sampler=sampler, **known)

    def _read(
        self,
        prior: MaskedPrior,
        codes: Int[Array, "B N"],
        told: Float[Array, "B N F"],
        expected: Float[Array, "B N F"],
        condition: Condition,
        keys: Key,
    ) -> None:
        """With every second code hidden, by chance."""
        length = codes.shape[1]
        hidden = jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (length,)))(keys)
        prior(told, hidden, prior.encode(condition), expected)
