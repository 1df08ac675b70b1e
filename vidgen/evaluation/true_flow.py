"""Optical flow as a simulated source knows it, by which estimates of it are measured."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from vidgen.types import Truth


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrueFlow:
    """Where each pixel of a frame lies in the next one.

    Attributes:
        flow: float64 [T-1 H W 2], pixels to the right and down.
        moving: bool [T-1 H W], pixels of things that move, or of all that a camera sees.
        stays: bool [T-1 H W], pixels whose place in the next frame is within it and not covered by
            a thing in front.
    """

    flow: Float[np.ndarray, "T_1 H W 2"]
    moving: Bool[np.ndarray, "T_1 H W"]
    stays: Bool[np.ndarray, "T_1 H W"]


def true_flow(truth: Truth, height: int, width: int) -> TrueFlow:
    """The flow of a clip whose objects move before a ground that stands still, or whose camera
    moves.

    Args:
        truth: of the clip, with a mask of each object, the one in front last, or with a camera.
        height: H, pixels.
        width: W, pixels.

    Raises:
        ValueError: if the truth has neither.
    """
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    if truth.camera is not None:
        return _of_camera(truth.camera, rows, columns)
    if truth.object_masks is None:
        raise ValueError("the flow of a clip is known from its camera, or a mask of each object")
    return _of_objects(truth.object_masks, truth.boxes, rows, columns)


def end_point_error(
    found: Float[np.ndarray, "T_1 H W 2"], true: Float[np.ndarray, "T_1 H W 2"]
) -> Float[np.ndarray, "T_1 H W"]:
    """Pixels between where a flow and the true one arrive.

    References: Baker et al., "A database and evaluation methodology for optical flow" (2011).
    """
    return np.linalg.norm(found - true, axis=-1)


def _of_camera(camera: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> TrueFlow:
    last = np.broadcast_to([0.0, 0.0, 1.0], (len(camera), 1, 3))
    maps = np.concatenate([camera, last], axis=1)  # of each frame, to the scene
    # Points are counted from the corner of the first pixel, whose centre is half a pixel in.
    points = np.stack([columns + 0.5, rows + 0.5, np.ones_like(rows)])
    onwards = np.linalg.inv(maps[1:]) @ maps[:-1]
    there = np.einsum("tij,jhw->tihw", onwards, points)[:, :2]
    flow = (there - points[None, :2]).transpose(0, 2, 3, 1)
    return TrueFlow(
        flow=flow, moving=np.ones(flow.shape[:3], bool), stays=_inside(flow, rows, columns)
    )


def _of_objects(
    masks: np.ndarray, boxes: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> TrueFlow:
    moves = np.diff(boxes.astype(np.float64), axis=0)[..., [1, 0]]  # (right, down) of the corner
    flow = np.zeros((len(moves), *rows.shape, 2))
    front = np.full((len(masks), *rows.shape), -1)
    for n in range(masks.shape[1]):
        front[masks[:, n]] = n
        seen = masks[:-1, n]
        flow[seen] = np.broadcast_to(moves[:, n, None, None], flow.shape)[seen]
    x = np.clip(np.rint(columns + flow[..., 0]).astype(int), 0, rows.shape[1] - 1)
    y = np.clip(np.rint(rows + flow[..., 1]).astype(int), 0, rows.shape[0] - 1)
    after = front[np.arange(1, len(front))[:, None, None], y, x]
    return TrueFlow(
        flow=flow,
        moving=front[:-1] >= 0,
        stays=_inside(flow, rows, columns) & (after <= front[:-1]),
    )


def _inside(flow: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return (x >= 0) & (x <= rows.shape[1] - 1) & (y >= 0) & (y <= rows.shape[0] - 1)
