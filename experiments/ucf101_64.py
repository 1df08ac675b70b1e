"""UCF101 at 64x64: sixteen frames of one of 101 actions, asked for by its name, on one modern GPU.

Data: Soomro, Zamir & Shah, "UCF101: a dataset of 101 human actions classes from videos in the wild"
(2012), split 1: 9,537 recordings for training and 3,783 for testing. A caption is the class in
words, "apply eye makeup"; no frame is given. They are read through TFDS (`vidgen[tfds]`), which
fetches 7 GB once and cuts them into frames with the program ffmpeg:

    tfds build ucf101/ucf101_1 --file_format=array_record
    vidgen data check tfds:ucf101/ucf101_1

The clips are cut from videos of YouTube, to which their makers hold the rights: for research.

Protocol: 16 frames as recorded, one window of each of 2,048 test recordings. Training takes eight
windows of a recording, of nine tenths of the training part, and the last tenth is for validation,
all at random places. UCF101's own splits keep the recordings of one scene together, and the cut for
validation does not: what validation says is too good, and what the test says is not.

Beside published numbers: those at 64x64 without captions (Ho et al., "Video diffusion models",
2022) and at 128x128 with them (ucf101-16 in `vidgen/data/literature.py`) compare 10,000 samples
with clips of the training part. Here 2,048 are compared with recordings that no generator saw, so
that FVD is larger. Inception score and FID want the weights of C3D and Inception-v3, see `vidgen
doctor`.

Two hours of training a family and seed, trainings at a tenth and at three tenths of that, one on as
many FLOPs and one with as many parameters as in `digits64`: 3.4 trainings, 34 GPU hours a seed, and
170 for the five.

What its phases take is computed by `vidgen compare ucf101_64 --estimate 1e14`, which says of
memory, beside at most 0.6 GiB of state: 41 GiB of work for the prior of autoregressive, 36 for that
of masked, 30 for the denoisers, 10 for their openings, 7 for tokenizers and 5 for gan.

Expected: not measured yet.
"""

import dataclasses

from vidgen.comparison import Budget, Experiment
from vidgen.comparison.catalogue import find
from vidgen.data import PROTOCOLS
from vidgen.types import Task

BAIR, DIGITS = find("bair64"), find("digits64")


def _for_recordings(name: str) -> object:
    """The config of `digits64`, whose openings are drawn too, with BAIR's tokenizer of codes."""
    config = DIGITS.generators[name]
    if name not in ("autoregressive", "masked"):
        return config
    return dataclasses.replace(config, tokenizer=BAIR.generators[name].tokenizer)


experiment = Experiment(
    name="ucf101_64",
    task=Task(frames=16, height=64, width=64, channels=3, context_frames=0),
    source=PROTOCOLS["ucf101-16"].source,
    options={"frames": 16, "size": 64, "window": "random"},
    train_options={"windows": 8},
    # A hundred and one captions that never change.
    text="words",
    generators={
        name: _for_recordings(name) for name in DIGITS.generators if name != "copy-first-frame"
    },
    budget=Budget(7200, "seconds"),
    seeds=(0, 1, 2, 3, 4),
    curve=(0.1, 0.3),
    equal_flops=DIGITS.equal_flops,
    equal_parameters=DIGITS.equal_parameters,
    precision=BAIR.precision,
    prompts=2048,
    answer_batch=128,
    sweeps={
        "gan": {"content_truncation": (0.7, 1.0)},
        "autoregressive": {"temperature": (0.6, 0.8, 1.0)},
        "masked": {"temperature": (0.6, 1.0), "steps": (8, 16)},
        "diffusion": {"guidance": (1.5, 3.0, 5.0)},
        "meanflow": {"steps": (1, 2, 4)},
    },
    metrics=("in-domain", "temporal", "i3d", "fid", "inception-score"),
    in_domain=find("digits64").in_domain,
)
