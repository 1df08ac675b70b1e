"""Sentences into features: what stands between a caption and a generator, which sees no strings."""

from vidgen.text.encoder import TextEncoder, words
from vidgen.text.word_vectors import WordVectors

__all__ = ["TextEncoder", "WordVectors", "words"]
