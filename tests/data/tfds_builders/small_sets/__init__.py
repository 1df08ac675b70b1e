"""TFDS looks for a builder's metadata in the package that it is in, so this is one."""
