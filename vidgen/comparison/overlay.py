"""The truth of a clip, drawn over its frames and said in words."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Bool, Float, UInt8

from vidgen.comparison import video
from vidgen.types import Episode, Truth

_BOXES = ((255, 170, 0), (0, 190, 255), (170, 255, 60), (255, 90, 200))
"""Colours of the objects' boxes, in turn."""

_MASK = (255, 0, 255)

_FIRST_VIEW, _LAST_VIEW, _PATH = (0, 190, 255), (255, 170, 0), (255, 0, 255)

_SEEN = 0.05
"""Pixels or degrees below which a camera is said not to have moved."""

_ACTIONS = ("left", "right", "forward", "pick up", "drop", "toggle", "done")
"""MiniGrid's, by number."""


def coloured(clip: UInt8[np.ndarray, "T H W C"], scale: int) -> UInt8[np.ndarray, "T sH sW 3"]:
    """The clip in colour, enlarged."""
    shown = video.enlarge(clip, scale)
    return np.broadcast_to(shown, (*shown.shape[:-1], 3)).copy()


def overlaid(
    clip: UInt8[np.ndarray, "T H W C"], truth: Truth, scale: int
) -> UInt8[np.ndarray, "T sH sW 3"]:
    """The clip in colour, enlarged, under its truth.

    Boxes have a colour an object; outlines of the objects' masks are magenta, hidden parts
    included where they are known. Before a moving camera the first view is framed in blue and the
    last one in amber wherever they are in sight, and the way between their centres is magenta.
    """
    shown = coloured(clip, scale)
    masks = truth.masks[:, None] if truth.object_masks is None else truth.object_masks
    for n in range(masks.shape[1]):
        shown[_outline(masks[:, n].repeat(scale, axis=-2).repeat(scale, axis=-1))] = _MASK
    _draw_boxes(shown, truth.boxes * scale)
    return shown if truth.camera is None else _with_camera(shown, truth.camera, scale)


def told(truth: Truth) -> list[str]:
    """What a truth says of objects, camera and episode, a line each."""
    lines = [
        ", ".join(
            f"{identity}: {motion}"
            for identity, motion in zip(truth.identity, truth.motion, strict=False)
        )
    ]
    if truth.camera is not None:
        lines.append(_camera_words(truth.camera, truth.masks.shape[1:]))
    if truth.episode is not None:
        lines.append(_episode_words(truth.episode))
    return lines


def _outline(mask: Bool[np.ndarray, "T h w"]) -> Bool[np.ndarray, "T h w"]:
    inner = mask.copy()
    for axis in (1, 2):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis=axis)
    return mask & ~inner


def _draw_boxes(shown: UInt8[np.ndarray, "T h w 3"], boxes: Float[np.ndarray, "T O 4"]) -> None:
    height, width = shown.shape[1:3]
    for frame, corners in zip(shown, boxes, strict=True):
        for place, (top, left, bottom, right) in enumerate(np.rint(corners).astype(int)):
            # Half open in pixels of the clip: the lines lie on the outermost that are inside.
            top, left = max(0, top), max(0, left)
            bottom, right = min(height, bottom) - 1, min(width, right) - 1
            if top <= bottom and left <= right:
                colour = _BOXES[place % len(_BOXES)]
                frame[[top, bottom], left : right + 1] = colour
                frame[top : bottom + 1, [left, right]] = colour


def _with_camera(
    shown: UInt8[np.ndarray, "T h w 3"], camera: Float[np.ndarray, "T 2 3"], scale: int
) -> UInt8[np.ndarray, "T h w 3"]:
    from PIL import Image, ImageDraw

    height, width = (side / scale for side in shown.shape[1:3])
    # Half a shown pixel inside, so that a camera that holds still has its frame in sight.
    near, right, low = 0.5 / scale, width - 0.5 / scale, height - 0.5 / scale
    corners = np.array(
        [[near, near, 1], [right, near, 1], [right, low, 1], [near, low, 1], [near, near, 1]]
    )
    centres = camera @ [width / 2, height / 2, 1.0]
    frames = []
    for frame, view in zip(shown, camera, strict=True):
        image = Image.fromarray(frame)
        draw = ImageDraw.Draw(image)
        for points, colour in (
            (corners @ camera[0].T, _FIRST_VIEW),
            (corners @ camera[-1].T, _LAST_VIEW),
            (centres, _PATH),
        ):
            here = np.linalg.solve(view[:, :2], (points - view[:, 2]).T).T
            draw.line([(x * scale, y * scale) for x, y in here.tolist()], fill=colour)
        frames.append(np.asarray(image))
    return np.stack(frames)


def _camera_words(camera: Float[np.ndarray, "T 2 3"], size: tuple[int, ...]) -> str:
    """How the last view differs from the first, in its pixels."""
    height, width = size
    first, last = camera[0], camera[-1]
    middle = np.array([width / 2, height / 2, 1.0])
    x, y = np.linalg.solve(first[:, :2], (last - first) @ middle)
    wide, close = (np.hypot(view[0, 0], view[1, 0]) for view in (first, last))
    angles = [np.degrees(np.arctan2(view[1, 0], view[0, 0])) for view in (first, last)]
    roll = (angles[1] - angles[0] + 180.0) % 360.0 - 180.0
    moved = [
        f"{abs(amount):.1f} {unit} {ways[int(amount < 0)]}"
        for amount, unit, ways in (
            (x, "px", ("right", "left")),
            (y, "px", ("down", "up")),
            (roll, "degrees", ("clockwise", "counterclockwise")),
        )
        if abs(amount) >= _SEEN
    ]
    if abs(wide / close - 1.0) >= _SEEN / max(size):
        moved.append(f"zoomed {wide / close:.2f}-fold")
    return f"camera: {', '.join(moved) or 'at rest'}"


def _episode_words(episode: Episode) -> str:
    played = [_ACTIONS[action] for action in episode.actions.tolist() if action >= 0]
    runs = [(action, len(list(same))) for action, same in itertools.groupby(played)]
    said = ", ".join(action if n == 1 else f"{n} {action}" for action, n in runs)
    end = "mission fulfilled" if episode.fulfilled else "mission not fulfilled yet"
    return f"{episode.level}: {said or 'nothing done'}; {end}"
