"""Feature networks: clips in, vectors out, for metrics that compare sets of clips."""

from vidgen.evaluation.features.brought import BROUGHT, Brought
from vidgen.evaluation.features.cache import FeatureCache
from vidgen.evaluation.features.feature import FeatureNetwork, UnsuitableClipsError
from vidgen.evaluation.features.i3d import I3D, load_i3d
from vidgen.evaluation.features.in_domain import InDomainCard, InDomainConfig, InDomainNetwork
from vidgen.evaluation.features.in_domain_training import InDomainTraining, train_in_domain
from vidgen.evaluation.features.perceptual import lpips
from vidgen.evaluation.features.videomae import VideoMAE, load_videomae
from vidgen.pretrained.weights import (
    Entry,
    MissingWeightsError,
    WrongWeightsError,
    manifest,
    port,
    read,
)

__all__ = [
    "BROUGHT",
    "I3D",
    "Brought",
    "Entry",
    "FeatureCache",
    "FeatureNetwork",
    "InDomainCard",
    "InDomainConfig",
    "InDomainNetwork",
    "InDomainTraining",
    "MissingWeightsError",
    "UnsuitableClipsError",
    "VideoMAE",
    "WrongWeightsError",
    "load_i3d",
    "load_videomae",
    "lpips",
    "manifest",
    "port",
    "read",
    "train_in_domain",
]
