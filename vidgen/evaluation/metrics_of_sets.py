"""Metrics of whole sets of clips, by the features of a network."""

from __future__ import annotations

from vidgen.evaluation.metric import DECAY, SINGLE_FRAMES, STILL, TEXT_ALONE, UNCAPTIONED, Metric

METRICS_OF_SETS = (
    Metric(
        name="kvd_in_domain",
        better="lower",
        definition="kernel distance of the answers' features from those of the real clips, by a "
        "3-D ResNet trained on real clips; unbiased, 0 for equal distributions",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="kvd_in_domain_2plus1d",
        better="lower",
        definition="as kvd_in_domain, by a (2+1)-D ResNet: whether the ranking depends on the "
        "network",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="kvd_in_domain_random",
        better="lower",
        definition="as kvd_in_domain, by a 3-D ResNet that has learned nothing",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_in_domain",
        better="lower",
        definition="Fréchet distance of in-domain features at this number of clips, which biases "
        "it upwards",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_in_domain_infinity",
        better="lower",
        definition="fvd_in_domain on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="precision",
        better="higher",
        share=True,
        definition="share of answers near a real clip (its 5th neighbour among the real ones)",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="recall",
        better="higher",
        share=True,
        definition="share of real clips near an answer (its 5th neighbour among the answers)",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="density",
        better="higher",
        definition="mean number of real clips that an answer is near to, over 5; about 1 for real "
        "ones",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="coverage",
        better="higher",
        share=True,
        definition="share of real clips that have an answer near to them",
        needs_truth=False,
        group="in-domain",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="memorisation",
        better="lower",
        share=True,
        definition="share of pairs in which an answer is nearer to a training clip than a held-out "
        "real clip is: 0.5 as real, 1 copied; below 0.5 is no merit",
        needs_truth=False,
        group="in-domain",
        blind=(*STILL, DECAY),
    ),
    Metric(
        name="diversity",
        better="higher",
        definition="mean distance between answers to one caption, over that between real clips: 1 "
        "as real, 0 all the same",
        needs_truth=False,
        strata=TEXT_ALONE,
        group="in-domain",
        blind=STILL,
    ),
    Metric(
        name="caption_swap",
        better="higher",
        definition="how much better the answers fit their captions than those of other prompts, as "
        "a share; 0 where the text is ignored",
        needs_truth=False,
        strata=TEXT_ALONE,
        group="in-domain",
    ),
    Metric(
        name="alignment",
        better="higher",
        definition="cosine between the vectors of an answer and of its caption, by two towers "
        "that learned from real clips",
        needs_truth=False,
        group="alignment",
        blind=(DECAY,),
    ),
    Metric(
        name="alignment_top1",
        better="higher",
        share=True,
        definition="share of answers to which, of all different captions of the prompts, their own "
        "is nearest (R@1)",
        needs_truth=False,
        group="alignment",
        blind=(DECAY,),
    ),
    Metric(
        name="alignment_top5",
        better="higher",
        share=True,
        definition="share of answers to which their own caption is among the five nearest (R@5)",
        needs_truth=False,
        group="alignment",
        blind=(DECAY,),
    ),
    Metric(
        name="alignment_swap",
        better="higher",
        definition="how much higher alignment is with the answer's own caption than with those of "
        "other prompts; 0 where the text is ignored",
        needs_truth=False,
        group="alignment",
        blind=(DECAY,),
    ),
    Metric(
        name="kvd_i3d",
        better="lower",
        definition="kernel distance of I3D's logits, unbiased",
        needs_truth=False,
        group="i3d",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_i3d",
        better="lower",
        definition="Fréchet video distance (I3D, 400 logits) at this number of clips, which biases "
        "it upwards",
        needs_truth=False,
        group="i3d",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_i3d_infinity",
        better="lower",
        definition="fvd_i3d on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="i3d",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="kvd_videomae",
        better="lower",
        definition="kernel distance of VideoMAE's features, unbiased",
        needs_truth=False,
        group="videomae",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_videomae",
        better="lower",
        definition="content-debiased Fréchet video distance (VideoMAE, mean of its last tokens) at "
        "this number of clips, which biases it upwards",
        needs_truth=False,
        group="videomae",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fvd_videomae_infinity",
        better="lower",
        definition="fvd_videomae on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="videomae",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="fid",
        better="lower",
        definition="Fréchet distance of single frames (Inception-v3, 2048 features of its last "
        "pool) at this number of clips, which biases it upwards",
        needs_truth=False,
        group="fid",
        blind=SINGLE_FRAMES,
    ),
    Metric(
        name="fid_infinity",
        better="lower",
        definition="fid on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="fid",
        blind=SINGLE_FRAMES,
    ),
    Metric(
        name="inception_score",
        better="higher",
        definition="how surely C3D names an action of UCF-101 in each clip, and how evenly over "
        "all: from 1 to 101; knows nothing of the real clips",
        needs_truth=False,
        group="inception-score",
        blind=UNCAPTIONED,
    ),
    Metric(
        name="clipsim",
        better="higher",
        definition="cosine between the vectors of a caption and of a frame by CLIP, mean over "
        "frames (CLIPSIM); of a motion it sees nothing",
        needs_truth=False,
        group="clipsim",
        blind=("frozen-real", "shuffled-frames", DECAY),
    ),
)
