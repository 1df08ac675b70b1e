"""Text networks of Hugging Face folders, ported: by the ``model_type`` of their configuration."""

from collections.abc import Mapping

from vidgen.text.networks.bert import Bert
from vidgen.text.networks.clip import Clip
from vidgen.text.networks.gpt2 import Gpt2
from vidgen.text.networks.port import Port, States
from vidgen.text.networks.t5 import T5

PORTS: Mapping[str, type[Port]] = {
    "bert": Bert,
    "clip": Clip,
    "clip_text_model": Clip,
    "gpt2": Gpt2,
    "t5": T5,
}

__all__ = ["PORTS", "Port", "States"]
