"""Strict tests: warnings are errors, implicit broadcasting raises, shapes are checked."""

from __future__ import annotations

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jaxtyping

# Before the first import of vidgen, so that every annotated shape is checked at run time.
jaxtyping.install_import_hook("vidgen", "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
# Half the compile time, which is what a test costs here; benchmarks compile in full.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def task():
    """The smallest task that every built-in generator accepts."""
    from vidgen.types import Task

    return Task(
        frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=8
    )
