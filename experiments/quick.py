"""Three families on real handwriting in minutes: which one moves a digit as it is told?

Clips of 8 x 32 x 32 grey pixels, captions such as "the digit 3 is moving up and left", the first
frame given in half of the clips. 150 seconds of training a family on two CPU cores.

Expected (256 prompts, 95% intervals): every family lies above every chance anchor on
`oracle_success` with the intervals apart, the GAN at least on `oracle_success_majority`.
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
)
