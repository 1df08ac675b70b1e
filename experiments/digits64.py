"""Moving MNIST with captions at 64x64, the protocol of MAGE, on one modern GPU.

Clips of 16 x 64 x 64 grey pixels under captions such as "the digit 5 is moving up then down .",
after Single Moving MNIST of Hu, Luo & Chen, "Make it move" (2022): digits of 28 px, moved by 3.6 px
a frame, turn at the border. `vidgen/data/digits.py` says what is MAGE's to the letter and what is
not; 16 of its 20 frames are asked for, which divide by the strides of every family. Half of the
prompts give the first frame beside the sentence, MAGE's own task, and half the sentence alone. Two
digits a clip, Double Moving MNIST: `--set options.motion=mage-double`.

Handwriting: scikit-learn's 1,797 digits by default, for which nothing is downloaded. Beside
published numbers take MNIST (LeCun, Cortes & Burges; CC BY-SA 3.0), 70,000 digits: `--set
options.handwriting=FOLDER`, a folder with its four IDX files, or `options.handwriting=tfds:mnist`.

Splits: MAGE holds out combinations of digit and axis, so that no caption of its test was trained
on. That is the compositional part here (`vidgen/data/splits.py` holds out half of the pairs of
digit and motion by a fixed rule). Beside it every generator is trained on all pairs and judged on
handwriting that it never saw. MAGE reports SSIM, PSNR and FVD: groups `pixel` and `i3d`. Whether a
clip does what its caption says is the oracle's to judge.

Two hours of training a family and seed, trainings at a tenth and at three tenths of that, one
without the held-out pairs, one on 7e17 FLOPs (about two hours at 1e14 FLOP/s) and one with every
family sized to 32 million parameters: 4.4 trainings, 44 GPU hours a seed, 220 for the five seeds
from which on a verdict rests on tests. `--budget`, `--seeds`, and `--set curve= compositional=false
equal_flops=none equal_parameters=none` shorten it.

Computed, not measured, by `vidgen compare digits64 --estimate 1e14` for the longest phases: at 1e14
FLOP/s, and with the working memory of
`vidgen/training/memory.py`. Whatever is no product takes its time besides.

=========================  ==========  ============  ============  ========  ==============  =======
phase                      parameters  clips a step  TFLOP a step     state  working memory    steps
=========================  ==========  ============  ============  ========  ==============  =======
gan, adversarial                48.7M           128           2.4  0.59 GiB         5.1 GiB  301,704
autoregressive, tokenizer        7.8M            64           1.9  0.09 GiB         6.7 GiB   76,435
autoregressive, prior           42.0M            96           8.7  0.53 GiB        45.5 GiB   61,882
masked, prior                   43.3M            96           8.9  0.54 GiB        40.5 GiB   60,668
diffusion, opening              30.4M           256           3.2  0.34 GiB         9.9 GiB   78,094
diffusion, denoiser             31.2M            64           8.0  0.37 GiB          30 GiB   54,298
meanflow, denoiser              31.2M            64          13.2  0.49 GiB          30 GiB   16,413
=========================  ==========  ============  ============  ========  ==============  =======

Measured on one H200 with JAX 0.11.2, while six families compiled at once on its 16 cores, as
`benchmarks/throughput.py --experiment digits64 --at-once 6` does: products of TensorFloat-32 at 354
TFLOP/s at best, of bfloat16 at 673; the tokenizer 20.8 ms a step (quartiles 20.7 and 21.2), 90
TFLOP/s, which is 25% of that peak, in 3.6 GiB; motion compensation 4.8 ms (4.7 and 5.0), 10
TFLOP/s, 1.0 GiB. A step took 50 to 65 s to compile. The other phases were not reached.

Expected: not measured yet.
"""

import dataclasses

from vidgen.comparison import Budget, Experiment
from vidgen.comparison.catalogue import find
from vidgen.evaluation import InDomainConfig
from vidgen.generators.autoregressive import AutoregressiveConfig, CausalPriorConfig
from vidgen.generators.diffusion.config import DiffusionConfig
from vidgen.generators.gan.config import GanConfig
from vidgen.generators.masked import MaskedConfig, MaskedPriorConfig
from vidgen.generators.meanflow.config import MeanFlowConfig
from vidgen.motion import MotionConfig
from vidgen.nn import FSQ
from vidgen.optim import Optimizer
from vidgen.tokenizers import TokenizerConfig
from vidgen.types import Task


