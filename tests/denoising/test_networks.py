"""The U-Net and the DiT: what they begin as, what reaches a frame, single frames beside clips."""

from __future__ import annotations

import dataclasses
import math
import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn
from vidgen.comparison import records
from vidgen.contract import TrainState
from vidgen.denoising import (
    Cascade,
    DenoisingConfig,
    DenoisingPhase,
    DiTConfig,
    Flow,
    UNetConfig,
    unopened,
)
from vidgen.denoising.dit import DiT
from vidgen.denoising.hybrid import Hybrid
from vidgen.denoising.unet import UNet
from vidgen.generators.diffusion import DiffusionConfig
from vidgen.generators.meanflow import MeanFlowConfig
from vidgen.training import flops
from vidgen.training.memory import peak_bytes
from vidgen.types import Batch, Condition, Images

STILLS = 2  # beside each clip
HEAD = ("head.kernel", "head.bias")
KEY = jax.eval_shape(jax.random.key, 0)


def joint(kind: str) -> DenoisingConfig:
    """A tiny config whose denoiser of clips learns from single frames too."""
    dit = dataclasses.replace(DiTConfig.tiny(), temporal_patch=1)
    return dataclasses.replace(
        DenoisingConfig.tiny(), network=kind, joint_images=True, dit=dit, remat=kind == "dit"
    )


@pytest.fixture(scope="module")
def joint_task(task):
    return dataclasses.replace(task, images=STILLS)


