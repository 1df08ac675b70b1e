"""The court: protocol, oracle, metrics, anchors and intervals.

Clips are judged as `ClipSet`s, which carry the prompts and the truth they answer, so that every
number can be recomputed from disk. Nothing here knows of generators or of training.
"""

from vidgen.evaluation.anchors import anchors, further_answers
from vidgen.evaluation.best_of import judge_answers
from vidgen.evaluation.broken import broken
from vidgen.evaluation.camera_broken import camera_own_error
from vidgen.evaluation.camera_oracle import CameraVerdicts, camera_success, examine_camera
from vidgen.evaluation.clip_oracle import (
    ClipOracle,
    ClipVerdicts,
    Confusion,
    Measure,
    UnjudgeableError,
)
from vidgen.evaluation.clipset import ClipSet, TruthSet
from vidgen.evaluation.detection import DetectorConfig, follow_boxes, train_detector
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import FeatureJudge
from vidgen.evaluation.features.alignment import AlignmentConfig
from vidgen.evaluation.features.in_domain import InDomainConfig
from vidgen.evaluation.features.perceptual import lpips
from vidgen.evaluation.fid import frechet_inception_distance
from vidgen.evaluation.frechet import frechet_distance, frechet_video_distance
from vidgen.evaluation.inception_score import inception_score
from vidgen.evaluation.judge import Judge
from vidgen.evaluation.kernel import kernel_distance, kernel_video_distance
from vidgen.evaluation.metrics import GROUPS, METRICS, USUAL_GROUPS, Group, Metric
from vidgen.evaluation.oracle import Oracle, Verdicts
from vidgen.evaluation.oracles import oracle_for, oracle_success, register_oracle
from vidgen.evaluation.pixel import psnr, ssim
from vidgen.evaluation.prdc import PRDC, prdc
from vidgen.evaluation.protocol import answer, asked_again, protocol, reconstruct
from vidgen.evaluation.reconstruction_judge import judge_reconstructions
from vidgen.evaluation.rollout import (
    METHODS,
    UnrollableError,
    continuation,
    method_of,
    roll_out,
    rollout,
)
from vidgen.evaluation.rollout_judge import judge_rollouts, left_out

__all__ = [
    "GROUPS",
    "METHODS",
    "METRICS",
    "PRDC",
    "USUAL_GROUPS",
    "AlignmentConfig",
    "CameraVerdicts",
    "ClipOracle",
    "ClipSet",
    "ClipVerdicts",
    "Confusion",
    "DetectorConfig",
    "FeatureJudge",
    "Group",
    "InDomainConfig",
    "Judge",
    "Measure",
    "Metric",
    "Oracle",
    "TruthSet",
    "UnjudgeableError",
    "UnrollableError",
    "Verdicts",
    "anchors",
    "answer",
    "asked_again",
    "broken",
    "camera_own_error",
    "camera_success",
    "continuation",
    "drift",
    "examine_camera",
    "follow_boxes",
    "frechet_distance",
    "frechet_inception_distance",
    "frechet_video_distance",
    "further_answers",
    "inception_score",
    "judge_answers",
    "judge_reconstructions",
    "judge_rollouts",
    "kernel_distance",
    "kernel_video_distance",
    "left_out",
    "lpips",
    "method_of",
    "oracle_for",
    "oracle_success",
    "prdc",
    "protocol",
    "psnr",
    "reconstruct",
    "register_oracle",
    "roll_out",
    "rollout",
    "ssim",
    "train_detector",
]
