"""One photograph and one idea, moved by every family side by side."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen import zoo
from vidgen.app import examples
from vidgen.app.ideas import Ideas, Understood, strongest
from vidgen.app.photo import Photo, photo
from vidgen.comparison import Model, load, model_file
from vidgen.comparison.model import frames_of
from vidgen.comparison.model_file import ModelCard
from vidgen.data.camera_motion import onward
from vidgen.registry import suggest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Animated:
    """What one family made of it.

    Attributes:
        generator: who.
        clip: uint8 [T h w C], in the shape of what is shown of the photograph.
        seconds: that drawing it took.
        is_first: whether that includes compiling, since the model drew no clip of this length
            before.
        error: why there is no clip; empty where there is one.
        is_late: whether there is none since there was no time left.
    """

    generator: str
    clip: UInt8[np.ndarray, "T h w C"] | None
    seconds: float
    is_first: bool
    error: str = ""
    is_late: bool = False

    @property
    def took(self) -> str:
        """Its time in words, or why there is no clip."""
        compiling = ", compiling included" if self.is_first else ""
        return self.error if self.clip is None else f"{self.seconds:.2f} s{compiling}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Animation:
    """What all of them made.

    Attributes:
        photo: that they began with.
        understood: what the idea was taken for.
        seed: of the draws.
        fps: frames a second.
        clips: a family each.
    """

    photo: Photo
    understood: Understood
    seed: int
    fps: int
    clips: tuple[Animated, ...]

    def note(self, generator: str) -> str:
        """What a file of a family's clip says of itself, as JSON."""
        return json.dumps(
            {
                "vidgen": generator,
                "seed": self.seed,
                "idea": self.understood.idea,
                "sentence": self.understood.sentence,
            }
        )


