"""How metrics, prompts and prices are named, grouped and ordered where people read them.

What a metric means stands in `vidgen.evaluation.METRICS` alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from vidgen.comparison.rows import EQUAL_FLOPS, EQUAL_PARAMETERS
from vidgen.comparison.wording import capital

MAIN: tuple[tuple[str, str], ...] = (
    ("oracle_success", "all"),
    ("oracle_success", "text"),
    ("oracle_success", "text+image"),
    ("oracle_success_majority", "all"),
    ("kvd_in_domain", "all"),
    ("drift_identity", "all"),
    ("psnr", "text+image"),
)
"""Columns of the main table, (metric, prompts): the preregistered metrics, success by kind of
prompts and by majority beside success, and PSNR. One that nobody has a row of is left out."""

GROUPS: dict[str, tuple[str, ...]] = {
    "What was asked": (
        "oracle_success",
        "oracle_success_majority",
        "identity",
        "identity_majority",
        "motion",
        "mission",
        "legal_rate",
        "caption_swap",
        "alignment",
        "alignment_top1",
        "alignment_top5",
        "alignment_swap",
        "clipsim",
        "detected_success",
    ),
    "Objects and paths": (
        "one_object",
        "missing_rate",
        "extra_rate",
        "conserved",
        "trajectory_error_px",
        "endpoint_error_px",
        "bounce_error_frames",
        "shape_stability",
        "detected_count",
        "detected_conservation",
        "detected_relation",
    ),
    "Nearness to the real clip": (
        "psnr",
        "psnr_mean_of_k",
        "psnr_best_of_k",
        "ssim",
        "ssim_mean_of_k",
        "ssim_best_of_k",
        "lpips_alex",
        "lpips_alex_mean_of_k",
        "lpips_alex_best_of_k",
        "detected_box_iou",
        "detected_mask_iou",
    ),
    "Nearness to the set of real clips": (
        "kvd_in_domain",
        "kvd_in_domain_2plus1d",
        "kvd_in_domain_random",
        "fvd_in_domain",
        "fvd_in_domain_infinity",
        "kvd_i3d",
        "fvd_i3d",
        "fvd_i3d_infinity",
        "kvd_videomae",
        "fvd_videomae",
        "fvd_videomae_infinity",
        "fid",
        "fid_infinity",
        "inception_score",
        "precision",
        "recall",
        "density",
        "coverage",
        "diversity",
        "memorisation",
    ),
    "Along time": ("brightness", "sharpness", "flicker", "dynamic_degree", "warp_error"),
}
"""Order and headings of the tables of all metrics. Drift comes last along time; whatever is not
named here comes under `REST`, so that no metric is lost."""

REST = "Everything else"
_ALONG_TIME = "Along time"

PROMPTS = {"all": "all prompts", "text": "text", "text+image": "text + frame"}
"""How the prompts are named in the head of a column."""

AT_EQUAL = {
    EQUAL_FLOPS: "at equal training FLOPs",
    EQUAL_PARAMETERS: "at equal parameters",
}
"""What is said of a comparison at an equal price, by protocol."""

COSTS = {
    "parameters": "Parameters",
    "trained_parameters": "Trained parameters",
    "training_seconds": "Training",
    "compile_seconds": "Compiling",
    "clips_seen": "Clips seen",
    "training_flops": "Model FLOPs",
    "optimizer_flops": "Optimiser FLOPs",
    "sampling_p50": "One clip, p50",
    "sampling_p95": "One clip, p95",
    "sampling_rate": "Clips/s in batches",
    "sampling_flops": "FLOPs a clip",
}

COST_DEFINITIONS = {
    "parameters": "numbers that sampling reads: tokenizers and motion compensation count, "
    "discriminators and weights of which an average samples do not",
    "trained_parameters": "numbers that training moved, tokenizers and discriminators included",
    "training_seconds": "the training clock alone, on the device named; compiling, validation and "
    "checkpoints have clocks of their own",
    "compile_seconds": "what compilation took on top of training",
    "clips_seen": "training clips, counted as often as they were seen",
    "training_flops": "analytic FLOPs of the models over the whole training",
    "optimizer_flops": "analytic FLOPs of the optimisers over the whole training",
    "total_flops": "analytic FLOPs of models and optimisers over the whole training, by which a "
    "budget in FLOPs is counted",
    "sampling_p50": "median seconds of a call for one clip, compiled and warmed up before",
    "sampling_p95": "95th percentile of the seconds of a call for one clip",
    "sampling_rate": "clips a second where many are drawn at once",
    "sampling_flops": "analytic FLOPs of drawing one clip",
}

_WORDS = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
    "fvd": "FVD",
    "kvd": "KVD",
    "fid": "FID",
    "i3d": "I3D",
    "videomae": "VideoMAE",
    "inception": "Inception",
    "iou": "IoU",
    "px": "(px)",
    "frames": "(frames)",
    "alex": "AlexNet",
    "2plus1d": "(2+1)D",
    "infinity": "at N = ∞",
    "k": "K",
}


def title(metric: str) -> str:
    """A metric's name as a heading: ``oracle_success`` is ``Oracle success``."""
    return capital(prose(metric))


def prose(metric: str) -> str:
    """A metric's name within a sentence: ``kvd_in_domain`` is ``KVD in domain``.

    A second majority, drift, or a metric over several answers, is named by what it is of.
    """
    if metric.startswith("drift_"):
        return f"drift of {prose(metric.removeprefix('drift_'))}"
    for several in ("mean_of_k", "best_of_k"):
        if metric.endswith(f"_{several}"):
            return f"{prose(metric.removesuffix(f'_{several}'))}, {prose(several)}"
    if metric.endswith("_majority"):
        return f"{prose(metric.removesuffix('_majority'))}, by majority"
    return " ".join(_WORDS.get(word, word) for word in metric.split("_"))


def grouped(metrics: Iterable[str]) -> dict[str, list[str]]:
    """Metrics by heading, in the order of `GROUPS`; none is lost."""
    left = list(dict.fromkeys(metrics))
    found = {heading: [name for name in names if name in left] for heading, names in GROUPS.items()}
    named = {name for names in found.values() for name in names}
    found[_ALONG_TIME] += [name for name in left if name.startswith("drift_")]
    found[REST] = [n for n in left if n not in named and not n.startswith("drift_")]
    return {heading: names for heading, names in found.items() if names}
