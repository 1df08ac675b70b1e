"""AdamW and Muon over flat dictionaries of weights."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import jax
import optax
from jaxtyping import Array, Float

from vidgen.optim.muon import scale_by_muon
from vidgen.optim.schedule import Schedule

Weights = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Optimizer:
    """An optimiser as a frozen config, with the two pure functions a phase needs.

    Attributes:
        kind: ``adamw``, or ``muon``: orthogonalised momentum for matrices and convolution kernels
            (taps and inputs together are the rows), Adam for the rest.
        learning_rate: at the schedule's plateau; for ``muon``, that of the matrices.
        adam_learning_rate: for what Muon leaves to Adam; `learning_rate` if None.
        adam_only: regular expression; weights whose name it finds are left to Adam, as the first
            and last layers and all embeddings should be.
        b1: decay of Adam's first moment.
        b2: decay of Adam's second moment.
        momentum: decay of Muon's momentum.
        weight_decay: decoupled, on weights of two or more axes.
        clip: bound on the global norm of the gradients; None for none.
        schedule: factor on the learning rate over progress.

    References: Loshchilov & Hutter, "Decoupled weight decay regularization" (2019); Jordan et al.,
    "Muon" (2024).
    """

    kind: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-3
    adam_learning_rate: float | None = None
    adam_only: str = r"embed|head|stem"
    b1: float = 0.9
    b2: float = 0.99
    momentum: float = 0.95
    weight_decay: float = 0.0
    clip: float | None = 1.0
    schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        if self.kind not in ("adamw", "muon"):
            raise ValueError(f"kind must be adamw or muon, got {self.kind!r}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")

    def init(self, params: Weights) -> Any:
        """The optimiser's state at step 0."""
        return self._transform().init(params)

    def update(
        self, grads: Weights, opt_state: Any, params: Weights, progress: Float[Array, ""]
    ) -> tuple[Weights, Any, dict[str, Array]]:
        """One step.

        Args:
            grads: gradients, named as `params`.
            opt_state: as `init` or an earlier `update` returned it.
            params: the weights.
            progress: share of the phase's budget that is spent.

        Returns:
            New weights, new state, and ``grad_norm`` (before clipping), ``update_norm`` and
            ``learning_rate``.
        """
        rate = self.learning_rate * self.schedule(progress)
        # The scope is what the FLOP counter reads to tell the optimiser's work from the model's.
        with jax.named_scope("optimizer"):
            directions, opt_state = self._transform().update(grads, opt_state, params)
            updates = jax.tree.map(lambda d: -rate * d, directions)
            metrics = {
                "grad_norm": optax.tree.norm(grads),
                "update_norm": optax.tree.norm(updates),
                "learning_rate": rate,
            }
            return optax.apply_updates(params, updates), opt_state, metrics  # type: ignore[return-value]

    def _transform(self) -> optax.GradientTransformation:
        adam = optax.scale_by_adam(b1=self.b1, b2=self.b2)
        if self.kind == "adamw":
            direction = adam
        else:
            ratio = (self.adam_learning_rate or self.learning_rate) / self.learning_rate
            direction = optax.partition(
                {
                    "muon": scale_by_muon(self.momentum),
                    "adam": optax.chain(adam, optax.scale(ratio)),
                },
                self._labels,
            )
        steps = [] if self.clip is None else [optax.clip_by_global_norm(self.clip)]
        steps.append(direction)
        if self.weight_decay:
            mask = lambda params: jax.tree.map(lambda p: p.ndim >= 2, params)  # noqa: E731
            steps.append(optax.add_decayed_weights(self.weight_decay, mask))
        return optax.chain(*steps)

    def _labels(self, params: Weights) -> dict[str, str]:
        adam = re.compile(self.adam_only)
        return {
            name: "muon" if value.ndim >= 2 and not adam.search(name) else "adam"
            for name, value in params.items()
        }
