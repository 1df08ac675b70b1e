"""Handwritten digits that move, after Moving MNIST: real ink under known motion.

==============  ==============================================================================
motion          a caption
==============  ==============================================================================
diagonal        the digit 3 is moving up and left
sync-draw       the digits 3 is moving up and down .
mage            the digit 5 is moving up then down .
mage-double     the digit 5 is moving up then down and the digit 7 is moving right then left .
==============  ==============================================================================

``diagonal`` is this suite's own. The others follow scripts that their authors published:
``dataset/mnist_caption_single.py`` of the repository syncdraw/Sync-DRAW, and
``data/mnist_caption_single.py`` and ``data/mnist_caption_double.py`` of Youncy-Hu/MAGE, which were
read for this. Theirs are the sentences to the letter ("the digits 3" and the full stop included),
canvases of 64 px, digits of 28 px, 10 frames (Sync-DRAW) or 20 (MAGE), the position that is moved,
clipped to the free canvas and turned back at its border, the brighter pixel where two digits
overlap, and in Double Moving MNIST two different digits in order. What is not theirs, and why:

- Both scripts move a digit by 0.1 of the free canvas at a velocity of 2, which is 0.2 or 7.2 px a
  frame. ``sync-draw`` does; ``mage`` and ``mage-double`` move by 0.1, 3.6 px, so that a clip of 20
  frames shows what its caption says and little more; ``speed=7.2`` gives the scripts' pace.
- The scripts start anywhere (MAGE's for two digits between 0.15 and 0.84 of the free canvas), so
  that a digit that starts at a border shows only half of its caption. Here starts leave room for
  both halves, see `motion.starts`, and two digits lie apart in half of the frames, see
  `objects.MovingObjects`; they are whole pixels, and frame 0 shows the start itself, where the
  scripts move once before. Positions are rounded where the scripts cut off.
- Sync-DRAW's script moves a digit up and down where its sentence says "left and right", and the
  other way round. Here sentences are true; a model judged on the published files needs them
  exchanged.
- The scripts draw from all of MNIST and hold out, at random, one axis of each digit (two of the
  four pairs of axes of each ordered pair of digits). Here a fixed rule holds out as many, see
  `splits`, and the handwriting of test is never seen in training besides.

MAGE's table of 27 words is Sync-DRAW's 25 with "digit" for "digits", and with "are" and "then": the
ten digits, the words of these captions (the, digit, and, is, moving, up, down, left, right, then
and the full stop) and six that no caption of either data set says (are, bouncing, here, there,
around, jumping). ``vocabulary`` holds what is said: 20 words for ``mage`` and, with "and", 21 for
``mage-double``. Both scripts cut a sentence at its blanks, which gives the same words as
`vidgen.text.words`: 9 for one digit, 18 for two. MAGE's loader puts [CLS] and [SEP] round them and
fills up with [PAD], so that its model's table has 30 rows; here the mask says where a caption ends.

References:
    Mittal, Marwah & Balasubramanian, "Sync-DRAW: automatic video generation using deep recurrent
    attentive architectures" (2017).
    Hu, Luo & Chen, "Make it move: controllable image-to-video generation with text descriptions"
    (2022).
"""

from __future__ import annotations

import dataclasses
import os

from vidgen.data import handwriting as ink
from vidgen.data.grammar import Wording
from vidgen.data.grammar import chosen as chosen_wordings
from vidgen.data.objects import MovingObjects
from vidgen.data.splits import split_named
from vidgen.data.sprites import Sprites
from vidgen.data.worlds import world
from vidgen.registry import suggest

_NAMES = tuple("0123456789")


@dataclasses.dataclass(frozen=True)
class _Protocol:
    """A data set of the literature.

    Attributes:
        family: of its motions, in `motion.FAMILIES`.
        wording: of its captions.
        objects: digits in a clip.
    """

    family: str
    wording: Wording
    objects: int = 1


_MAGE = Wording("the digit {identity} is moving {motion}", stop=" .")

_PROTOCOLS = {
    "diagonal": _Protocol("diagonal", Wording("the digit {identity} is moving {motion}")),
    "sync-draw": _Protocol(
        "sync-draw", Wording("the digits {identity} is moving {motion}", stop=" .")
    ),
    "mage": _Protocol("mage", _MAGE),
    "mage-double": _Protocol("mage", _MAGE, objects=2),
}

WORDINGS = (
    Wording("a {identity} moves {motion}"),
    Wording("there is a {identity} going {motion}"),
    Wording("here the number {identity} travels {motion}"),
    Wording("watch the figure {identity} drift {motion}"),
)
"""Ways to say the same as a protocol does; with its own, the option `wordings` takes so many."""

PARAPHRASES = (
    Wording("one numeral {identity} slides {motion}"),
    Wording("look how some {identity} glides {motion}"),
    Wording(
        "the handwritten {identity} heads {motion}",
        instead=dict(
            zip(
                _NAMES,
                ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
                strict=True,
            )
        ),
    ),
    Wording(
        "{motion} goes the digit {identity}",
        instead={"up": "upwards", "down": "downwards", "left": "leftwards", "right": "rightwards"},
    ),
)
"""Ways that no clip of training is told in, with words that are not in those."""


def digits(
    split: str = "train",
    *,
    motion: str = "diagonal",
    handwriting: str | os.PathLike[str] = "sklearn",
    wordings: int = 1,
    paraphrased: bool = False,
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    speed: float | int | None = None,
    digit_size: int | None = None,
    min_moves: int | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> MovingObjects:
    """Grey clips such as "the digit 3 is moving up and left", or in the words of MAGE "the digit 5
    is moving up then down ."

    Args:
        split: see `vidgen.data.splits`; a digit's rank is its value.
        motion: "diagonal", "sync-draw", "mage" or "mage-double"; it sets the defaults of what
            follows, see `worlds.world`.
        handwriting: "sklearn", a folder of MNIST's IDX files, or "tfds:mnist"; see
            `vidgen.data.handwriting`.
        wordings: how many ways to say it captions are drawn from: the protocol's own, and so many
            of `WORDINGS` as make up the number.
        paraphrased: whether they are drawn from `PARAPHRASES` instead, which no clip of training
            is told in.
        size: of the canvas, a side or (height, width).
        frames: T.
        speed: pixels a frame along each moving axis.
        digit_size: side of the digit's cell, pixels.
        min_moves: moves before the first bounce.
        clips: length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence of clips; the parts of the handwriting do not depend on it.

    Raises:
        UnknownNameError: for another motion, with the near misses.
        ValueError: if the motions do not fit, with what to change.
        FileNotFoundError, CorruptFileError, ImportError: if the handwriting cannot be read.
    """
    if motion not in _PROTOCOLS:
        raise suggest(motion, _PROTOCOLS, "motion")
    protocol = _PROTOCOLS[motion]
    physics = world(
        protocol.family,
        size=size,
        frames=frames,
        speed=speed,
        object_size=digit_size,
        min_moves=min_moves,
    )
    own = protocol.wording
    usual = [own, *(dataclasses.replace(w, joint=own.joint, stop=own.stop) for w in WORDINGS)]
    drawn, known = chosen_wordings(usual, PARAPHRASES, first=wordings, paraphrased=paraphrased)
    chosen = split_named(split)
    found = ink.digits(os.fspath(handwriting), chosen.part, physics.size)
    return MovingObjects(
        "digits",
        chosen,
        physics,
        Sprites(found.images[..., None], [str(label) for label in found.labels], _NAMES),
        wordings=drawn,
        known=known,
        rank=int,
        objects=protocol.objects,
        clips=clips,
        fps=fps,
        seed=seed,
    )
