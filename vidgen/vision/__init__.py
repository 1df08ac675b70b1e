"""Networks that look at frames and at clips: recognisers, whose vectors judges compare; and, in
`vidgen.vision.detection`, detectors of objects.
"""

from vidgen.vision.recogniser import ARCHITECTURES, Architecture, FrameByFrame, recogniser
from vidgen.vision.resnet import ResNet

__all__ = ["ARCHITECTURES", "Architecture", "FrameByFrame", "ResNet", "recogniser"]
