"""From a long description to a scene script: a sequence-to-sequence transformer."""

from vidgen.director.direction import Direction, Director
from vidgen.director.network import DirectorConfig
from vidgen.director.training import train_director

__all__ = ["Direction", "Director", "DirectorConfig", "train_director"]
