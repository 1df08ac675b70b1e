"""A camera before photographs that no training showed: who pans, zooms and rolls as it is told?

Clips of 16 x 64 x 64 colour pixels, two seconds, under captions such as "slowly zoom in" or "pan to
the left, then tilt up". The first frame is given in every clip: the photograph is the user's, and
only what the camera does is asked. Photographs of training, validation and test are different ones
(`vidgen/data/camera_photographs.py`).

Expected: not measured yet.
"""

from vidgen.comparison import Budget, Experiment
from vidgen.types import Task

experiment = Experiment(
    name="camera64",
    task=Task(frames=16, height=64, width=64, channels=3, context_frames=1, text_length=16),
    source="camera",
    options={"size": 64, "frames": 16},
    generators={
        "gan": None,
        "autoregressive": None,
        "masked": None,
        "diffusion": None,
        "meanflow": None,
        "copy-first-frame": None,
    },
    budget=Budget(1e14, "flops"),
    context_rate=1.0,
    prompts=256,
    metrics=("oracle", "pixel", "temporal"),
)
