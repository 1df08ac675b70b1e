"""The question of `quick` at a length that can be cited: three seeds and three budgets.

The same clips, captions and families; 20 minutes of training a family and seed, and trainings at a
tenth and at three tenths of that, so that quality is drawn against the budget. About eleven hours
on two CPU cores; `--budget`, `--seeds` and `--set curve=` shorten it. MNIST in place of the
handwriting that ships with scikit-learn: `--set options.handwriting=FOLDER`, a folder with MNIST's
four IDX files.

Expected: the order of `quick` at higher scores, with t intervals over the seeds; not measured yet,
and the eleven hours are budget times trainings.
"""

from vidgen.comparison import Budget, Experiment
from vidgen.types import Task

experiment = Experiment(
    name="digits32",
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
    budget=Budget(1200, "seconds"),
    seeds=(0, 1, 2),
    curve=(0.1, 0.3),
    prompts=512,
    metrics=("oracle", "pixel", "in-domain", "temporal"),
)
