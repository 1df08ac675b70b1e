"""Three families on real handwriting in minutes: which one moves a digit as it is told?

Clips of 8 x 32 x 32 grey pixels, captions such as "the digit 3 is moving up and left", the first
frame given in half of the clips. 150 seconds of training a family on two CPU cores.

Expected: held-out real clips pass the oracle, still pictures and wrong captions never do. Seed 0,
on two slow cores, by `vidgen compare quick` (oracle success from a sentence / from a sentence and a
frame, 256 prompts): gan 0.19 / 0.68, autoregressive 0.40 / 0.54, diffusion 0.60 / 0.70; by majority
0.38 / 0.79, 0.64 / 0.80 and 0.74 / 0.92. Seconds buy what the machine gives: where they paid for up
to twice the steps, the gan came to between 0.31 / 0.75 and 0.91 / 0.80, the others to 0.57 / 0.75
and 0.60 / 0.82 or so, see the README.
"""

from vidgen.comparison import Budget, Experiment
from vidgen.types import Task

experiment = Experiment(
    name="quick",
    task=Task(frames=8, height=32, width=32, channels=1, context_frames=1),
    source="digits",
    options={"motion": "diagonal"},
    generators={
        "gan": None,
        "autoregressive": None,
        "diffusion": None,
        "copy-first-frame": None,
        "frozen-prior": None,
    },
    budget=Budget(150, "seconds"),
    prompts=256,
    metrics=("oracle", "pixel", "in-domain", "temporal"),
)
