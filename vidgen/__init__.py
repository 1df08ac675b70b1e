"""vidgen: which class of video generator is better, at what, and at what price?

The public face::

    vidgen.compare("quick", out="runs/quick", seeds=(0, 1, 2))     # -> Comparison
    model = vidgen.load("runs/quick/diffusion/seed-0")             # a trained generator
    model.sample(text=["the digit 3 is moving up"], seed=0)        # uint8 [N T H W C]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vidgen.comparison import compare, load

__all__ = ["__version__", "compare", "load"]


def __getattr__(name: str) -> Any:
    # Late, so that `import vidgen` costs nothing and no floor below pulls in one above.
    if name in ("compare", "load"):
        from vidgen import comparison

        return getattr(comparison, name)
    raise AttributeError(f"module 'vidgen' has no attribute {name!r}")
