"""BabyAI: a mission in words, the room as it begins, and the clip in which it is carried out.

Data: missions of Chevalier-Boisvert et al., "BabyAI: a platform to study the sample efficiency of
grounded language learning" (2019), such as "go to the blue key", played by MiniGrid's own expert in
one room of 8 x 8 cells: 16 frames of 64 x 64 RGB pixels. `vidgen[babyai]` (MiniGrid, Apache-2.0)
plays them as they are asked for; nothing is downloaded. So that no GPU need wait for it, have all
of them played once and kept in files:

    vidgen data check babyai --set cache=FOLDER --most 65536
    vidgen compare babyai --set options.cache=FOLDER

Harder missions on the same canvas, of up to 10 words: `--set
options.levels=BabyAI-GoToLocal-v0,BabyAI-PickupLoc-v0,BabyAI-PutNextLocal-v0`.

Splits: an episode is of train, validation or test by a hash of how it begins (70, 15 and 15%), so
that no beginning is in two of them. Half of the prompts give the first frame beside the mission;
half give the mission alone, for which any room will do. The oracle reads the grid of every frame
and asks whether each step was legal and the mission is fulfilled.

Two hours of training a family and seed, trainings at a tenth and at three tenths of that, one on as
many FLOPs and one with as many parameters as in `digits64`: 3.4 trainings, 34 GPU hours a seed, and
170 for the five.

What its phases take is computed by `vidgen compare babyai --estimate 1e14`, which says of memory,
beside at most 0.6 GiB of state: 45 GiB of work for the prior of autoregressive, 40 for that of
masked, 30 for the denoisers, 10 for their openings, 7 for tokenizers and 5 for gan.

Expected: not measured yet.
"""

from vidgen.comparison import Budget, Experiment
from vidgen.comparison.catalogue import find
from vidgen.types import Task

DIGITS = find("digits64")

experiment = Experiment(
    name="babyai",
    task=Task(frames=16, height=64, width=64, channels=3, context_frames=1),
    source="babyai",
    options={"levels": "BabyAI-GoToLocal-v0", "frames": 16, "tile": 8},
    # A code stands for 8 x 8 pixels, and so does a cell of the room.
    generators=DIGITS.generators,
    budget=Budget(7200, "seconds"),
    seeds=(0, 1, 2, 3, 4),
    curve=(0.1, 0.3),
    equal_flops=DIGITS.equal_flops,
    equal_parameters=DIGITS.equal_parameters,
    precision=DIGITS.precision,
    prompts=1024,
    answer_batch=128,
    answers=4,
    sweeps=DIGITS.sweeps,
    metrics=("oracle", "pixel", "in-domain", "i3d"),
    in_domain=DIGITS.in_domain,
)
