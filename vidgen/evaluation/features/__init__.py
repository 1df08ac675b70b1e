"""Feature networks: clips in, vectors out, for metrics that compare sets of clips."""

from vidgen.evaluation.features.cache import FeatureCache
from vidgen.evaluation.features.feature import FeatureNetwork, UnsuitableClipsError
from vidgen.evaluation.features.in_domain import InDomainCard, InDomainConfig, InDomainNetwork
from vidgen.evaluation.features.in_domain_training import train_in_domain, trained_in_domain

__all__ = [
    "FeatureCache",
    "FeatureNetwork",
    "InDomainCard",
    "InDomainConfig",
    "InDomainNetwork",
    "UnsuitableClipsError",
    "train_in_domain",
    "trained_in_domain",
]
