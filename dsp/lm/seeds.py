"""The seed of each sample."""

import zlib


def sample_seed(seed: int, sample: int) -> int:
    """The seed of one sample, in 31 bits (llama.cpp takes 2^32 - 1 for "any"): equal for equal arguments."""
    return zlib.crc32(f"{seed}:{sample}".encode("ascii")) & 0x7FFFFFFF
