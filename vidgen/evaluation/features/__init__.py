"""Feature networks: clips in, vectors out, for metrics that compare sets of clips."""

from vidgen.evaluation.features.feature import FeatureNetwork, UnsuitableClipsError

__all__ = ["FeatureNetwork", "UnsuitableClipsError"]
