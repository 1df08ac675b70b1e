"""What may be wrong with a file of clips."""

from __future__ import annotations


class CorruptFileError(ValueError):
    """A file that is not what its name or header says; the message names the file.

    Training skips the clip and counts it; evaluation fails.
    """
