"""Long descriptions: coloured shapes that do one thing after another, and sentences that say all
of it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import operator
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.data.draws import Draws, salt
from vidgen.data.script import LEGS, PLACES, STEPS, Actor, Script, meet
from vidgen.data.shapes import COLOURS, SHAPES, shape_sprites
from vidgen.data.source import check_size
from vidgen.data.splits import LENGTHS, part_named
from vidgen.data.sprites import Sprites
from vidgen.registry import suggest
from vidgen.text import words
from vidgen.types import Clip, Truth

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""

_WHERE = {
    name: f"in the {name}" if name in ("middle",) or " " in name else f"at the {name}"
    for name in PLACES
}


@dataclasses.dataclass(frozen=True)
class Telling:
    """One way to tell a story; the parts are said of each actor.

    Attributes:
        opening: holds ``{who}`` and ``{where}``.
        going: before a direction.
        staying: in place of it.
        order: holds ``{0}``, ``{1}`` and ``{2}``, the legs.
        joint: between two actors.
        instead: other words for some.
    """

    opening: str
    going: str
    staying: str
    order: str
    joint: str
    instead: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __call__(self, script: Script) -> str:
        """The description of a scene."""
        clauses = (self.clause(one.identity, one.start, one.legs) for one in script.actors)
        return self.joint.join(clauses) + " ."

    def clause(self, identity: str, start: str, legs: Sequence[str]) -> str:
        """What is said of one actor, whether or not it can be played."""
        said = [self.staying if leg == "stay" else f"{self.going} {leg}" for leg in legs]
        opening = self.opening.format(who=identity, where=_WHERE[start])
        told = f"{opening} {self.order.format(*said)}"
        return " ".join(self.instead.get(word, word) for word in told.split(" "))


_OPENINGS = (
    "the {who} begins {where} and",
    "{where} there is a {who} , it",
    "a {who} starts {where} , it",
    "the {who} stands {where} and",
)
_VERBS = (("goes", "stays"), ("moves", "waits"), ("turns", "stops"), ("travels", "rests"))
_ORDERS = (
    "first {0} , then {1} , then {2}",
    "{0} , after that {1} and at last {2}",
    "{0} , next {1} and finally {2}",
    "{0} , then {1} and in the end {2}",
)
_JOINTS = (" , while ", " ; meanwhile ", " . ")

_ALL = tuple(
    Telling(opening, going, staying, order, joint)
    for opening, (going, staying), order, joint in itertools.product(
        _OPENINGS, _VERBS, _ORDERS, _JOINTS
    )
)
_HELD_OUT = frozenset(
    n
    for n, (a, b, c, _) in enumerate(
        itertools.product(*(range(len(x)) for x in (_OPENINGS, _VERBS, _ORDERS, _JOINTS)))
    )
    if (a + b + c) % 4 == 3
)

TELLINGS: Mapping[str, tuple[Telling, ...]] = {
    "usual": tuple(t for n, t in enumerate(_ALL) if n not in _HELD_OUT),
    "held-out": tuple(t for n, t in enumerate(_ALL) if n in _HELD_OUT),
    "paraphrased": (
        Telling(
            "look , one {who} {where} !",
            "it glides",
            "it pauses",
            "to begin with {0} , afterwards {1} , lastly {2}",
            " ! elsewhere , ",
            {"square": "box", "circle": "disc", "purple": "violet"},
        ),
        Telling(
            "some {who} appears {where} and",
            "heads",
            "freezes",
            "{0} , subsequently {1} and eventually {2}",
            " , whereas ",
            {"up": "upwards", "down": "downwards", "left": "leftwards", "right": "rightwards"},
        ),
    ),
}
"""Ways to tell a story. Of four openings, verbs, orders and three joints a quarter of all
combinations is held out: their words and parts are all in use, their company is new. Paraphrases
share neither words nor parts."""


@functools.cache
def _said() -> Mapping[Telling, list[list[str]]]:
    """Of each way of telling the words of clauses in which all words occur, and the longest."""
    identities = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    scenes = [(identity, "middle", "up") for identity in identities]
    scenes += [(identities[0], *scene) for scene in itertools.product(PLACES, STEPS)]
    return {
        telling: [
            words(telling.clause(identity, start, (leg,) * LEGS)) for identity, start, leg in scenes
        ]
        for telling in itertools.chain.from_iterable(TELLINGS.values())
    }


def stories(
    split: str = "train",
    *,
    objects: int = 2,
    told: str = "usual",
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    shape_size: int | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> Stories:
    """RGB clips such as "the red square begins at the top and first goes left , then goes down ,
    then stays , while the blue circle begins in the lower right and first stays , ...".

    The stage is three rows and three columns of places; each shape starts in a place that the
    caption names, and does three things of equal length: goes to a neighbouring place, or stays
    (`vidgen.data.script`). Shapes of a clip have different colours and never touch. So a caption
    tells all of a clip but the makes of its shapes, which are those of `shapes`, parts of the split
    among them. There are no compositional splits.

    Args:
        split: "train", "validation" or "test".
        objects: 1 or 2.
        told: "usual", "held-out" or "paraphrased", see `TELLINGS`.
        size: of the canvas, a side or (height, width); 32 by default.
        frames: T; 16 by default.
        shape_size: side of a shape's cell, pixels; 5/16 of the canvas by default.
        clips: length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence of clips.

    Raises:
        UnknownNameError: for another way of telling, with the near misses.
        ValueError: for a number out of range, or cells that do not fit three by three.
    """
    if told not in TELLINGS:
        raise suggest(told, TELLINGS, "way of telling")
    side = 32 if size is None else size
    height, width = (side, side) if isinstance(side, int) else side
    frames = 16 if frames is None else frames
    check_size(frames, height, width, 3)
    cell = round(5 / 16 * min(height, width)) if shape_size is None else shape_size
    if not 4 <= cell <= min(height, width) // 3:
        raise ValueError(
            f"shape_size must lie in [4, {min(height, width) // 3}], so that three cells fit "
            f"beside each other, got {cell}"
        )
    if frames < 2 * LEGS:
        raise ValueError(f"{LEGS} legs take at least {2 * LEGS} frames, got {frames}")
    part = part_named(split, "stories")
    return Stories(
        split,
        shape_sprites(part, cell, False),
        (frames, height, width),
        objects=objects,
        told=told,
        clips=LENGTHS[part] if clips is None else clips,
        fps=fps,
        seed=seed,
    )


class Stories:
    """A virtual source: clip `i` is drawn from a hash of the source and `i`, and never stored.

    The truth's ``boxes`` are the tight boxes of the ink, as those of `MovingObjects`; its
    ``motion`` says the script (`Actor.motion`).

    Args:
        split: what it draws from.
        sprites: what moves.
        shape: (frames, height, width).
        objects: in every clip, 1 or 2.
        told: see `TELLINGS`.
        clips: the length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence.

    Attributes:
        size: side of a cell, pixels.

    Raises:
        ValueError: if `objects`, `clips` or `fps` is out of range.
    """

    name, channels, physics = "stories", 3, None

    def __init__(
        self,
        split: str,
        sprites: Sprites,
        shape: tuple[int, int, int],
        *,
        objects: int,
        told: str,
        clips: int,
        fps: int,
        seed: int,
    ) -> None:
        if clips < 1 or fps < 1:
            raise ValueError(f"clips and fps must be at least 1, got {clips} and {fps}")
        if objects not in (1, 2):
            raise ValueError(f"a clip has 1 or 2 objects, got {objects}")
        self.split, self.fps = split, fps
        self.frames, self.height, self.width = shape
        self.size = sprites.images.shape[1]
        self._sprites, self._objects, self._how = sprites, objects, told
        self._clips, self._seed = clips, seed
        self._salt = salt(f"stories/{split}/{seed}")

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of every way of telling, and the full stop, sorted."""
        told = {word for clauses in _said().values() for said in clauses for word in said}
        joints = {word for telling in _said() for word in words(telling.joint)}
        return tuple(sorted(told | {"."} | (joints if self._objects > 1 else set())))

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a caption, a full stop included."""
        return 1 + max(
            self._objects * max(map(len, clauses)) + (self._objects - 1) * len(words(telling.joint))
            for telling, clauses in _said().items()
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of options, captions and pixels of the objects."""
        told = [dataclasses.astuple(telling) for telling in TELLINGS[self._how]]
        shape = [self.frames, self.height, self.width, self.size]
        options = [
            *(_RENDERING, self.name, self.split, shape, self._objects, self._clips),
            *(self.fps, self._seed, told, self.vocabulary, list(self._sprites.identities)),
        ]
        digest = hashlib.sha256(json.dumps(options).encode())
        digest.update(self._sprites.images.tobytes())
        return digest.hexdigest()

    def exemplars(self) -> tuple[UInt8[np.ndarray, "M S S C"], list[str]]:
        """The split's objects in their cells, and what each is."""
        return self._sprites.images, list(self._sprites.identities)

    def cells(self, script: Script) -> Float[np.ndarray, "T O 4"]:
        """Where a script has its actors, (top, left, bottom, right) in pixels: the mean box of the
        makes of what each is, since a description does not say which of them it shows.

        Raises:
            KeyError: for an identity that there is not.
        """
        shape = (self.frames, self.height, self.width)
        corners = script.boxes(*shape, self.size)[..., [0, 1, 0, 1]]
        mean = {
            name: self._sprites.boxes[np.array(self._sprites.identities) == name].mean(axis=0)
            for name in script.identity
        }
        return corners + np.stack([mean[name] for name in script.identity])

    def __len__(self) -> int:
        return self._clips

    def told(self, index: int) -> tuple[Script, str]:
        """What happens in clip number `index`, and what is said of it.

        Raises:
            IndexError: outside [0, len).
        """
        _, script, telling = self._drawn(index)
        return script, telling(script)

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
        """
        rows, script, telling = self._drawn(index)
        shape = (self.frames, self.height, self.width)
        video = np.zeros((*shape, self.channels), np.uint8)
        masks = np.zeros((self.frames, self._objects, *shape[1:]), bool)
        cells = script.boxes(*shape, self.size)
        boxes = cells[..., [0, 1, 0, 1]] + self._sprites.boxes[np.array(rows)]
        for n, row in enumerate(rows):
            ys, xs = (cells[:, n, axis].astype(int).tolist() for axis in (0, 1))
            self._sprites.lay_over(video, row, ys, xs)
            self._sprites.mark(masks[:, n], row, ys, xs)
        truth = Truth(
            identity=script.identity,
            motion=tuple(actor.motion for actor in script.actors),
            boxes=boxes,
            masks=np.asarray(masks.any(axis=1)),
            object_masks=masks,
        )
        return Clip(video=video, caption=telling(script), truth=truth)

    def _drawn(self, index: int) -> tuple[list[int], Script, Telling]:
        index = operator.index(index)
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        draws = Draws(self._salt, index)
        rows: list[int] = []
        while len(rows) < self._objects:
            row = draws.below(len(self._sprites.identities))
            if all(
                _colour(self._sprites.identities[other]) != _colour(self._sprites.identities[row])
                for other in rows
            ):
                rows.append(row)
        actors: list[Actor] = []
        while len(actors) < self._objects:
            actor = _actor(draws, self._sprites.identities[rows[len(actors)]])
            if actor is not None and not any(meet(actor, other) for other in actors):
                actors.append(actor)
        tellings = TELLINGS[self._how]
        # Drawn last of all, so that the ways of telling change no picture.
        return rows, Script(actors=tuple(actors)), tellings[draws.below(len(tellings))]


def _colour(identity: str) -> str:
    return identity.split()[-2]


def _actor(draws: Draws, identity: str) -> Actor | None:
    """One with a start and legs drawn uniformly, None where they lead off the stage or nowhere."""
    start = list(PLACES)[draws.below(len(PLACES))]
    legs = tuple(list(STEPS)[draws.below(len(STEPS))] for _ in range(LEGS))
    row, column = PLACES[start]
    for leg in legs:
        row, column = row + STEPS[leg][0], column + STEPS[leg][1]
        if not (0 <= row <= 2 and 0 <= column <= 2):
            return None
    return None if set(legs) == {"stay"} else Actor(identity=identity, start=start, legs=legs)
