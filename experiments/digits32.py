"""The question of `quick` at a length that can be cited: three seeds and three budgets.

The same clips and captions, the same families and their fast forms; 20 minutes of training a family
and seed, and trainings at a quarter and at half of that, so that quality is drawn against the
budget; one more training without half of the combinations of digit and motion, which is then asked
for those; one more on 1e14 FLOPs, and one more with every family sized to 2.5 million parameters.
Drift is measured in clips four times as long as those of training, too, and prompts with a first
frame are answered four times, for PSNR and SSIM at their mean and at their best.

Fourteen hours of training on two CPU cores for budgets and combinations, five more for equal
parameters, and about four and a half for equal FLOPs, since 150 s of `quick` paid for 1.2e13
(diffusion) to 1.8e13 (gan); `--budget`, `--seeds` and `--set curve= compositional=false
equal_flops=none equal_parameters=none` shorten it. Guidance, temperature, truncation and steps are
chosen on validation prompts. MNIST in place of the handwriting that ships with scikit-learn: `--set
options.handwriting=FOLDER`, a folder with MNIST's four IDX files.

Expected: higher scores than those of `quick`, with t intervals over the seeds. Measured so far are
six seeds at 2.5e13 FLOPs, one along three budgets up to that, without half of the combinations and
at equal parameters, and one at 1e14 FLOPs, see the README and `experiments/results`; the hours are
budget times trainings. On 2.5e13 FLOPs, generators of 1.25 million parameters (seed 0, 256 prompts
each; `vidgen list zoo` has the commands)::

    generator                           success, text      success, text + frame
    autoregressive, residual            0.94 [0.90, 0.96]  0.98 [0.96, 0.99]
    gan, repair_weight=100              0.94 [0.91, 0.96]  0.92 [0.88, 0.95]
    masked, residual, 16 passes         0.65 [0.59, 0.70]  0.96 [0.93, 0.98]
    diffusion                           0.95 [0.92, 0.97]  0.98 [0.96, 0.99]
    meanflow, 4 steps                   0.79 [0.74, 0.84]  0.98 [0.96, 0.99]

and at the default widths, by `--generators autoregressive --seeds 0 --budget 2.5e13flops` and
`--set curve= compositional=false equal_flops=none equal_parameters=none horizon=1 answers=1`::

    autoregressive                      0.95 [0.92, 0.97]  0.82 [0.77, 0.87]
    autoregressive, residual            0.84 [0.79, 0.88]  0.89 [0.84, 0.92]
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
        "masked": None,
        "diffusion": None,
        "meanflow": None,
        "copy-first-frame": None,
        "frozen-prior": None,
    },
    budget=Budget(1200, "seconds"),
    seeds=(0, 1, 2),
    curve=(0.25, 0.5),
    prompts=512,
    compositional=True,
    equal_flops=1e14,
    equal_parameters=2_500_000,
    horizon=4,
    answers=4,
    sweeps={
        "gan": {"content_truncation": (0.7, 1.0)},
        "autoregressive": {"temperature": (0.15, 0.3, 0.6, 1.0)},
        "masked": {"steps": (8, 16)},
        "diffusion": {"guidance": (1.5, 3.0, 5.0)},
        "meanflow": {"steps": (1, 2, 4)},
    },
    metrics=("oracle", "pixel", "in-domain", "temporal"),
)