def clips(task, count: int) -> Batch:
    """Clips of random squares, with a sentence and all of their context, and stills beside them."""
    draw = iter(jax.random.split(jax.random.key(0), 4))

    def squares(*axes: int) -> jax.Array:
        cells = (*axes, task.height // 4, task.width // 4, task.channels)
        cells = jax.random.uniform(next(draw), cells, minval=-0.9, maxval=0.9)
        return cells.repeat(4, axis=-3).repeat(4, axis=-2)

    video = squares(count, task.frames)
    words = (task.text_length, task.text_width)
    text = jax.random.normal(next(draw), (count, *words))
    told = Condition.of(
        text,
        jnp.ones(text.shape[:2], bool),
        video[:, : task.context_frames],
        jnp.ones((count, task.context_frames), bool),
    )
    pixels = squares(count, STILLS)
    stills = jax.random.normal(next(draw), (count, STILLS, *words))
    images = Images(pixels=pixels, text=stills, text_mask=jnp.ones(stills.shape[:3], bool))
    return Batch(video=video, condition=told, images=images)


class Drawn:
    """A network of clips, weights without a zero, and what one compiled function says of both."""

    def __init__(self, kind: str, task):
        self.task, self.config = task, joint(kind)
        self.stage = Cascade(self.config, task).clips
        self.network = self.stage.network(interval=True)
        # As it begins, but for what would take long to compile: all weights of inner layers are 0.
        self.begun = jax.jit(self._begun)(jax.random.key(0))
        self.weights = {name: _weight(name, leaf.shape) for name, leaf in self.begun.items()}
        batch = clips(task, 2)
        self.told = {
            "x": batch.video,
            "t": jnp.linspace(0.2, 0.9, 2 * task.frames).reshape(2, -1),  # one a frame
            "condition": batch.condition,
            "moved": batch.video[::-1],
            "interval": jnp.full((2, task.frames), 0.1),
        }

        def error(weights, told):
            predicted = self.network.bind(weights)(**told)
            return jnp.square(predicted - batch.video[::-1]).mean(), predicted

        self.learn = jax.jit(jax.value_and_grad(error, has_aux=True))
        self.still = jax.jit(lambda weights, told: self.network.bind(weights)(**told))

    def _begun(self, key):
        weights = self.network.init(key).items()
        return {name: w if name in HEAD else jnp.zeros(w.shape) for name, w in weights}

    def __call__(self, weights=None, **changes):
        (_, predicted), _ = self.learn(weights or self.weights, self.told | changes)
        return np.asarray(predicted)


def _weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random values of the usual size: what starts at zero would hide what it does."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    draw = rng.normal(size=shape).astype(np.float32)
    if name.endswith("scale"):
        return 1.0 + 0.1 * draw
    return draw / np.float32(math.prod(shape[:-1]) ** 0.5) if len(shape) > 1 else 0.3 * draw


@pytest.fixture(scope="module", params=["unet", "dit"])
def drawn(request, joint_task):
    return Drawn(request.param, joint_task)


def test_a_network_begins_at_zero(drawn):
    """Its last layer does, whatever comes before it."""
    head = {name: drawn.begun[name] for name in HEAD}
    np.testing.assert_array_equal(drawn(drawn.weights | head), np.zeros_like(drawn.told["x"]))


@pytest.mark.parametrize("config", [DiffusionConfig, MeanFlowConfig])
def test_a_residual_is_added_to_what_motion_expects(task, config, monkeypatch):
    """And where nothing is expected, as of an opening, what the network says stands alone."""
    monkeypatch.setattr(Hybrid, "_predict", lambda self, seen, *_: 0.5 * seen[..., :1])
    batch = clips(task, 2)
    for residual in (False, True):
        cascade = Cascade(dataclasses.replace(config.tiny(), residual=residual), task)
        for stage in cascade.stages:
            moved = None if stage.motion is None else batch.video[::-1]
            x, told = stage.view(batch)
            network = stage.network()
            shapes = jax.eval_shape(network.init, KEY)
            weights = {name: jnp.zeros(leaf.shape) for name, leaf in shapes.items()}
            said = network.bind(weights)(x, jnp.array([0.2, 0.9]), told, moved)
            added = moved if residual and moved is not None else 0.0
            np.testing.assert_allclose(said, 0.5 * x + added, atol=1e-6)


def test_a_residual_is_of_a_clip_alone():
    for prediction in ("velocity", "epsilon"):
        with pytest.raises(ValueError, match="residual"):
            DiffusionConfig(prediction=prediction, residual=True)


def test_what_one_clip_is_told_reaches_all_of_its_frames_and_no_other_clip(drawn):
    before, told = drawn(), drawn.told
    text = told["condition"].text
    changes = {
        "x": told["x"].at[0, 2, 3, 5].add(1.0),  # of one pixel, of which all frames learn
        "moved": told["moved"].at[0, 1, 9, 2].add(1.0),
        "t": told["t"].at[0, 3].add(0.1),
        "interval": told["interval"].at[0, 1].add(0.1),
        "condition": dataclasses.replace(told["condition"], text=text.at[0, 1].add(1.0)),
    }
    for name, change in changes.items():
        moved = np.abs(drawn(**{name: change}) - before).max(axis=(2, 3, 4))
        assert moved[0].min() > 1e-4, (name, moved)
        np.testing.assert_array_equal(moved[1], 0.0, name)


def test_a_level_is_told_to_its_own_frame(drawn):
    """Were frames not mixed, another level of one of them would reach it alone."""
    values = [name for name in drawn.weights if re.search(r"attentions\.\d\.value\.kernel", name)]
    assert values
    apart = drawn.weights | {name: np.zeros_like(drawn.weights[name]) for name in values}
    level = drawn.told["t"].at[0, 3].add(0.1)
    moved = np.abs(drawn(apart, t=level) - drawn(apart)).max(axis=(2, 3, 4)) > 1e-4
    np.testing.assert_array_equal(moved, [[False, False, False, True], [False] * 4])


def test_hidden_words_leave_no_trace_and_places_are_told_apart(drawn):
    condition = drawn.told["condition"]
    hidden = condition.keep(text=False)
    np.testing.assert_array_equal(
        drawn(condition=hidden), drawn(condition=dataclasses.replace(hidden, text=condition.text))
    )
    # The same picture at the same time in all frames is not the same in all of them.
    still = jnp.repeat(drawn.told["x"][:, :1], drawn.task.frames, axis=1)
    frames = drawn(x=still, moved=still, t=jnp.full_like(drawn.told["t"], 0.5))
    assert np.abs(frames[:, 1:] - frames[:, :-1]).max(axis=(2, 3, 4)).min() > 1e-3


def test_gradients_reach_every_weight_and_lead_to_a_lower_error(drawn):
    """Steps of Adam; blocks of the DiT are computed again on the way back."""
    weights, mean, square, errors = drawn.weights, {}, {}, []
    for step in range(1, 41):
        (error, _), grads = drawn.learn(weights, drawn.told)
        errors.append(float(error))
        for name, grad in grads.items():
            grad = np.asarray(grad)
            mean[name] = 0.9 * mean.get(name, 0.0) + 0.1 * grad
            square[name] = 0.99 * square.get(name, 0.0) + 0.01 * grad**2
        rate = 0.01 * (1 - 0.99**step) ** 0.5 / (1 - 0.9**step)
        weights = {
            name: value - np.float32(rate) * mean[name] / (np.sqrt(square[name]) + 1e-12)
            for name, value in weights.items()
        }
    assert errors[-1] < 0.35 * errors[0], errors
    unmoved = {name for name, value in square.items() if not np.any(value)}
    assert unmoved == {"still_embed"}  # which clips have nothing to do with


def test_stills_are_learned_under_their_own_words_and_count_as_frames(drawn, monkeypatch):
    phase = DenoisingPhase(drawn.stage, drawn.network, Flow(1.6, 1.2))
    batch, seen = clips(drawn.task, 4), []

    def loss(params, clip, condition, moved, *drawn):
        seen.append((clip, condition))
        return params["w"] * (10.0 if clip.shape[1] == 1 else 1.0)

    monkeypatch.setattr(phase, "_loss", loss)
    monkeypatch.setattr(phase, "_moved", lambda state, condition: None)
    monkeypatch.setattr(phase, "_updated", lambda state, loss, *_: (state, {"loss": loss}))
    params = {"w": jnp.float32(1.0)}
    state = TrainState.create(params, ())
    _, metrics = phase.step(state, batch, jax.random.key(0), jnp.float32(0.5))
    (_, _), (stills, told) = seen
    assert stills.shape == (4 * STILLS, 1, *drawn.task.video_shape[1:])
    assert told.context.shape == (4 * STILLS, 0, *drawn.task.video_shape[1:])
    np.testing.assert_array_equal(stills[3, 0], batch.images.pixels[1, 1])
    np.testing.assert_array_equal(told.text[3], batch.images.text[1, 1])
    # 3 frames of each clip come after the given one, and 2 stills stand beside it.
    np.testing.assert_allclose(metrics["loss"], (3 * 1.0 + 2 * 10.0) / 5, rtol=1e-6)


def test_of_a_still_no_other_and_no_place_is_seen(drawn):
    """Its place is one of its own."""
    alone = {name: drawn.told[name][:, :1] for name in ("x", "t", "interval")} | {"moved": None}
    alone["condition"] = unopened(drawn.told["condition"])
    seen = lambda weights, **changes: drawn.still(weights, alone | changes)  # noqa: E731
    before = seen(drawn.weights)
    moved = np.abs(seen(drawn.weights, x=alone["x"].at[0].add(1.0)) - before).max(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(moved > 1e-4, [True, False])
    for name, reached in (("frame_embed", False), ("still_embed", True)):
        other = seen(drawn.weights | {name: drawn.weights[name] + 1.0})
        assert np.array_equal(other, before) != reached, name


@pytest.mark.parametrize(("kind", "count"), [("unet", 0), ("dit", 2)])
def test_openings_of_any_length_and_their_derivative_by_time(task, kind, count):
    """Traced and not compiled: shapes are what could go wrong. One frame, and tokens of two where
    those of clips span four; mean flow differentiates through blocks that are computed again.
    """
    sizes = dataclasses.replace(DiTConfig.tiny(), temporal_patch=4, attention="factorised")
    config = dataclasses.replace(DenoisingConfig.tiny(), network=kind, dit=sizes, remat=True)
    stage = Cascade(config, dataclasses.replace(task, context_frames=count)).opening
    network = stage.network(interval=True)
    x, t, told = jnp.zeros((2, *stage.task.video_shape)), jnp.ones(2), clips(task, 2).condition

    def slope(weights):
        at = lambda t: network.bind(weights)(x, t, unopened(told), None, t)  # noqa: E731
        return jax.jvp(at, (t,), (t,))

    value, tangent = jax.eval_shape(slope, jax.eval_shape(network.init, KEY))
    assert value.shape == tangent.shape == (2, max(count, 1), *task.video_shape[1:])


def test_flops_of_a_dit_by_hand_with_and_without_blocks_computed_again(task):
    """In NNX's tree mode."""
    B, N, D, E, L, W = 2, 16, 16, 128, task.text_length, task.text_width
    hand = 2 * (
        2 * (B * N * 16 * D)  # patches of 16 pixels into tokens and back
        + 2 * B * (64 * E + E * E)  # time and interval
        + B * (L * W * E + E * E)  # the pooled words
        + B * E * E  # the steer of the only frame
        + 2 * B * E * 3 * D  # two adaptive norms
        + B * (4 * N * D * D + 2 * N * N * D)  # attention
        + B * (2 * N * D * D + 2 * L * W * D + 2 * N * (L + 1) * D)  # to the words and a null
        + 2 * B * N * D * 2 * D  # two layers, twice as wide inside
    )
    sizes = dataclasses.replace(DiTConfig.tiny(), temporal_patch=1)
    opening = dataclasses.replace(task, frames=1, context_frames=0)
    counts = []
    for remat in (False, True):
        config = dataclasses.replace(DenoisingConfig.tiny(), network="dit", dit=sizes, remat=remat)
        build = lambda rngs: DiT(config, opening, interval=True, rngs=rngs)  # noqa: E731, B023
        with nnx.set_graph_mode(False):
            network = nn.Network(build)
            weights = jax.eval_shape(network.init, KEY)
            x = jax.ShapeDtypeStruct((B, *opening.video_shape), jnp.float32)
            t = jax.ShapeDtypeStruct((B,), jnp.float32)
            told = unopened(clips(task, B).condition)
            forward = lambda w, *seen: network.bind(w)(*seen)  # noqa: E731, B023
            assert flops.count(forward, weights, x, t, told).model == hand
            loss = lambda *seen: forward(*seen).sum()  # noqa: E731, B023
            counts.append(flops.count(jax.grad(loss), weights, x, t, told))
    kept, again = counts
    assert kept.recomputed == 0 < again.recomputed < hand
    assert kept.required == again.required


@pytest.mark.parametrize("kind", ["hybrid", "unet"])
def test_blocks_computed_again_are_not_kept(task, kind):
    """Traced and not compiled; a DiT's FLOPs by hand are above."""
    needed, counts = [], []
    for remat in (False, True):
        config = dataclasses.replace(DenoisingConfig.tiny(), network=kind, depth=3, remat=remat)
        stage = Cascade(config, task).opening
        network = stage.network()
        weights = jax.eval_shape(network.init, KEY)
        x, t = jnp.zeros((8, *stage.task.video_shape)), jnp.ones(8)
        told = unopened(clips(task, 8).condition)
        grads = jax.grad(lambda w: network.bind(w)(x, t, told).sum())  # noqa: B023
        needed.append(peak_bytes(grads, weights))
        counts.append(flops.count(grads, weights))
    assert needed[1] < 0.75 * needed[0]
    assert counts[0].required == counts[1].required
    assert counts[0].recomputed == 0 < counts[1].recomputed


@pytest.mark.parametrize(
    ("network", "sizes", "complaint"),
    [
        (UNet, {"patch": 4, "multipliers": (1, 1, 1, 1)}, "height in multiples of 32 .* fewer"),
        (UNet, {"multipliers": (1, 2)}, "names 3 levels and unet.multipliers 2; give both"),
        (UNet, {"width": 18}, "times an even number from 2 on, got 18; choose"),
        (DiT, {"temporal_patch": 3}, "frames in multiples of 3 .* choose another dit.temporal"),
        (DiT, {"width": 42, "heads": 7}, "multiple of 4"),
        (DiT, {"heads": 24}, "24 times an even number from 6 on, got 128"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_advice(task, network, sizes, complaint):
    name = {UNet: "unet", DiT: "dit"}[network]
    settings = {UNet: UNetConfig, DiT: DiTConfig}[network](**sizes)
    with pytest.raises(ValueError, match=complaint):
        network(DenoisingConfig(network=name, **{name: settings}), task, rngs=nnx.Rngs(0))


def test_single_frames_are_refused_where_they_cannot_be_learned(task, joint_task):
    spans = dataclasses.replace(joint("dit"), dit=DiTConfig(temporal_patch=2))
    for config, asked, complaint in (
        (joint("hybrid"), joint_task, "network=unet or network=dit"),
        (spans, joint_task, "choose dit.temporal_patch=1"),
        (joint("unet"), task, "as task.images=4"),
    ):
        with pytest.raises(ValueError, match=complaint):
            Cascade(config, asked)
    with pytest.raises(ValueError, match="mean flow learns from clips alone"):
        MeanFlowConfig(joint_images=True)
    alone = dataclasses.replace(clips(task, 2), images=None)
    with pytest.raises(ValueError, match="batches with single frames"):
        Cascade(joint("unet"), joint_task).clips.stills(alone)


def test_settings_of_a_network_are_checked_and_recorded_only_where_they_differ():
    assert not {"network", "unet", "dit", "joint_images"} & set(records.encode(DiffusionConfig()))
    config = DiffusionConfig(network="dit", dit=DiTConfig(depth=6))
    assert records.decode(DiffusionConfig, records.encode(config)) == config
    for wrong, complaint in (
        (lambda: DiffusionConfig(network="resnet"), "network must be one of"),
        (lambda: UNetConfig(multipliers=()), "a multiplier for each"),
        (lambda: UNetConfig(blocks=0), "at least 1"),
        (lambda: DiTConfig(patch=0), "at least 1"),
    ):
        with pytest.raises(Exception, match=complaint):
            wrong()


def test_a_network_without_attention_looks_at_no_word(task):
    config = dataclasses.replace(DenoisingConfig.tiny(), network="unet")
    levels = len(config.unet.multipliers)
    unet = dataclasses.replace(config.unet, attention=("none",) * levels)
    network = nn.Network(lambda rngs: UNet(dataclasses.replace(config, unet=unet), task, rngs=rngs))
    batch = clips(task, 2)

    def looked(weights):
        bound = network.bind(weights)
        run = lambda: bound(batch.video, jnp.zeros(2), batch.condition, batch.video)  # noqa: E731
        return bound.attention(run, 2, task.text_length)

    found = jax.eval_shape(looked, jax.eval_shape(network.init, KEY))
    assert found.shape == (2, task.text_length, 1, 1, 1)
