"""Denoisers of openings and of clips, their paths and their training, shared by generators."""

from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import Denoiser
from vidgen.denoising.forcing import Forcing
from vidgen.denoising.latents import Latents
from vidgen.denoising.network_config import DiTConfig, UNetConfig
from vidgen.denoising.objective import Quantity, convert, held, min_snr_weight, wide
from vidgen.denoising.phase import DenoisingPhase, StagePhase
from vidgen.denoising.process import Flow, Gaussian, Process
from vidgen.denoising.stage import Cascade, Stage, begun, opened, unopened

__all__ = [
    "Cascade",
    "Denoiser",
    "DenoisingConfig",
    "DenoisingPhase",
    "DiTConfig",
    "Flow",
    "Forcing",
    "Gaussian",
    "Latents",
    "Process",
    "Quantity",
    "Stage",
    "StagePhase",
    "UNetConfig",
    "begun",
    "convert",
    "held",
    "min_snr_weight",
    "opened",
    "unopened",
    "wide",
]
