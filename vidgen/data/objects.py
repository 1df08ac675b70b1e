"""Objects that move over a ground: what `digits` and `shapes` have in common."""

from __future__ import annotations

import copy
import dataclasses
import functools
import hashlib
import itertools
import json
import operator
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from vidgen.data import grammar
from vidgen.data.draws import Draws, salt
from vidgen.data.grammar import Wording
from vidgen.data.grounds import Ground
from vidgen.data.motion import Physics, paths
from vidgen.data.source import check_size
from vidgen.data.splits import LENGTHS, Split
from vidgen.data.sprites import INK, Sprites
from vidgen.types import Clip, Truth

__all__ = ["INK", "MovingObjects"]

Route = tuple[list[int], list[int]]
"""Rows and columns of the corner of an object's cell, T each."""

_GAP = 2
"""Pixels between two objects in at least half of the frames. Two that move alike could else hide
each other in all of them, and nobody could tell what the clip shows."""

_MOST_DRAWS = 64
"""Of starts. Where the canvas has no room for the gap, those that come nearest to it are taken."""

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""


class MovingObjects:
    """A virtual source: clip `i` is drawn from a hash of the source and `i`, and never stored.

    A clip has one or more sprites of different identities, drawn uniformly, for each a motion of
    those that the split allows, and a start drawn uniformly from `motion.starts`. Two objects start
    where a clip can show both: starts are drawn until in half of the frames the boxes of their ink
    lie `_GAP` pixels apart, if there is room. They ignore each other; where they overlap,
    digits shine through each other (the brighter pixel wins, as in Moving MNIST) and shapes hide
    those named before them.

    The truth knows every object whole, hidden parts included: ``boxes`` are the tight boxes of its
    ink (half open: bottom and right lie just outside it), ``object_masks`` the ink itself and
    ``masks`` the ink of all; ink is a pixel with a channel of at least `INK`.

    Args:
        name: of the source.
        split: what it draws from.
        physics: how objects move.
        sprites: what moves.
        wordings: ways to say it, drawn uniformly.
        known: further ways, which are not drawn; their words belong to the vocabulary.
        rank: of an identity, for the compositional splits; neighbours in rank must alternate.
        objects: in every clip, 1 or 2.
        ground: behind the objects; black where None.
        clips: the length of the source; by default 65,536 for training and 4,096 for the rest.
        fps: frames a second, for playing only.
        seed: another seed is another sequence of clips of the same objects.

    Attributes:
        physics: how the objects move, over a ground too.

    Raises:
        ValueError: if `objects`, `clips` or `fps` is out of range.
    """

    def __init__(
        self,
        name: str,
        split: Split,
        physics: Physics,
        sprites: Sprites,
        *,
        wordings: Sequence[Wording],
        known: Sequence[Wording] = (),
        rank: Callable[[str], int],
        objects: int = 1,
        ground: Ground | None = None,
        clips: int | None = None,
        fps: int = 8,
        seed: int = 0,
    ) -> None:
        clips = LENGTHS[split.part] if clips is None else clips
        if clips < 1 or fps < 1:
            raise ValueError(f"clips and fps must be at least 1, got {clips} and {fps}")
        if objects not in (1, 2):
            raise ValueError(f"a clip has 1 or 2 objects, got {objects}")
        self.name, self.split, self.fps = name, split.name, fps
        self.physics: Physics = physics
        self.frames, self.height, self.width = physics.frames, physics.height, physics.width
        self.channels: int = sprites.images.shape[-1]
        self._world, self._sprites, self._wordings = physics, sprites, tuple(wordings)
        self._known = (*self._wordings, *known)
        self._objects, self._ground, self._clips, self._seed = objects, ground, clips, seed
        self._ranks = {identity: rank(identity) for identity in sprites.names}
        # A split looks at whether a rank is even, and at nothing else of it.
        self._motions = tuple(split.motions(parity, physics.motions) for parity in (0, 1))
        self._routes = _routes(physics, physics.frames)
        self._boxes = sprites.boxes
        self._bounds: list[list[float]] = sprites.boxes.tolist()  # read one by one, and faster
        self._salt = salt(f"{name}/{split.name}/{seed}")

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the grammar and the full stop, sorted."""
        return tuple(
            sorted(grammar.vocabulary(self._known, self._clauses(self._known), self._objects))
        )

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a caption, a full stop included."""
        return grammar.max_words(
            self._known, self._sprites.names, self._world.motions, self._objects
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of options, captions and pixels of the objects and of the ground."""
        options = [
            _RENDERING,
            self.name,
            self.split,
            dataclasses.asdict(self._world),
            [self._clips, self.fps, self._seed],
            sorted(self._clauses(self._wordings)),
            self._sprites.images.shape,
            list(self._sprites.identities),
        ]
        # What one object on black does not have is left out of its hash, which runs depend on.
        pixels = [self._sprites.images]
        if self._objects > 1:
            joints = [wording.joint for wording in self._wordings]
            options.append({"objects": self._objects, "joints": joints})
            options.append([_GAP, _MOST_DRAWS])
        if self.frames != self._world.frames:
            options.append({"continued": self.frames})
        if self._sprites.cover is not None and (self._objects > 1 or self._ground is not None):
            pixels.append(self._sprites.cover)
        if self._ground is not None:
            pixels.append(self._ground.textures)
        digest = hashlib.sha256(json.dumps(options).encode())
        for array in pixels:
            digest.update(array.tobytes())
        return digest.hexdigest()

    def exemplars(self) -> tuple[UInt8[np.ndarray, "M S S C"], list[str]]:
        """The split's objects in their cells, and what each is."""
        return self._sprites.images, list(self._sprites.identities)

    def grounds(self) -> UInt8[np.ndarray, "G h w C"] | None:
        """The split's textures; None where the ground is black."""
        return None if self._ground is None else self._ground.textures

    def continued(self, frames: int) -> MovingObjects:
        """The same clips, gone on with: the first T frames of clip `i` are clip `i`.

        Objects go on as they move, from border to border; `physics` stays that of the shorter
        clips, whose starts these are.

        Args:
            frames: of the longer clips, at least T.

        Raises:
            ValueError: for fewer frames, or more than any memory holds.
        """
        if frames < self.frames:
            raise ValueError(f"clips of {self.frames} frames do not go on to {frames}")
        check_size(frames, self.height, self.width, self.channels)
        longer = copy.copy(self)
        longer.__dict__.pop("fingerprint", None)
        longer.frames = frames
        longer._routes = _routes(self._world, frames)
        return longer

    def pairs(self) -> set[tuple[str, str]]:
        """Every (identity, motion) that a clip of this split may show.

        Where there are several objects, their identities are joined by "and", as are their motions.
        """
        found = set()
        for cast in itertools.permutations(self._sprites.names, self._objects):
            free = [self._world.motions] * (self._objects - 1)
            for motions in itertools.product(*free, self._allowed(cast)):
                found.add((" and ".join(cast), " and ".join(motions)))
        return found

    def __len__(self) -> int:
        return self._clips

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
        """
        index = operator.index(index)
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        draws = Draws(self._salt, index)
        rows: list[int] = []
        identities: list[str] = []
        motions: list[str] = []
        routes: list[Route] = []
        for place in range(1, self._objects + 1):
            row = self._draw_row(draws, identities)
            rows.append(row)
            identities.append(self._sprites.identities[row])
            last = place == self._objects
            allowed = self._allowed(identities) if last else self._world.motions
            motions.append(allowed[draws.below(len(allowed))])
            routes.append(self._routes[motions[-1]].draw(draws))
        if self._objects == 2:
            routes = self._apart(draws, rows, motions, routes)
        video = self._render(draws, rows, routes)
        masks = self._masks(video, rows, routes)
        truth = Truth(
            identity=tuple(identities),
            motion=tuple(motions),
            boxes=self._boxes_of(rows, routes),
            masks=masks[:, 0] if self._objects == 1 else masks[:, 0] | masks[:, 1],
            object_masks=masks,
        )
        # Drawn last of all, so that the number of wordings changes no picture.
        wording = self._wordings[draws.below(len(self._wordings))]
        return Clip(video=video, caption=wording(identities, motions), truth=truth)

    def _allowed(self, cast: Sequence[str]) -> tuple[str, ...]:
        """The motions of the last of these objects in this split."""
        return self._motions[sum(self._ranks[identity] for identity in cast) % 2]

    def _draw_row(self, draws: Draws, taken: Sequence[str]) -> int:
        """A sprite of another identity than those taken, uniform."""
        identities = self._sprites.identities
        row = draws.below(len(identities))
        while identities[row] in taken:
            row = draws.below(len(identities))
        return row

    def _apart(
        self, draws: Draws, rows: Sequence[int], motions: Sequence[str], routes: Sequence[Route]
    ) -> list[Route]:
        """These routes of two objects, or others of the same motions on which both can be seen."""
        tried: list[tuple[float, list[Route]]] = []
        while not tried or (tried[-1][0] < _GAP and len(tried) < _MOST_DRAWS):
            tried.append((self._gap(rows, routes), list(routes)))
            routes = [self._routes[motion].draw(draws) for motion in motions]
        return max(tried, key=lambda one: one[0])[1]

    def _gap(self, rows: Sequence[int], routes: Sequence[Route]) -> float:
        """Pixels between the boxes of two objects in at least half of the frames, less than 0 where
        they overlap.
        """
        (t1, l1, b1, r1), (t2, l2, b2, r2) = (self._bounds[row] for row in rows)
        (ys1, xs1), (ys2, xs2) = routes
        gaps = [
            max(t2 - b1 + y, t1 - b2 - y, l2 - r1 + x, l1 - r2 - x)
            for y, x in zip(map(operator.sub, ys2, ys1), map(operator.sub, xs2, xs1), strict=True)
        ][: self._world.frames]  # a continuation changes no start
        return sorted(gaps)[len(gaps) // 2]

    def _render(
        self, draws: Draws, rows: Sequence[int], routes: Sequence[Route]
    ) -> UInt8[np.ndarray, "T H W C"]:
        video = np.zeros((self.frames, self.height, self.width, self.channels), np.uint8)
        if self._ground is not None:
            video[:] = self._ground.draw(draws)
        for n, (row, route) in enumerate(zip(rows, routes, strict=True)):
            alone = n == 0 and self._ground is None
            (self._sprites.place if alone else self._sprites.lay_over)(video, row, *route)
        return video

    def _masks(
        self,
        video: UInt8[np.ndarray, "T H W C"],
        rows: Sequence[int],
        routes: Sequence[Route],
    ) -> Bool[np.ndarray, "T O H W"]:
        if self._objects == 1 and self._ground is None and self.channels == 1:
            return (video[..., 0] >= INK)[:, None]  # the same, without drawing once more
        masks = np.zeros((self.frames, self._objects, self.height, self.width), bool)
        for n, (row, route) in enumerate(zip(rows, routes, strict=True)):
            self._sprites.mark(masks[:, n], row, *route)
        return masks

    def _boxes_of(self, rows: Sequence[int], routes: Sequence[Route]) -> np.ndarray:
        """float32 [T O 4]."""
        corners = np.array([[ys, xs, ys, xs] for ys, xs in routes], np.float32)
        return corners.transpose(2, 0, 1) + self._boxes[rows]

    def _clauses(self, wordings: Sequence[Wording]) -> list[str]:
        """Every wording of every identity and motion, of one object."""
        return [
            wording([identity], [motion])
            for wording in wordings
            for identity in self._sprites.names
            for motion in self._world.motions
        ]


def _routes(physics: Physics, frames: int) -> dict[str, _Routes]:
    """The routes of every motion of a world, so many frames long."""
    return {motion: _Routes(physics, motion, frames) for motion in physics.motions}


class _Routes:
    """Every path of a motion, as lists, which are drawn from and read faster than arrays."""

    def __init__(self, physics: Physics, motion: str, frames: int) -> None:
        found = paths(physics, motion, frames=frames)
        self._rows, self._columns = (axis.tolist() for axis in found)

    def draw(self, draws: Draws) -> Route:
        """The rows and columns of the corner, T each, from a uniform start."""
        y = self._rows[draws.below(len(self._rows))]
        return y, self._columns[draws.below(len(self._columns))]
