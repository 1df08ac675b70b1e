"""A trained generator as a person uses it: sentences and pictures in, clips out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import UInt8

from vidgen import registry
from vidgen.comparison import model_file
from vidgen.comparison.folder import of_run
from vidgen.comparison.jobs import Job, restored
from vidgen.comparison.picture import first_frame
from vidgen.comparison.question import setting_of
from vidgen.comparison.sampler import sampler_class, turned
from vidgen.contract import Card, Generator, Key, stream
from vidgen.data import captions_of
from vidgen.evaluation import rollout
from vidgen.text import TextEncoder, layout_of
from vidgen.training import Precision, at, check_device
from vidgen.types import Condition, Layout, Params, Plan, Task, Video, to_float, to_pixels

MOST_AT_ONCE = 64
LONGEST_SENTENCE = 2_000
"""Characters beyond which a sentence is refused unread."""

LONGEST_CLIP = 60.0
"""Seconds; a rollout drifts long before."""


def frames_of(task: Task, seconds: float | int) -> int:
    """How many frames of a task's clips last so long, at least one.

    Raises:
        ValueError: for a time that is not positive and finite, or longer than `LONGEST_CLIP`.
    """
    if not 0 < seconds <= LONGEST_CLIP:
        raise ValueError(f"a clip lasts up to {LONGEST_CLIP:g} s, got {seconds:g}")
    return max(1, round(seconds * task.fps))


class Model:
    """A trained generator.

    Args:
        name: as registered.
        generator: the class's instance.
        params: what each phase exported.
        encoder: sentences to features, as in training.
        task: what it was trained for.
        sampler: its sampler settings; None for its default.
        precision: at which it draws, as in training.
        file: the card of the model file that it came from; None of a run folder.
        captions: gives those of training clips; called once, when one is first drawn.

    Example:
        >>> model = load("runs/quick/diffusion/seed-0")  # doctest: +SKIP
        >>> model.sample(text="the digit 3 is moving up and left").shape  # doctest: +SKIP
        (1, 8, 32, 32, 1)
    """

    def __init__(
        self,
        name: str,
        generator: Generator,
        params: dict[str, Params],
        encoder: TextEncoder,
        task: Task,
        sampler: Any = None,
        precision: Precision = "float32",
        file: model_file.ModelCard | None = None,
        captions: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.file, self._captions = file, captions
        self.name, self.task, self.generator = name, task, generator
        # Once: those of a model file lie on the host, and would go to the device with each draw.
        self.params: dict[str, Params] = jax.device_put(params)
        self.encoder, self._sampler = encoder, sampler
        self._precision: Precision = precision

    @property
    def card(self) -> Card:
        """What it is and what it can do."""
        return self.generator.card

    @functools.cached_property
    def sentences(self) -> tuple[str, ...]:
        """Captions of training clips, each once, sorted; none where its clips had none."""
        return tuple(sorted({said for said in self._captions() if not _unfit(said)}))

    def draw_sentences(self, seed: int, clips: Sequence[int]) -> list[str | None]:
        """What clips follow for which nothing is said and nothing planned: one of `sentences` each,
        all as likely; None where there are none, or none is heard.

        What is drawn without a sentence, which training hides from few clips, often fades. So a
        clip of anything is drawn in two steps, first what it shows, as class-conditional generators
        draw a class (Brock et al., "Large scale GAN training", 2019).

        Args:
            seed: of the draw.
            clips: their places in it, from 0; each depends on the seed and on its own place alone.

        Raises:
            ValueError: for a seed of more than 64 bits.
        """
        _check_seed(seed)
        if not len(clips) or not self.card.text or not self.sentences:
            return [None] * len(clips)
        root, count = stream(seed, "sentences"), len(self.sentences)
        keys = jax.vmap(functools.partial(jax.random.fold_in, root))(np.asarray(clips))
        which = jax.vmap(lambda key: jax.random.randint(key, (), 0, count))(keys)
        return [self.sentences[i] for i in np.asarray(which)]

    def draw(self, condition: Condition, keys: Key) -> Video:
        """What `sample` draws, of a batch that is encoded already, with the sampler as it stands.

        Args:
            condition: of the task, its text by `encoder`.
            keys: one a clip.

        Returns:
            In [-1, 1], [B T H W C].
        """
        return self._jitted(self.params, condition, keys, self._sampler)

    @functools.cached_property
    def _jitted(self) -> Any:
        return self._compiled(self.generator.sample)

    @functools.cached_property
    def _rollouts(self) -> dict[int, Any]:
        """What draws longer clips, by their length."""
        return {}

    def _compiled(self, draw: Any) -> Any:
        return jax.jit(at(self._precision, draw))

    def _draw(self, frames: int) -> Any:
        """What draws at least so many frames."""
        if frames <= self.task.frames:
            return self._jitted
        if frames not in self._rollouts:
            self._rollouts[frames] = rollout(
                self.generator, self.task, frames=frames, jit=self._compiled
            )
        return self._rollouts[frames]

    def frames(self, seconds: float | int) -> int:
        """How many frames last so long, see `frames_of`."""
        return frames_of(self.task, seconds)

    def sample(
        self,
        text: str | Sequence[str | None] | None = None,
        image: Any = None,
        seed: int = 0,
        plan: Plan | Sequence[Plan | None] | None = None,
        frames: int | None = None,
        **sampler: Any,
    ) -> UInt8[np.ndarray, "N T H W C"]:
        """Draw clips, one a sentence.

        Args:
            text: a sentence, N of them, or None, within a list, too, for one of training that the
                seed draws (`draw_sentences`), unless a plan says what is to be seen. Of a picture
                it says what moves where: its object stays as a rule, whatever it is called.
            image: the first frame: a path or an array (see `picture.first_frame`), one for all
                clips, or a list of N of them, with None where none is given.
            seed: of the draw. Clip i depends on the seed, on i and on its own prompt alone.
            plan: where things are to be, of a model whose task has objects: one for all clips, or a
                list of N, with None where nothing is said. Of longer clips it tells the first T
                frames.
            frames: of each clip; the task's by default. More are a rollout (`vidgen.evaluation`'s),
                which is told the same sentence at every link; fewer are the beginning.
            **sampler: the generator's sampler settings to change, e.g. ``steps=40``.

        Returns:
            uint8 [N T H W C].

        Raises:
            ValueError: for a sentence that is empty, too long or has unknown words, for a picture
                that cannot be read, for a plan that does not fit the task, where their numbers do
                not match, and for more frames than the task's of a generator that cannot go on.
            vidgen.registry.UnknownNameError: for a sampler setting that does not exist.
        """
        kind = sampler_class(type(self.generator))
        settings = turned(self.name, kind, self._sampler, sampler)
        _check_seed(seed)
        sentences = [text] if text is None or isinstance(text, str) else list(text)
        if not sentences:
            raise ValueError("no sentence was given; pass text=None for one of training")
        pictures = list(image) if isinstance(image, list | tuple) else [image] * len(sentences)
        if len(pictures) != len(sentences):
            raise ValueError(f"{len(sentences)} sentences, but {len(pictures)} pictures")
        plans = [plan] * len(sentences) if plan is None or isinstance(plan, Plan) else list(plan)
        if not all(one is None or isinstance(one, Plan) for one in plans):
            raise ValueError(
                "a plan is a vidgen.types.Plan; vidgen.comparison.plans.read makes one of a file"
            )
        if len(plans) != len(sentences):
            raise ValueError(f"{len(sentences)} sentences, but {len(plans)} plans")
        layout = self._layout(plans)
        free = [i for i, said in enumerate(sentences) if said is None and plans[i] is None]
        for i, drawn in zip(free, self.draw_sentences(seed, free), strict=True):
            sentences[i] = drawn
        words, mask = self._text(sentences)
        context, given = self._context(pictures)
        frames = self.task.frames if frames is None else frames
        if frames < 1:
            raise ValueError(f"a clip has at least one frame, got {frames}")
        draw = self._draw(frames)
        root = stream(seed, "sample")
        clips = []
        for start in range(0, len(sentences), MOST_AT_ONCE):
            part = slice(start, start + MOST_AT_ONCE)
            condition = Condition.of(
                words[part],
                mask[part],
                to_float(jnp.asarray(context[part])),
                given[part],
                jax.tree.map(lambda rows, part=part: rows[part], layout),
            )
            order = np.arange(start, start + condition.batch_size)
            keys = jax.vmap(functools.partial(jax.random.fold_in, root))(order)
            clips.append(to_pixels(draw(self.params, condition, keys, settings))[:, :frames])
        return np.concatenate(clips)

    def _layout(self, plans: Sequence[Plan | None]) -> Layout | None:
        told = any(plan is not None for plan in plans)
        if told and not self.card.layout:
            raise ValueError(f"{self.name} follows no layout; pass no plan")
        if told and not self.task.objects:
            raise ValueError(
                "this model was trained without layouts (task.objects=0); pass no plan, or train "
                "one with --set task.objects=1"
            )
        for plan in plans:
            if plan is not None:
                self._check_plan(plan)
        return layout_of(plans, self.encoder, self.task) if self.task.objects else None

    def _check_plan(self, plan: Plan) -> None:
        task, count = self.task, len(plan.identity)
        if count > task.objects:
            raise ValueError(
                f"a plan places {count} objects ({', '.join(plan.identity)}), this model has room "
                f"for {task.objects}: train one with --set task.objects={count}"
            )
        low, high = plan.boxes[..., :2], plan.boxes[..., 2:]
        sides = np.array([task.height, task.width], np.float32)
        # No clip of training has a box with no part in its frame; NaN is in none of these.
        far = ((high <= 0) | (low >= sides) | (low < -sides) | (high > 2 * sides)).any(axis=-1)
        if far.any():
            frame, which = np.argwhere(far)[0]
            raise ValueError(
                f"the box of {plan.identity[which]!r} in frame {frame} lies outside of, or far "
                f"beyond, the frame of {task.height}x{task.width} pixels: "
                f"{plan.boxes[frame, which].tolist()}"
            )

    def _text(self, sentences: Sequence[str | None]) -> tuple[np.ndarray, np.ndarray]:
        for sentence in sentences:
            if sentence is not None and (why := _unfit(sentence)):
                raise ValueError(why)
        task = self.task
        words = np.zeros((len(sentences), task.text_length, task.text_width), np.float32)
        mask = np.zeros((len(sentences), task.text_length), bool)
        said = [i for i, sentence in enumerate(sentences) if sentence is not None]
        if said:
            words[said], mask[said] = self.encoder([s for s in sentences if s is not None])
        return words, mask

    def _context(self, pictures: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        task = self.task
        frames = np.zeros((len(pictures), *task.context_shape), np.uint8)
        given = np.zeros((len(pictures), task.context_frames), bool)
        for i, picture in enumerate(pictures):
            if picture is None:
                continue
            if task.context_frames == 0:
                raise ValueError("this model was trained without first frames; pass no picture")
            # A still picture stands for all the frames that the task gives.
            frames[i], given[i] = first_frame(picture, task)[None], True
        return frames, given


def _unfit(sentence: str) -> str:
    """Why a sentence is not read; empty where it is."""
    if not sentence.strip():
        return "a sentence is empty; leave it out, or pass None, for one of training"
    if len(sentence) > LONGEST_SENTENCE:
        return f"a sentence has {len(sentence):,} characters; at most {LONGEST_SENTENCE:,} are read"
    return ""


def _check_seed(seed: int) -> None:
    if not -(2**63) <= seed < 2**63:
        raise ValueError(f"a seed is a whole number of 64 bits, got {seed}")


def load(run: epath.PathLike) -> Model:
    """A trained generator out of a run folder, a model file or the zoo; its checksums are verified.

    Args:
        run: such as ``runs/quick/diffusion/seed-0``, ``model.safetensors`` as `vidgen export`
            writes it, or ``zoo:diffusion-camera`` (`vidgen list zoo`).

    Raises:
        FolderError: if there is no run, with what a run looks like.
        vidgen.comparison.model_file.ModelFileError: if a model file is absent, damaged or of
            another version.
        vidgen.registry.UnknownNameError: if the zoo has no such model.
        vidgen.training.CheckpointError: if training has not finished, or a file is damaged.
    """
    if model_file.is_address(run):
        file = model_file.read(model_file.at(str(run)))
        card = file.card
        check_device(card.precision)
        return Model(
            card.generator,
            file.generator,
            file.params,
            file.encoder,
            card.task,
            card.sampler,
            card.precision,
            card,
            lambda: card.sentences,
        )
    folder, name, seed, share = of_run(run)
    setting = setting_of(folder)
    if name not in setting.experiment.generators:
        raise registry.suggest(name, setting.experiment.generators, "generator of this experiment")
    generator, params, sampler = restored(Job(generator=name, seed=seed, share=share), setting)
    asked = setting.experiment
    check_device(asked.precision)
    return Model(
        name,
        generator,
        params,
        setting.encoder,
        asked.task,
        sampler,
        asked.precision,
        captions=lambda: captions_of(setting.train, model_file.MOST_SENTENCES),
    )
