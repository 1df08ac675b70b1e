"""What each player minimises in one step, given the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.generators.gan.augment import Augmentation
from vidgen.generators.gan.config import GanConfig
from vidgen.generators.gan.discriminators import Discriminators, Judge, JudgeName
from vidgen.generators.gan.losses import contrastive_loss, gradient_penalty, slope_penalty
from vidgen.generators.gan.network import context_given
from vidgen.motion import photometric_error
from vidgen.nn import LossKind, discriminator_loss, generator_loss, recomputed
from vidgen.types import Condition, Metrics, Video

_GAMMA_SIZE = 32 * 32
"""Values of the input for which gamma is stated. The squared distance between two inputs grows with
their number of values, and the penalty that holds their logits together must grow with it."""

Views = dict[JudgeName, Float[Array, "N *axes"]]
Logits = dict[JudgeName, Float[Array, "N"]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the generator made in one step: B canvases, the first A of them animated.

    Attributes:
        canvas: painted first frames, of captions alone.
        video: clips.
        moved: what the flow alone makes of the real first frames of all B clips.
    """

    canvas: Float[Array, "B H W C"]
    video: Float[Array, "A T H W C"]
    moved: Float[Array, "B moves H W C"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene:
    """What both players look at, apart from what the generator made.

    The frame discriminator judges the canvas of every row against its real first frame, as of a
    caption alone, and one later frame of every animated clip.

    Attributes:
        real: the real clips.
        told: what each discriminator is told about what it sees, with given frames augmented as
            that is.
        row: which clip of the batch each view is of.
        frame: float [A T], 1 at the frame of each animated clip that is judged, else 0.
        later: a later frame of every real clip, to be matched with its caption and no more.
        clip: which clip of the batch each of these is of.
        alone: the caption of each of them.
        decided: float [A], 1 where the generator is given the whole context of an animated clip and
            its caption, if it has one: where little is left open.
        captions: of the whole batch, from which those of a part are told too.
        augmentation: of the whole batch; what is real, generated and given in a clip goes through
            the same one.
        mix: float, of the whole batch, where between a real and a generated view "wgan-gp" looks at
            the slope.
    """

    real: Video
    told: dict[JudgeName, Condition]
    row: dict[JudgeName, Int[Array, "N"]]
    frame: Float[Array, "A T"]
    later: Float[Array, "B H W C"]
    clip: Int[Array, "B"]
    alone: Condition
    decided: Float[Array, "A"]
    captions: Condition
    augmentation: Augmentation
    mix: Float[Array, "whole"]

    @classmethod
    def draw(
        cls,
        key: jax.Array,
        real: Video,
        condition: Condition,
        said: Condition,
        animated: int,
        *,
        augmentation: Augmentation,
        mix: Float[Array, "B"],
    ) -> Scene:
        """A scene whose frames are drawn among those that the generator had to make itself.

        Args:
            key: a PRNG key.
            real: the real clips.
            condition: what the players are told of them.
            said: the same before anything was hidden.
            animated: how many are judged as clips.
            augmentation: of the whole batch.
            mix: of the whole batch.
        """
        shown = Condition.of(
            condition.text,
            condition.text_mask,
            augmentation(condition.context),
            condition.context_mask,
            augmentation.places(condition.layout, *real.shape[2:4]),
        )
        told = jax.tree.map(lambda x: x[:animated], shown)
        alone = shown.keep(context=False)
        begin = jnp.maximum(jnp.sum(told.context_mask, axis=1), 1)
        judged, matched = jax.random.split(key)
        index = jax.random.randint(judged, (animated,), begin, real.shape[1])
        later = jax.random.randint(matched, (len(real),), 1, real.shape[1])
        rows, moving = jnp.arange(len(real)), jnp.arange(animated)
        heard = jnp.all(condition.text_mask == said.text_mask, axis=1)[:animated]
        return cls(
            real=real,
            told={
                "clip": told,
                "frame": alone.beside(told),
            },
            row={"clip": moving, "frame": jnp.concatenate([rows, moving])},
            frame=jax.nn.one_hot(index, real.shape[1], dtype=real.dtype),
            later=real[rows, later],
            clip=rows,
            alone=alone,
            decided=context_given(told) * heard,
            captions=alone,
            augmentation=augmentation,
            mix=mix,
        )

    def views(self, first: Float[Array, "B H W C"], video: Float[Array, "A T H W C"]) -> Views:
        """What each discriminator is shown of some first frames and clips, not yet augmented."""
        later = jnp.einsum(
            # Pixels are picked, not rounded, on devices that round what they multiply too.
            "at,athwc->ahwc",
            self.frame,
            video,
            precision=jax.lax.Precision.HIGHEST,
        )
        return {"clip": video, "frame": jnp.concatenate([first, later])}

    @property
    def own(self) -> dict[str, Any]:
        """What is of single rows, by name, and can be that of a part of the batch; the rest is of
        all of it, whichever rows are looked at.
        """
        names = ("real", "told", "row", "frame", "later", "clip", "alone", "decided")
        return {name: getattr(self, name) for name in names}

    @property
    def real_views(self) -> Views:
        """The same of the real clips."""
        return self.views(self.real[:, 0], self.real[: self.frame.shape[0]])


def discriminator_objective(
    discriminators: Discriminators,
    config: GanConfig,
    scene: Scene,
    drawn: Drawn,
    gamma: Float[Array, ""],
) -> tuple[Float[Array, ""], tuple[Logits, Metrics]]:
    """Pairing loss, contrastive loss and gradient penalties, summed over the discriminators.

    ::

        L(real, fake) + matching M(real) + gamma / 2 (R1 + R2)

    and with "wgan-gp" gamma times `slope_penalty` in place of the last term.

    The frame discriminator also matches a later frame of every real clip. It costs one pass without
    penalties, and shows what a caption names at other places than where clips begin: what is drawn
    from a sentence alone can be no more like it than the discriminator knows it.

    References: Huang et al. (2024) for the first and the last term; `contrastive_loss` for M;
    Gulrajani et al. (2017) for "wgan-gp", who take five steps of the discriminator to one of the
    generator, where each takes one here.

    Returns:
        The loss; the logits of the real clips, which the generator is paired with; and a report.
    """
    loss, logits, report = jnp.zeros(()), {}, {}
    real_views, fake_views = scene.real_views, scene.views(drawn.canvas, drawn.video)
    batch = discriminators.captions(scene.captions)
    for name, judge in discriminators.judges.items():
        captions = batch[scene.row[name]]
        both = jnp.concatenate([real_views[name], fake_views[name]])
        later = scene.later if name == "frame" else None
        seen, judged = _judged(judge, scene, name, captions, both, later, remat=config.remat)
        real, fake = jnp.split(judged, 2)
        matching = matching_loss(judge, seen[: len(real)], batch, scene, scene.row[name])
        if later is not None:
            matching += matching_loss(judge, seen[len(both) :], batch, scene, scene.clip)
        penalty, slopes = _penalty(
            config.loss,
            lambda x, judge=judge, name=name, captions=captions: _judged(
                judge, scene, name, captions, x, remat=config.remat
            )[1],
            both,
            scene.mix[scene.row[name]],
            gamma,
        )
        pairing = discriminator_loss(config.loss, real, fake).mean()
        loss = loss + pairing + config.matching * matching + penalty
        logits[name] = real
        report |= {
            f"{name}_pairing": pairing,
            f"{name}_matching": matching,
            **{f"{name}_{slope}": value for slope, value in slopes.items()},
            f"{name}_real_logit": real.mean(),
            f"{name}_fake_logit": fake.mean(),
            f"{name}_accuracy": (real > fake).mean(dtype=jnp.float32),
        }
    return loss, (logits, report)


def _judged(
    judge: Judge,
    scene: Scene,
    name: JudgeName,
    captions: Float[Array, "N E"],
    views: Float[Array, "M *axes"],
    later: Float[Array, "B *axes"] | None = None,
    *,
    remat: bool = False,
) -> tuple[Float[Array, "seen F"], Float[Array, "M"]]:
    """What a discriminator sees of its views, augmented, and its logits.

    Several sets of views, one after another, are each judged as one alone would be. Frames of all
    clips of the batch may follow, as of a caption alone, which are seen and not judged.
    """
    sets = len(views) // len(captions)
    row, told, captions = jax.tree.map(
        lambda x: jnp.concatenate([x] * sets), (scene.row[name], scene.told[name], captions)
    )
    if later is not None:
        row, told, views = jax.tree.map(
            lambda *parts: jnp.concatenate(parts),
            (row, told, views),
            (scene.clip, scene.alone, later),
        )
    seen = recomputed(judge.features, remat)(scene.augmentation.rows(row)(views), told)
    return seen, judge.head(seen[: len(captions)], captions)


def _penalty(
    kind: LossKind,
    logits: Callable[[Array], Array],
    both: Float[Array, "two_N *axes"],
    mix: Float[Array, "N"],
    gamma: Float[Array, ""],
) -> tuple[Float[Array, ""], Metrics]:
    """The weighted gradient penalty of a discriminator on real and generated views, and its parts.

    Slopes are those of what is there before augmentation: what it takes away has none.
    """
    if kind == "wgan-gp":
        real, fake = jnp.split(both, 2)
        slope = slope_penalty(logits, real, fake, mix).mean()
        return gamma * slope, {"slope": slope}
    penalties = gradient_penalty(logits, both)
    r1, r2 = (penalty.mean() for penalty in jnp.split(penalties, 2))
    size = both[0].size / _GAMMA_SIZE
    return 0.5 * gamma * size * (r1 + r2), {"r1": r1, "r2": r2}


def generator_objective(
    discriminators: Discriminators,
    config: GanConfig,
    scene: Scene,
    drawn: Drawn,
    real_logits: Logits,
) -> tuple[Float[Array, ""], Metrics]:
    """Pairing and contrastive loss summed over the discriminators, plus `photometric_error` on real
    first frames.

    A discriminator says only that a clip moves wrongly. What the flow makes of a real first frame
    can be laid beside its real continuation, which says how it should have moved; the flow is shown
    it before repair, which could otherwise rather wipe out what is in the wrong place. The content
    path is left to the discriminators, and so is repair unless `repair_weight` asks for the error
    of what is repaired, too, where the context is given.

    References: an error beside the adversarial loss: Isola et al., "Image-to-image translation with
    conditional adversarial networks" (2017).
    """
    pairing, matching = jnp.zeros(()), jnp.zeros(())
    views = scene.views(drawn.canvas, drawn.video)
    batch = discriminators.captions(scene.captions)
    for name, judge in discriminators.judges.items():
        captions = batch[scene.row[name]]
        seen, logits = _judged(judge, scene, name, captions, views[name], remat=config.remat)
        matching += matching_loss(judge, seen, batch, scene, scene.row[name])
        pairing = pairing + generator_loss(config.loss, real_logits[name], logits).mean()
    begin = max(scene.told["clip"].context_mask.shape[1], 1)
    error = photometric_error(drawn.moved[:, begin - 1 :], scene.real[:, begin:]).mean()
    loss = pairing + config.matching * matching + config.flow_weight * error
    report = {
        "generator_pairing": pairing,
        "generator_matching": matching,
        "flow_error": error,
    }
    if config.repair_weight:
        real = scene.real[: len(drawn.video)]
        left = photometric_error(drawn.video[:, begin:], real[:, begin:])
        left = (scene.decided * left).mean()
        loss = loss + config.repair_weight * left
        report["repair_error"] = left
    return loss, {"generator_loss": loss, **report}


def matching_loss(
    judge: Judge,
    seen: Float[Array, "N F"],
    captions: Float[Array, "B E"],
    scene: Scene,
    row: Int[Array, "N"],
) -> Float[Array, ""]:
    """Contrastive loss of what a discriminator sees of these rows of the batch; what lost its
    caption has nothing to match.
    """
    losses = contrastive_loss(judge.head.fits(seen, captions), row, rivals(scene.captions)[row])
    return (jnp.any(scene.captions.text_mask, axis=1)[row] * losses).mean()


def rivals(captions: Condition) -> Bool[Array, "B B"]:
    """Which captions of a batch each is told from: those that are there and differ."""
    differ = jnp.any(captions.text[:, None] != captions.text[None], axis=(2, 3))
    return differ & jnp.any(captions.text_mask, axis=1)[None]