class Studio:
    """Models of one source, loaded when they are first asked.

    Args:
        models: model files, or ``zoo:NAME``; by default all of the zoo's that learned from
            `source`.
        source: of the zoo's models; by default `examples.CAMERA`, whose models move any photograph.

    Raises:
        ValueError: if there are none, they learned from different sources, two are of one
            generator, or both models and a source are given.
        vidgen.comparison.model_file.ModelFileError: if one is no model file.
    """

    def __init__(self, models: Sequence[str | Path] = (), *, source: str | None = None) -> None:
        if models and source is not None:
            raise ValueError(
                f"a source chooses among the models of the zoo: leave out {source!r}, or the models"
            )
        files = [model_file.at(model) for model in models]
        source = source or examples.CAMERA
        found = files or [zoo.path(name) for name in zoo.names()]
        cards = [(model_file.read_card(path), path) for path in found]
        if not files:
            cards = [(card, path) for card, path in cards if card.source == source]
        if not cards:
            have = sorted({model_file.read_card(path).source for path in found})
            raise ValueError(
                f"no model of the zoo has learned from {source!r}, but from "
                f"{', '.join(have) or 'nothing'}; --models takes files that `vidgen export` wrote"
            )
        sources = {card.source for card, _ in cards}
        if len(sources) > 1:
            raise ValueError(f"the models learned from different clips: {', '.join(sources)}")
        self.cards: dict[str, ModelCard] = {}
        for card, path in cards:
            if card.generator in self.cards:
                raise ValueError(f"two models are of {card.generator!r}, one of them {path}")
            if card.task.fps != cards[0][0].task.fps:
                raise ValueError("the models draw different numbers of frames a second")
            if not card.task.context_frames:
                raise ValueError(
                    f"{path} was trained without first frames, and moves no photograph"
                )
            self.cards[card.generator] = card
        self._paths = {card.generator: path for card, path in cards}
        self._models: dict[str, Model] = {}
        self._drawn: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    @property
    def generators(self) -> list[str]:
        """Who takes part."""
        return list(self.cards)

    @property
    def source(self) -> str:
        """What all of them learned from."""
        return self._first.source

    @property
    def seconds(self) -> float:
        """How long a clip is if nobody says: 3 s of a photograph, and of other models the length
        that they learned, beyond which they have to go on by themselves.
        """
        task = self._first.task
        return 3.0 if self.source == examples.CAMERA else task.frames / task.fps

    @functools.cached_property
    def examples(self) -> list[examples.Example]:
        """Pictures to begin with, of those packages that are installed; with what becomes of them
        where these models know to say it.
        """
        return [
            dataclasses.replace(one, idea=one.idea if one.idea in self.ideas.sentences else "")
            for one in examples.examples(self.source, self._first.options)
        ]

    @property
    def _first(self) -> ModelCard:
        return next(iter(self.cards.values()))

    @functools.cached_property
    def ideas(self) -> Ideas:
        """What all of them have learned to do."""
        known = [set(card.sentences) for card in self.cards.values()]
        return Ideas(sorted(set.intersection(*known)), encoder=strongest())

    def chosen(self, generators: Iterable[str]) -> list[str]:
        """The generators of these names, of which "all" is all.

        Raises:
            vidgen.registry.UnknownNameError: for one that takes no part.
        """
        names = list(dict.fromkeys(generators))
        if names in ([], ["all"]):
            return self.generators
        for name in names:
            if name not in self.cards:
                raise suggest(name, self.cards, "model here")
        return names

    def animate(self, picture: Any, idea: str, **how: Any) -> Animation:
        """Have each family move a photograph as an idea says; arguments and errors as of `draw`."""
        *_, whole = self.draw(picture, idea, **how)
        return whole

    def draw(
        self,
        picture: Any,
        idea: str,
        *,
        seconds: float | int | None = None,
        seed: int = 0,
        generators: Iterable[str] = (),
        fit: str = "crop",
        limit: float | int = math.inf,
    ) -> Iterator[Animation]:
        """What has been made so far, before the first family draws and after each.

        What is wrong with the photograph, the idea or a name is said before anything is drawn. A
        family that fails costs the others nothing.

        Args:
            picture: as `photo.photo` takes it, or `examples.PREFIX` and the name of one of those.
            idea: in English or Chinese, see `Ideas.understand`.
            seconds: of the clips; `Studio.seconds` by default.
            seed: of the draws.
            generators: who; all of them by default.
            fit: a name in `photo.FITS`.
            limit: seconds of work after which no further family begins.

        Raises:
            ValueError: for a photograph, an idea or a length that cannot be used.
            vidgen.registry.UnknownNameError: for a generator, fit or example that does not exist.
            ImportError: if the package that ships an example is not installed.
        """
        began = time.perf_counter()
        seconds = self.seconds if seconds is None else seconds
        names = self.chosen(generators)
        understood = self.ideas.understand(idea)
        for name in names:
            frames_of(self.cards[name].task, seconds)
        if isinstance(picture, str) and picture.startswith(examples.PREFIX):
            name = picture.removeprefix(examples.PREFIX)
            picture = examples.example(name, self.source, self._first.options).picture
        # Families may differ in the size of their frames.
        tasks = {self.cards[name].task.video_shape[1:]: self.cards[name].task for name in names}
        photos = {shape: photo(picture, task, fit) for shape, task in tasks.items()}
        first = self.cards[names[0]].task
        made = Animation(
            photo=photos[first.video_shape[1:]],
            understood=understood,
            seed=seed,
            fps=first.fps,
            clips=(),
        )
        yield made
        for name in names:
            shown = photos[self.cards[name].task.video_shape[1:]]
            if time.perf_counter() - began > limit:
                late = f"left out: {limit:g} seconds of work were over before its turn"
                one = _none(name, late, is_late=True)
            else:
                one = self._one(name, shown, understood.sentence, seconds, seed)
            made = dataclasses.replace(made, clips=(*made.clips, one))
            yield made

    def model(self, name: str) -> Model:
        """One of them, loaded."""
        with self._lock:
            if name not in self._models:
                self._models[name] = load(self._paths[name])
            return self._models[name]

    def _one(
        self, name: str, shown: Photo, sentence: str, seconds: float | int, seed: int
    ) -> Animated:
        try:
            model = self.model(name)
            parts = _parts(sentence, frames_of(model.task, seconds), model.task.frames)
            programs = {(name, max(frames, model.task.frames)) for _, frames in parts}
            began = time.perf_counter()
            clip = _drawn(model, shown.frame, parts, seed)
        except (ValueError, LookupError, ImportError, OSError, RuntimeError, MemoryError) as error:
            return _none(name, str(error) or type(error).__name__)  # MemoryError has no words
        is_first = not programs <= self._drawn
        self._drawn |= programs
        return Animated(
            generator=name,
            clip=shown.restored(clip),
            seconds=time.perf_counter() - began,
            is_first=is_first,
        )


def _none(name: str, error: str, *, is_late: bool = False) -> Animated:
    return Animated(
        generator=name, clip=None, seconds=0.0, is_first=False, error=error, is_late=is_late
    )


def _parts(sentence: str, frames: int, own: int) -> list[tuple[str, int]]:
    """What is said, and for how many frames, one after the other, each part from the last frame of
    the one before. A rollout would say its sentence again: one that asks for one thing after
    another is said once, and the clip goes on with the last of them.

    Args:
        sentence: that is asked.
        frames: of the whole clip.
        own: of the model's clips.
    """
    rest = onward(sentence)
    if rest == sentence or frames <= own:
        return [(sentence, frames)]
    return [(sentence, own), (rest, frames - own + 1)]


def _drawn(
    model: Model, frame: UInt8[np.ndarray, "H W C"], parts: Sequence[tuple[str, int]], seed: int
) -> UInt8[np.ndarray, "T H W C"]:
    clips = [frame[None]]
    for sentence, frames in parts:
        clips.append(model.sample(sentence, image=clips[-1][-1], seed=seed, frames=frames)[0])
        seed = ~seed  # noise of its own for what goes on
    return np.concatenate([clips[1], *(clip[1:] for clip in clips[2:])])
