"""A camera before photographs that no training showed: who pans, zooms and rolls as it is told?

Clips of 16 x 64 x 64 colour pixels, two seconds, under captions such as "slowly zoom in" or "pan to
the left, then tilt up". The first frame is given in every clip: the photograph is the user's, and
only what the camera does is asked. Photographs of training, validation and test are different ones
(`vidgen/data/camera_photographs.py`).

The generators are sized to 1.25 million parameters each (`vidgen.comparison.sizing.sized`), so that
the trained ones are small enough to come with vidgen: so far ``zoo:gan-camera`` and
``zoo:masked-camera``. Openings are never drawn here, so that their denoiser gets as good as nothing
of the budget. Codes and denoisers are of what motion compensation leaves of a clip (`residual`):
few codes, or a narrow network, cannot hold a photograph, and need not.

Expected: measured so far are two families, seed 0, two CPU cores, 256 prompts each: oracle success
of the gan 0.43 [0.37, 0.49], of masked 0.44 [0.38, 0.50]. By kind of script: one move, slow or
medium, 0.93 and 0.81 of 57, fast ones 0.20 and 0.00 of 25, two moves one after the other 0.29 and
0.37 of 171, which are most of the scripts; the other 3 hold still. Without `residual`, by as many
FLOPs, autoregressive had 0.01 [0.00, 0.03], like its tokenizer's ceiling, and diffusion 0.29 [0.24,
0.35].
"""

from vidgen.comparison import Budget, Experiment
from vidgen.generators.autoregressive import AutoregressiveConfig, CausalPriorConfig
from vidgen.generators.diffusion.config import DiffusionConfig
from vidgen.generators.gan.config import GanConfig
from vidgen.generators.masked import MaskedConfig, MaskedPriorConfig
from vidgen.generators.meanflow.config import MeanFlowConfig
from vidgen.motion import MotionConfig
from vidgen.tokenizers import TokenizerConfig
from vidgen.types import Task

experiment = Experiment(
    name="camera64",
    task=Task(frames=16, height=64, width=64, channels=3, context_frames=1, text_length=16),
    source="camera",
    options={"size": 64, "frames": 16},
    generators={
        "gan": GanConfig(
            content_width=20,
            feature_width=14,
            motion_width=80,
            discriminator_width=20,
            # As much for as many values as Huang et al. (2024) have for FFHQ at 256x256. The
            # default, found on digits, holds the clips' discriminator at nothing here.
            gamma=0.75,
            gamma_final=0.075,
            repair_weight=100.0,
        ),
        "autoregressive": AutoregressiveConfig(
            tokenizer=TokenizerConfig(widths=(24, 64)),
            prior=CausalPriorConfig(width=88, code_width=16, digit_width=32),
            motion=MotionConfig(width=100, features=16),
            residual=True,
        ),
        "masked": MaskedConfig(
            tokenizer=TokenizerConfig(widths=(24, 64)),
            prior=MaskedPriorConfig(width=88, code_width=16, digit_width=32),
            motion=MotionConfig(width=100, features=16),
            residual=True,
        ),
        "diffusion": DiffusionConfig(
            width=32,
            middle_width=64,
            motion=MotionConfig(width=92, features=16),
            opening_share=0.02,
            residual=True,
        ),
        "meanflow": MeanFlowConfig(
            width=32,
            middle_width=56,
            motion=MotionConfig(width=88, features=16),
            opening_share=0.02,
            residual=True,
        ),
        "copy-first-frame": None,
    },
    budget=Budget(5e13, "flops"),
    context_rate=1.0,
    prompts=256,
    metrics=("oracle", "pixel", "temporal"),
    # More than 1 exaggerates what motion compensation leaves: contrasts grow along a clip.
    sweeps={"diffusion": {"guidance": (1.0, 1.5)}},
)
