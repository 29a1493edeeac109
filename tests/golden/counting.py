# SPDX-License-Identifier: MIT
"""A charsmap that shows where tokenizers' Precompiled cuts a text into grapheme
clusters, for make_unicode_tables.py and make_pieces.py."""
import struct


def counting_charsmap():
    """A charsmap with which every cluster below 6 bytes, and every character
    of a longer one, becomes "Z"; a newline stays. Each rule is for one byte, a
    rule for the first byte of a cluster replaces the cluster."""
    units = [0] * 768
    units[0] = 256 << 10
    for byte in range(1, 256):
        units[256 ^ byte] = byte | 1 << 8 | 768 << 10
        units[512 ^ byte] = 1 << 31 | (2 if byte == 10 else 0)
    blob = struct.pack("<768I", *units)
    return struct.pack("<I", len(blob)) + blob + b"Z\0\n\0"
