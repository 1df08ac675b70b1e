"""Protocols by which the literature evaluates video generation, as data.

A number is comparable with a published one only if clips are cut, counted and conditioned alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class LiteratureProtocol:
    """How one benchmark is run.

    Attributes:
        name: of the protocol.
        source: whose clips, for `vidgen.data.source`. Kinetics-600 is not in TFDS: its videos lie
            in a folder of yours.
        train_split: what is learned from.
        real_split: what the real clips are taken from.
        options: of the source, for the real clips: frames, size, windows and view.
        context_frames: that are given.
        recordings: in `real_split`; None where the copies that are still to be had differ.
        real_clips: that the samples are compared with, in all.
        samples: that are drawn, in all; each asks for the context of one real clip, or for a class.
        repeats: how often this is done, to give a mean and a standard deviation.
        references: where it stands, and what to mind.
    """

    name: str
    source: str
    train_split: str
    real_split: str
    options: Mapping[str, Any]
    context_frames: int
    recordings: int | None
    real_clips: int | None
    samples: int
    repeats: int
    references: str


# The camera at the side. Published numbers on image_main, from above, are not comparable (MAGVIT,
# appendix C, on Video Diffusion's).
_BAIR = {"frames": 16, "size": 64, "view": "image_aux1"}
_MAGVIT = 'Yu et al., "MAGVIT: masked generative video transformer" (2023), appendix B.3'

PROTOCOLS: Mapping[str, LiteratureProtocol] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (
            LiteratureProtocol(
                name="bair-1-15",
                source="tfds:bair_robot_pushing_small",
                train_split="train",
                real_split="test",
                options=MappingProxyType({**_BAIR, "window": "first"}),
                context_frames=1,
                recordings=256,
                real_clips=256,
                samples=256 * 100,
                repeats=4,
                references="The first 16 frames of each of 256 videos, a hundred samples from "
                "each first frame. Unterthiner et al., "
                '"Towards accurate generative models of video" (2018); Babaeizadeh et al., '
                f'"FitVid" (2021); {_MAGVIT}, "standard".',
            ),
            LiteratureProtocol(
                name="bair-1-15-debiased",
                source="tfds:bair_robot_pushing_small",
                train_split="train",
                real_split="test",
                options=MappingProxyType({**_BAIR, "window": "uniform", "windows": 15}),
                context_frames=1,
                recordings=256,
                real_clips=256 * 15,
                samples=256 * 100,
                repeats=4,
                references="All 15 windows of 16 frames of each of 256 videos of 30 frames as the "
                f'real clips, since 256 bias the distance. {_MAGVIT}, "debiased FVD on BAIR".',
            ),
            LiteratureProtocol(
                name="ucf101-16",
                source="tfds:ucf101/ucf101_1",
                train_split="train",
                real_split="train",
                options=MappingProxyType(
                    # Two a recording, of which 10,000 are drawn without replacement.
                    {"frames": 16, "size": 128, "window": "random", "windows": 2}
                ),
                context_frames=0,
                recordings=9_537,
                real_clips=10_000,
                samples=10_000,
                repeats=4,
                references="Class-conditional; the real clips are random windows of the training "
                "videos of split 1. MAGVIT draws the place of the crop too; here it is the centre. "
                'Ge et al., "Long video generation with time-agnostic VQGAN '
                f'and time-sensitive transformer" (TATS, 2022); {_MAGVIT}.',
            ),
            LiteratureProtocol(
                name="kinetics600-5-11",
                source="folder:PATH",
                train_split="train",
                real_split="validation",
                options=MappingProxyType(
                    {
                        "frames": 16,
                        "size": 64,
                        "fps": 25,
                        "window": "uniform",
                        "windows": 2,
                        "crops": 3,
                    }
                ),
                context_frames=5,
                recordings=None,
                real_clips=None,
                samples=50_000,
                repeats=4,
                references="Eleven frames after five; the real clips are two windows and three "
                "crops of each of some 29,000 evaluation videos, whose number shrinks as videos "
                "vanish. Frames follow each other as recorded, which 25 a second comes near. "
                'Carreira et al., "A short note about Kinetics-600" (2018); Clark et al., '
                f'"Adversarial video generation on complex datasets" (2019); {_MAGVIT}.',
            ),
        )
    }
)
"""By name."""
