"""Photographs that no model has seen, twenty ideas, every family: does the camera do as asked?

    python experiments/photograph.py

Each idea goes the way of a visitor: it is read by `vidgen.app.ideas`, the photograph is cut to the
frame, and each family draws a clip of 2 s, the length of training, and of 3 s. The oracle of the
source `camera` then asks whether the clip shows what the idea means to a person, so that an idea
that was not understood, or as another one, fails in every family. Some ideas are sentences of
training, some free wording; how many of what strangers write is understood, `benchmarks/ideas.py`
says. The photographs are those of the test part (`vidgen/data/camera_photographs.py`). Beside the
families stands the photograph itself, standing still: it does what "hold still" asks. Success,
motion alone, and scene with sharpness alone with 95% intervals over ideas (Wilson's, clustered,
since the photographs share the ideas), which say nothing of other photographs. Written are a JSON,
with the share of each idea and of each photograph, and for each photograph and family a sheet with
a row an idea.

Expected: with the defaults, 60 clips a line, none misread::

    generator       length  success            motion             picture
    autoregressive  2       0.73 [0.55, 0.86]  0.75 [0.56, 0.87]  0.85 [0.71, 0.93]
    diffusion       2       0.50 [0.31, 0.69]  0.55 [0.36, 0.72]  0.80 [0.65, 0.90]
    gan             2       0.90 [0.73, 0.97]  0.92 [0.75, 0.98]  0.98 [0.91, 1.00]
    masked          2       0.58 [0.40, 0.74]  0.63 [0.46, 0.78]  0.83 [0.68, 0.92]
    meanflow        2       0.47 [0.31, 0.63]  0.48 [0.32, 0.65]  0.73 [0.61, 0.83]
    standing still  2       0.05 [0.01, 0.24]  0.05 [0.01, 0.24]  1.00 [0.84, 1.00]
    autoregressive  3       0.72 [0.56, 0.84]  0.80 [0.61, 0.91]  0.78 [0.66, 0.87]
    diffusion       3       0.52 [0.33, 0.70]  0.60 [0.41, 0.77]  0.72 [0.57, 0.83]
    gan             3       0.82 [0.66, 0.91]  0.90 [0.74, 0.97]  0.92 [0.82, 0.96]
    masked          3       0.67 [0.49, 0.81]  0.75 [0.56, 0.87]  0.80 [0.66, 0.89]
    meanflow        3       0.52 [0.36, 0.67]  0.57 [0.40, 0.72]  0.70 [0.57, 0.80]
    standing still  3       0.05 [0.01, 0.24]  0.05 [0.01, 0.24]  1.00 [0.84, 1.00]

Of the 18 clips a length that are asked to be slow 0.83 to 1.00 are right, by every family; of the
12 that are to be fast the gan's 0.83 and 0.67, autoregressive's 0.17, and 0.00 to 0.08 of the
others'.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import UInt8

from vidgen.app.ideas import UnknownIdeaError
from vidgen.app.photo import photo
from vidgen.app.studio import Animation, Studio
from vidgen.atomic import replacing
from vidgen.comparison import video
from vidgen.comparison.sheet import SheetRow, chosen, selection, sheet
from vidgen.data import camera_photographs
from vidgen.data.camera_motion import camera_path, scripts
from vidgen.evaluation import CameraVerdicts, ClipSet, TruthSet, examine_camera
from vidgen.evaluation.statistics import rate

SCHEMA_VERSION = 1

IDEAS: Mapping[str, str] = {
    "slowly zoom in": "slow zoom in",
    "come closer": "medium zoom in",
    "zoom in really fast": "fast zoom in",
    "pull back slowly": "slow zoom out",
    "zoom out": "medium zoom out",
    "back away quickly": "fast zoom out",
    "drift slowly to the left": "slow pan left",
    "look to the left": "medium pan left",
    "pan right": "medium pan right",
    "whip to the right, fast": "fast pan right",
    "tilt up slowly, please": "slow tilt up",
    "look up": "medium tilt up",
    "tilt down": "medium tilt down",
    "quickly look down": "fast tilt down",
    "roll the camera clockwise": "medium roll clockwise",
    "slowly rotate counterclockwise": "slow roll counterclockwise",
    "hold still": "hold still",
    "zoom in, then pan right": "zoom in then pan right",
    "look up, then turn clockwise": "tilt up then roll clockwise",
    "慢慢推近": "slow zoom in",
}
"""What is asked, and the script of the source `camera` that a person means by it."""

STILL = "standing still"
"""The photograph itself, for as long."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who moves what.

    Attributes:
        models: model files or ``zoo:NAME``; by default all of the zoo's that learned from `camera`.
        photographs: files; by default those of the test part.
        seconds: lengths of the clips.
        seed: of the draws.
        fit: a name in `vidgen.app.photo.FITS`.
        folder: where the JSON and the sheets go.
    """

    models: tuple[str, ...] = ()
    photographs: tuple[Path, ...] = ()
    seconds: tuple[float | int, ...] = (2.0, 3.0)
    seed: int = 0
    fit: str = "crop"
    folder: Path = Path("photograph")


def main(settings: Settings) -> int:
    """Ask, draw, judge, print and write."""
    studio = Studio(settings.models)
    if len({card.task.video_shape[1:] for card in studio.cards.values()}) > 1:
        raise ValueError("the families draw frames of different sizes: ask them one by one")
    paths = settings.photographs
    if not paths:
        held_out = camera_photographs.photographs(camera_photographs.SHIPPED)["test"]
        paths = tuple(photograph.path for photograph in held_out)
    if len({path.stem for path in paths}) < len(paths):
        raise ValueError("two photographs have the same name: their sheets would, too")
    settings.folder.mkdir(parents=True, exist_ok=True)
    rows, misread = [], _misread(studio)
    task = next(iter(studio.cards.values())).task
    shown = {path: photo(path, task, settings.fit) for path in paths}
    for seconds in settings.seconds:
        made = {
            path: [_animation(studio, path, idea, seconds, settings) for idea in IDEAS]
            for path in paths
        }
        for name in (*studio.generators, STILL):
            found = {
                path: _examined(
                    made[path], name, shown[path].restored(shown[path].frame), task.fps, seconds
                )
                for path in paths
            }
            for path, (clips, verdicts) in found.items():
                _sheet(settings.folder, path, name, seconds, clips, verdicts)
            rows.append(
                {"generator": name, "seconds": seconds, "clips": len(IDEAS) * len(paths)}
                | _line([verdicts for _, verdicts in found.values()], misread)
                | {"seconds a clip": _pace(made, name)}
            )
            print(f"{name}, {seconds:g} s: judged", file=sys.stderr)
            _write(settings, [path.name for path in paths], misread, rows)
    print(table(rows, misread))
    return 0


def _write(
    settings: Settings,
    photographs: list[str],
    misread: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    told = dataclasses.asdict(settings) | {"photographs": photographs}
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": told | {"folder": settings.folder.name},
        "misread": misread,
        "rows": rows,
    }
    with replacing(settings.folder / "photograph.json") as partial:
        partial.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _misread(studio: Studio) -> dict[str, str]:
    """The ideas that are not understood as they were meant, and as what."""
    means = {
        c: script.name for script in scripts(two_part=True).values() for c in script.captions()
    }
    found = {}
    for idea, meaning in IDEAS.items():
        try:
            read = means[studio.ideas.understand(idea).sentence]
        except UnknownIdeaError:
            read = ""
        if read != meaning:
            found[idea] = read
    return found


def _animation(
    studio: Studio, path: Path, idea: str, seconds: float | int, settings: Settings
) -> Animation | None:
    """None for an idea that is refused."""
    how: dict[str, Any] = {"seconds": seconds, "seed": settings.seed, "fit": settings.fit}
    try:
        return studio.animate(path, idea, **how)
    except UnknownIdeaError:
        return None


def _examined(
    made: Sequence[Animation | None],
    name: str,
    photograph: UInt8[np.ndarray, "H W C"],
    fps: int,
    seconds: float | int,
) -> tuple[ClipSet, CameraVerdicts]:
    """What a family answered to all ideas before one photograph, and what the oracle saw."""
    still = np.repeat(photograph[None], round(seconds * fps), axis=0)
    shown = [still if name == STILL else _clip(animation, name) for animation in made]
    shape = still.shape
    frames, height, width = shape[:3]
    found = scripts(two_part=True)
    paths = [
        camera_path(found[meaning].steps(frames=frames, fps=fps), height, width)
        for meaning in IDEAS.values()
    ]
    truth = TruthSet(
        identity=(("photograph",),) * len(IDEAS),
        motion=tuple((meaning,) for meaning in IDEAS.values()),
        boxes=np.zeros((len(IDEAS), frames, 0, 4), np.float32),
        camera=np.stack(paths),
    )
    prompts = ClipSet(
        video=np.broadcast_to(photograph, (len(IDEAS), *shape)).copy(),
        captions=tuple(IDEAS),
        context_frames=1,
        context_mask=np.ones(len(IDEAS), bool),
        keys=np.zeros(len(IDEAS), np.uint32),
        truth=truth,
        source="camera/test",
        fps=fps,
    )
    grey = np.full(shape, 128, np.uint8)
    clips = dataclasses.replace(
        prompts,
        video=np.stack([grey if clip is None else clip for clip in shown]),
        failed=np.array([clip is None for clip in shown]),
    )
    return clips, examine_camera(clips, prompts)


def _clip(animation: Animation | None, name: str) -> UInt8[np.ndarray, "T H W C"] | None:
    if animation is None:
        return None
    return next(one.clip for one in animation.clips if one.generator == name)


def _line(verdicts: Sequence[CameraVerdicts], misread: Mapping[str, str]) -> dict[str, Any]:
    """Shares of clips with their intervals; an idea that was read wrongly can be right by chance,
    and counts as the oracle says."""
    understood = np.array([idea not in misread for idea in IDEAS])
    success = np.stack([v.success for v in verdicts])
    parts = {
        "success": success.mean(axis=0),
        "of those understood": success[:, understood].mean(axis=0),
        "motion": np.stack([v.motion_right for v in verdicts]).mean(axis=0),
        "picture": np.stack([v.same_scene & v.sharp for v in verdicts]).mean(axis=0),
    }
    counts = {name: len(verdicts) * len(shares) for name, shares in parts.items()}
    return {
        name: rate(shares, observations=counts[name]).interval(4) for name, shares in parts.items()
    } | {
        "ideas": {idea: float(share) for idea, share in zip(IDEAS, parts["success"], strict=True)},
        "photographs": success.mean(axis=1).tolist(),
    }


def _pace(made: Mapping[Path, Sequence[Animation | None]], name: str) -> float | None:
    """The median of what drawing took where nothing was compiled."""
    took = [
        one.seconds
        for animations in made.values()
        for animation in animations
        if animation is not None
        for one in animation.clips
        if one.generator == name and one.clip is not None and not one.is_first
    ]
    return round(float(np.median(took)), 3) if took else None


def _sheet(
    folder: Path,
    path: Path,
    name: str,
    seconds: float | int,
    clips: ClipSet,
    verdicts: CameraVerdicts,
) -> None:
    frames = chosen(clips.video.shape[1])
    rows = [
        SheetRow(
            title=f"{meaning}: {'as asked' if ok else 'not as asked'}",
            frames=None if failed else clip[frames],
            notes=("not drawn",) if failed else (),
        )
        for meaning, clip, ok, failed in zip(
            IDEAS.values(), clips.video, verdicts.success, clips.failed, strict=True
        )
    ]
    told = f"{name}, {path.stem}, {seconds:g} s{selection(clips.video.shape[1])}"
    with replacing(folder / f"{path.stem}-{name.replace(' ', '-')}-{seconds:g}s.png") as partial:
        partial.write_bytes(video.png(sheet(told, rows)))


def table(rows: Sequence[Mapping[str, Any]], misread: Mapping[str, str]) -> str:
    """The rows as text, and what was misread."""
    columns = ("success", "of those understood", "motion", "picture")
    head = f"{'generator':<16}{'length':<8}" + "".join(f"{c:<21}" for c in columns) + "a clip"
    lines = [head]
    for row in rows:
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*row[column]) for column in columns]
        pace = "" if row["seconds a clip"] is None else f"{row['seconds a clip']:.2f} s"
        lines.append(
            f"{row['generator']:<16}{row['seconds']:<8g}"
            + "".join(f"{cell:<21}" for cell in cells)
            + pace
        )
    read = [f"{idea!r}: {as_what or 'refused'}" for idea, as_what in misread.items()]
    lines.append(f"{rows[0]['clips']} clips a line; ideas misread: {', '.join(read) or 'none'}")
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
