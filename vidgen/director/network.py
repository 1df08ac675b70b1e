"""The director's network: words in, the tokens of a script out."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int

from vidgen import nn
from vidgen.director import tokens
from vidgen.evaluation.features.learning import LearningConfig
from vidgen.optim import Optimizer, Schedule


@dataclasses.dataclass(frozen=True, kw_only=True)
class DirectorConfig(LearningConfig):
    """How the director is sized and trained.

    Attributes:
        heads: of attention.
        depth: layers of the encoder, and of the decoder.
        encoder: what makes features of words, see `vidgen list text`.
        word_dropout: share of the words of a description that are not heard in training, so that
            it can do without those that it does not know.
    """

    width: int = 128
    heads: int = 4
    depth: int = 2
    encoder: str = "words"
    word_dropout: float = 0.1
    steps: int = 400
    batch_size: int = 64
    clips: int = 16384
    optimizer: Optimizer = Optimizer(
        kind="muon",
        learning_rate=1e-2,
        adam_learning_rate=2e-3,
        schedule=Schedule(warmup=0.05, shape="linear", final=0.02),
    )

    @classmethod
    def tiny(cls) -> DirectorConfig:
        """Seconds on one core, for tests: it learns next to nothing."""
        return cls(width=16, heads=2, depth=1, steps=2, batch_size=8, clips=64)


class DirectorNetwork(nnx.Module):
    """An encoder over words, and a causal decoder over the tokens of a script.

    Args:
        config: sizes.
        length: L, words of a description.
        word_width: features of a word.
        rngs: source of the initial weights.

    References: Sutskever et al., "Sequence to sequence learning with neural networks" (2014);
    Vaswani et al., "Attention is all you need" (2017).
    """

    def __init__(
        self, config: DirectorConfig, length: int, word_width: int, *, rngs: nnx.Rngs
    ) -> None:
        width, heads = config.width, config.heads
        draw = initializers.normal(0.02)
        self.word = nnx.Linear(word_width, width, rngs=rngs)
        self.place_embed = nnx.Param(draw(rngs.params(), (length, width)))
        self.encoder = nn.Encoder(width, heads, config.depth, rngs=rngs)
        self.token_embed = nnx.Param(initializers.normal(0.5)(rngs.params(), (tokens.SIZE, width)))
        self.slot_embed = nnx.Param(initializers.normal(0.5)(rngs.params(), (tokens.LENGTH, width)))
        self.decoder = nn.Decoder(width, heads, config.depth, source_width=width, rngs=rngs)
        self.head = nnx.Linear(width, tokens.SIZE, rngs=rngs)

    def read(self, text: Float[Array, "B L E"], mask: Bool[Array, "B L"]) -> Float[Array, "B L D"]:
        """The description, once."""
        x = self.word(text) + self.place_embed.get_value()[None]
        B, L = mask.shape
        angles = nn.rotary_angles(jnp.asarray(nn.grid(L)), x.shape[-1] // self._heads)
        return self.encoder(x, mask=jnp.broadcast_to(mask[:, None], (B, L, L)), angles=angles)

    def __call__(
        self,
        text: Float[Array, "B L E"],
        mask: Bool[Array, "B L"],
        script: Int[Array, "B M"],
    ) -> Float[Array, "B M S"]:
        """Log-probabilities of each token given those before it (teacher forcing), over tokens of
        its kind.

        Args:
            text: features of the words.
            mask: which of them are there.
            script: all tokens.
        """
        begin = jnp.full_like(script[:, :1], tokens.BEGIN)
        before = jnp.concatenate([begin, script[:, :-1]], axis=1)
        x = self.token_embed.get_value()[before] + self.slot_embed.get_value()[None]
        x = self.decoder(x, self.read(text, mask), source_mask=mask)
        return _log_shares(self.head(x), jnp.asarray(tokens.ALLOWED)[None])

    def write(
        self, text: Float[Array, "B L E"], mask: Bool[Array, "B L"]
    ) -> tuple[Int[Array, "B M"], Float[Array, "B M"]]:
        """The likeliest script, token by token, and the log-probability of each.

        Every token is of its kind, "nothing" follows nobody and no one else, and nobody leaves the
        stage; so whatever comes out is a script, unless two actors meet. The probability is that of
        a token among all of its kind: what was likelier and cannot be played makes it small.
        """
        memory = self.decoder.memory(self.read(text, mask))
        caches = self.decoder.empty_caches(len(text), tokens.LENGTH)
        allowed, onwards = jnp.asarray(tokens.ALLOWED), jnp.asarray(tokens.ONWARDS)
        nothing = jnp.asarray(tokens.NOTHING_TOKENS)

        def advance(
            carry: tuple[Array, Array, Array, object], slot: Int[Array, ""]
        ) -> tuple[tuple[Array, Array, Array, object], tuple[Array, Array]]:
            before, station, absent, caches = carry
            x = self.token_embed.get_value()[before] + self.slot_embed.get_value()[slot][None]
            x, caches = self.decoder.step(
                x[:, None],
                caches,  # type: ignore[arg-type]
                slot,
                memory,
                source_mask=mask,
            )
            first = slot % tokens.EACH == 0
            # Of a new actor it is open who it is, and where it stands.
            fits = first | (nothing[None] == absent[:, None])
            free = (onwards[station] >= 0) & fits & allowed[slot][None]
            shares = _log_shares(self.head(x[:, 0]), allowed[slot][None])
            token = jnp.where(free, shares, -jnp.inf).argmax(axis=-1)
            absent = jnp.where(first, token == tokens.NOBODY_TOKEN, absent)
            rows = jnp.arange(len(token))
            return (token, onwards[station, token], absent, caches), (token, shares[rows, token])

        B = len(text)
        begin = (
            jnp.full(B, tokens.BEGIN),
            jnp.zeros(B, onwards.dtype),
            jnp.zeros(B, bool),
            caches,
        )
        _, (said, shares) = jax.lax.scan(advance, begin, jnp.arange(tokens.LENGTH))
        return said.T, shares.T

    @property
    def _heads(self) -> int:
        return self.encoder.blocks[0].attention.heads


def _log_shares(logits: Float[Array, "*axes S"], allowed: Bool[Array, "*some S"]) -> Array:
    return jax.nn.log_softmax(jnp.where(allowed, logits.astype(jnp.float32), -jnp.inf), axis=-1)
