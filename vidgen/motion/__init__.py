"""Motion compensation, shared by generators: a given frame carried to where it will be."""

from vidgen.motion.config import MotionConfig
from vidgen.motion.flow import Motion, photometric_error, travel
from vidgen.motion.network import MotionNetwork
from vidgen.motion.path import HEADS, MOTION_PATHS, MotionPath
from vidgen.motion.phase import MotionPhase

__all__ = [
    "HEADS",
    "MOTION_PATHS",
    "Motion",
    "MotionConfig",
    "MotionNetwork",
    "MotionPath",
    "MotionPhase",
    "photometric_error",
    "travel",
]