def _paced(optimizer: Optimizer, rate: float, adam_rate: float) -> Optimizer:
    """The default's kind and schedule at rates for wider networks, larger batches and more steps:
    the norm of a matrix's step grows with its width.
    """
    return dataclasses.replace(optimizer, learning_rate=rate, adam_learning_rate=adam_rate)


MOTION = MotionConfig(
    width=384,
    features=64,
    grid=8,
    batch_size=128,
    ema=0.999,
    optimizer=_paced(MotionConfig().optimizer, 2e-3, 7e-4),
)

# 9 x 8 x 8 codes of 15,625 values, each for 2 x 8 x 8 pixels.
TOKENIZER = TokenizerConfig(
    quantizer=FSQ(levels=(5, 5, 5, 5, 5, 5)),
    patch=(2, 4, 4),
    widths=(128, 512),
    blocks=(2, 2),
    batch_size=64,
    ema=0.999,
    optimizer=_paced(TokenizerConfig().optimizer, 2e-3, 1e-3),
)

PRIOR = {
    "width": 512,
    "heads": 8,
    "encoder_depth": 2,
    "expansion": 4.0,
    "code_width": 64,
    "digit_width": 128,
    "drop_text": 0.1,
    "batch_size": 96,
    "continued": 48,
    "ema": 0.999,
    "optimizer": _paced(CausalPriorConfig().optimizer, 1.5e-3, 1e-3),
}

# 16 x 16 tokens a frame outside; in the middle 8 x 8 for every two frames, 512 in all.
DENOISER = {
    "patch": 4,
    "merge": (2, 2, 2),
    "width": 192,
    "depth": 2,
    "middle_width": 512,
    "middle_depth": 6,
    "heads": 8,
    "batch_size": 64,
    "opening_batch_size": 256,
    "motion": MOTION,
    "motion_share": 0.05,
    "opening_share": 0.35,
    "ema_decay": 0.999,
    "optimizer": _paced(DiffusionConfig().optimizer, 2e-3, 1e-3),
}

GAN = GanConfig(
    batch_size=128,
    animated=32,
    content_latent=128,
    motion_latent=32,
    content_width=128,
    feature_width=64,
    motion_width=384,
    flow_grid=8,
    discriminator_width=128,
    ema_decay=0.999,
    generator_optimizer=_paced(GanConfig().generator_optimizer, 1.5e-3, 5e-4),
    discriminator_optimizer=_paced(GanConfig().discriminator_optimizer, 1.5e-3, 5e-4),
)

experiment = Experiment(
    name="digits64",
    # A caption of Double Moving MNIST has 18 words, one of Single Moving MNIST 9.
    task=Task(frames=16, height=64, width=64, channels=1, context_frames=1, text_length=18),
    source="digits",
    options={"motion": "mage", "size": 64, "frames": 16},
    generators={
        "gan": GAN,
        "autoregressive": AutoregressiveConfig(
            tokenizer=TOKENIZER,
            motion=MOTION,
            motion_share=0.05,
            prior=CausalPriorConfig(decoder_depth=8, **PRIOR),
        ),
        "masked": MaskedConfig(
            tokenizer=TOKENIZER,
            motion=MOTION,
            motion_share=0.05,
            prior=MaskedPriorConfig(depth=8, **PRIOR),
        ),
        "diffusion": DiffusionConfig(**DENOISER),
        "meanflow": MeanFlowConfig(**DENOISER),
        "copy-first-frame": None,
        "frozen-prior": None,
    },
    budget=Budget(7200, "seconds"),
    seeds=(0, 1, 2, 3, 4),
    curve=(0.1, 0.3),
    # About what two hours pay for at 1e14 FLOP/s; and between the gan's 28 million that sampling
    # reads and the others' 56 to 68.
    equal_flops=7e17,
    equal_parameters=32_000_000,
    precision="tensorfloat32",
    prompts=1024,
    answer_batch=128,
    compositional=True,
    horizon=4,
    answers=4,
    sweeps=find("digits32").sweeps,
    metrics=("oracle", "pixel", "in-domain", "temporal", "i3d"),
    in_domain=InDomainConfig(steps=800, batch_size=64, clips=16384),
)
