"""Sentences into features: what stands between a caption and a generator, which sees no strings."""

from vidgen.text.cache import Remembered
from vidgen.text.catalogue import Wanted, own_width, text_encoder, text_encoders
from vidgen.text.contextual import Contextual
from vidgen.text.embeddings import (
    Embeddings,
    read_glove,
    read_word2vec,
    train_word2vec,
    write_glove,
    write_word2vec,
)
from vidgen.text.encoder import TextEncoder, words
from vidgen.text.minilm import minilm_folder
from vidgen.text.naming import layout_of
from vidgen.text.word_table import WordTable
from vidgen.text.word_vectors import WordVectors

__all__ = [
    "Contextual",
    "Embeddings",
    "Remembered",
    "TextEncoder",
    "Wanted",
    "WordTable",
    "WordVectors",
    "layout_of",
    "minilm_folder",
    "own_width",
    "read_glove",
    "read_word2vec",
    "text_encoder",
    "text_encoders",
    "train_word2vec",
    "words",
    "write_glove",
    "write_word2vec",
]
