"""The contract of a generator: what a class must offer to be trained and judged here.

A generator is a frozen config, a `Card`, some training `Phase` s and a pure `sample`. The harness
alone jits, donates, shards, loops, saves, keeps time and counts FLOPs; a generator only says what
one step is and how a clip is drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.types import Batch, Condition, Metrics, Params, Task, Video

Key = Any
"""A typed PRNG key (`jax.random.key`), or an array of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Card:
    """What a generator is and what it can do, for tables and for choosing.

    Attributes:
        name: as registered.
        family: "gan", "autoregressive", "masked", "diffusion", "baseline" or a new one.
        summary: one sentence.
        paper: where the method comes from.
        matches_reference: whether it reproduces the paper, and how that was checked.
        text: follows a sentence.
        context: follows given first frames.
        layout: follows a layout, where the task has objects.
        rollout: makes clips longer than the task.
        likelihood: gives a likelihood or a bound.
        few_step: samples in four network passes or fewer.
    """

    name: str
    family: str
    summary: str
    paper: str
    matches_reference: str
    text: bool = True
    context: bool = True
    layout: bool = False
    rollout: bool = False
    likelihood: bool = False
    few_step: bool = False


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything a phase must remember between two steps.

    Attributes:
        step: int32 scalar, steps taken.
        params: what the optimiser moves.
        rest: what is carried but not optimised: frozen parameters of earlier phases, codebooks,
            running statistics.
        opt_state: the optimiser's own state.
        ema: the averaged parameters that sampling reads, or an empty dict.
    """

    step: Any  # an array, or its shape and type where a state is described and not held
    params: Params
    rest: Any
    opt_state: Any
    ema: Params

    @classmethod
    def create(
        cls, params: Params, opt_state: Any, *, rest: Any = None, average: bool = True
    ) -> TrainState:
        """The state at step 0; with `average`, the EMA starts at the parameters."""
        return cls(
            step=jnp.zeros((), jnp.int32),
            params=params,
            rest={} if rest is None else rest,
            opt_state=opt_state,
            ema=jax.tree.map(jnp.copy, params) if average else {},
        )

    def replace(self, **changes: Any) -> TrainState:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


@runtime_checkable
class Phase(Protocol):
    """One stretch of training: a state, a step and what it leaves to others.

    Attributes:
        name: unique within its generator; names the run folder and the key streams.
        share: fraction of the generator's budget; the shares of a generator sum to 1.
        batch_size: clips a step.
    """

    name: str
    share: float
    batch_size: int

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """The state at step 0. Pure; the harness jits it.

        Args:
            key: a PRNG key.
            earlier: what each earlier phase exported, by phase name.
        """
        ...

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One optimisation step. Pure and traceable, not jitted; updates the EMA itself.

        Args:
            state: as `init` or an earlier step returned it.
            batch: `batch_size` clips.
            key: a key of this step's own.
            progress: share of this phase's budget that is spent, in [0, 1]. Schedules run on it,
                because under a budget in seconds nobody knows the number of steps.

        Returns:
            The next state and scalars to log, ``loss`` among them. Where one of them or a new
            parameter is not finite, the step is skipped; so log the gradients' norm, as
            `vidgen.optim.Optimizer` does: it tells of gradients that are finite, and whose squares
            in an optimiser's state would no longer be.
        """
        ...

    def export(self, state: TrainState) -> Params:
        """What sampling and later phases need: EMA weights, codebooks, statistics."""
        ...


@runtime_checkable
class Collapses(Protocol):
    """A phase that can collapse and has metrics that tell, such as a GAN's diversity.

    Where one stays below its floor, row after row, the harness raises an alarm in the log and in
    the report (`vidgen.training.alarms`); training goes on.
    """

    @property
    def collapse(self) -> Mapping[str, float]:
        """By the name of a metric of `Phase.step`, the value below which it means a collapse."""
        ...


@runtime_checkable
class Generator(Protocol):
    """A class of video generators. Registered with its frozen config dataclass.

    Holds no state: whoever asks for one of an equal config and task may get the same object.
    """

    card: ClassVar[Card]

    def __init__(self, config: Any, task: Task) -> None: ...

    def phases(self) -> Sequence[Phase]:
        """The phases of training, in order; none for a baseline."""
        ...

    def sample(
        self, params: Mapping[str, Params], condition: Condition, keys: Key, sampler: Any = None
    ) -> Video:
        """Draw one clip for each row of the condition. Pure and jittable.

        Args:
            params: what each phase exported, by phase name.
            condition: B prompts.
            keys: [B] PRNG keys, one a clip, so that a clip depends neither on its batch-mates nor
                on their order.
            sampler: the generator's own frozen dataclass of what can be turned at sampling time;
                None for its default.

        Returns:
            float [B T H W C] in about [-1, 1], context frames included.
        """
        ...


@runtime_checkable
class Reconstructs(Protocol):
    """A generator that works on codes or latents, whose tokenizer is its ceiling."""

    def reconstruct(
        self, params: Mapping[str, Params], video: Video, condition: Condition
    ) -> Video:
        """float [B T H W C] in [-1, 1] through the tokenizer and back. The condition is for those
        whose codes are of what it leaves open.
        """
        ...


@runtime_checkable
class RollsOut(Protocol):
    """A generator that can make clips longer than its task by its own means.

    The harness prefers them to chained sampling, which gives the last frames of a clip to the next.
    """

    def rollout(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        frames: int,
        sampler: Any = None,
    ) -> Video:
        """As `Generator.sample`, with `frames` frames (static)."""
        ...


@runtime_checkable
class Attends(Protocol):
    """A generator in which the places of a clip attend to the words of its sentence."""

    def attention(
        self, params: Mapping[str, Params], video: Video, condition: Condition, keys: Key
    ) -> Float[Array, "B L t h w"]:
        """Which word each place of a clip looks at, as the network sees it: mean weights over
        layers and heads. Pure and jittable.

        Args:
            params: what each phase exported, by phase name.
            video: clips that were drawn for the condition.
            condition: B prompts.
            keys: [B] PRNG keys, one a clip, of whatever noise the network is shown.

        Returns:
            Shares in [0, 1] of t x h x w places, each of which stands for as many frames, rows and
            columns as the others. Over the L words they sum to less than 1 by what
            looks at no word; 0 for words that the mask hides.
        """
        ...


@runtime_checkable
class Likelihood(Protocol):
    """A generator that can say how likely a clip is."""

    def log_likelihood(
        self, params: Mapping[str, Params], batch: Batch, key: Key
    ) -> Float[Array, "B"]:
        """Nats a clip (or a lower bound on them, as the card says)."""
        ...


def stream(seed: int, *purpose: str) -> Key:
    """A named key stream: the root key of (seed, purpose, ...).

    Fold the step into it: ``jax.random.fold_in(stream(seed, phase, "step"), step)``. A key that
    was used is never stored or returned, so a resumed run draws what the undisturbed one did.
    """
    key = jax.random.key(seed)
    for word in purpose:
        key = jax.random.fold_in(key, _hash32(word))
    return key


def _hash32(word: str) -> int:
    # FNV-1a, because Python's own hash is salted anew in every process.
    value = 0x811C9DC5
    for byte in word.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
