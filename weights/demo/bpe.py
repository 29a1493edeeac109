# SPDX-License-Identifier: MIT
"""Train a byte-pair vocabulary of the CLIP kind and save it for transformers.

Order of the vocabulary: 256 bytes, 256 bytes that end a word (</w>), merges in
the order learned, <|startoftext|>, <|endoftext|>.
"""
import unicodedata
from collections import Counter

import regex

START, END = "<|startoftext|>", "<|endoftext|>"
PIECE = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")


def byte_alphabet():
    """The printable stand-ins of the 256 bytes, in vocabulary order."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [b for b in range(256) if b not in printable]
    table = {b: chr(b) for b in printable}
    table.update({b: chr(256 + i) for i, b in enumerate(others)})
    return table


def learn(texts, n_merges):
    """texts: (text, count) pairs; returns (vocabulary, merges)."""
    table = byte_alphabet()
    words = Counter()
    for text, count in texts:
        for piece in PIECE.findall(unicodedata.normalize("NFC", text).lower()):
            symbols = [table[b] for b in piece.encode()]
            symbols[-1] += "</w>"
            words[tuple(symbols)] += count
    merges = []
    while len(merges) < n_merges:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = Counter()
        for word, count in words.items():
            out, i = [], 0
            while i < len(word):
                if word[i:i + 2] == best:
                    out.append(word[i] + word[i + 1])
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            merged[tuple(out)] += count
        words = merged
    symbols = list(table.values())
    symbols += [s + "</w>" for s in symbols] + [a + b for a, b in merges]
    symbols += [START, END]
    assert len(set(symbols)) == len(symbols)
    return {s: i for i, s in enumerate(symbols)}, merges


def clip_tokenizer(vocabulary, merges, max_length):
    """The transformers tokenizer of this vocabulary."""
    from transformers import CLIPTokenizer
    return CLIPTokenizer(vocab=vocabulary, merges=merges,
                         model_max_length=max_length)
