#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes lib/text/unicode_tables.c by asking the reference tokenizer.

Every table is what the library `tokenizers` (0.23.*), or Python 3.11 where the
table's name says so, does with every Unicode scalar value, found by running
it; no Unicode data file is read. That matters because the library mixes
versions: its classes are Unicode 16, its lower case 17, its canonical
composition 9; Python 3.11 has Unicode 14.

    python tests/golden/make_unicode_tables.py > lib/text/unicode_tables.c

Takes about a minute; tests/parity/tokens_fuzz.py compares the result.

"""
import functools
import sys

import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, models, normalizers,
                        pre_tokenizers)

from counting import counting_charsmap

assert tokenizers.__version__.startswith("0.23."), tokenizers.__version__
assert sys.version_info[:2] == (3, 11), sys.version

SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
NFC = normalizers.NFC().normalize_str
NFD = normalizers.NFD().normalize_str
LOWER = normalizers.Lowercase().normalize_str
HANGUL = range(0xAC00, 0xAC00 + 11172)


def members(pattern):
    """Code points that the reference's regular expressions match."""
    rest = normalizers.Replace(Regex(pattern), "").normalize_str(
        "".join(map(chr, SCALARS)))
    return sorted(set(SCALARS) - set(map(ord, rest)))


def word_characters():
    """Code points that keep a single_word token beside them from matching."""
    sides = []
    for left in (True, False):
        tok = Tokenizer(models.WordLevel({"u": 0}, unk_token="u"))
        tok.pre_tokenizer = pre_tokenizers.Split("-", "removed")
        tok.add_tokens([AddedToken("x", single_word=True, normalized=False)])
        x = tok.token_to_id("x")
        found = []
        for start in range(0, len(SCALARS), 20000):
            chunk = [c for c in SCALARS[start:start + 20000] if c != 0x78]
            text = "".join(chr(c) + "x-" if left else "-x" + chr(c)
                           for c in chunk)
            enc = tok.encode(text)
            hits = {o[0] for i, o in zip(enc.ids, enc.offsets) if i == x}
            found += [c for k, c in enumerate(chunk)
                      if 3 * k + 1 not in hits]
        sides.append(sorted(found + [0x78]))
    assert sides[0] == sides[1]
    return sides[0]


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def lower_ranges():
    """[first, last, step, delta]: first, first + step, ... last move."""
    out = []
    for c in SCALARS:
        low = LOWER(chr(c))
        if len(low) != 1:
            assert c == 0x130 and low == "i\u0307"  # written in unicode.c
            continue
        delta = ord(low) - c
        if delta == 0:
            continue
        if out and out[-1][3] == delta:
            run = out[-1]
            gap = c - run[1]
            if gap in (1, 2) and (run[0] == run[1] or gap == run[2]):
                run[1], run[2] = c, gap
                continue
        out.append([c, c, 1, delta])
    return out


def decompositions():
    """code -> (first, second or 0), and those that compose again."""
    full = {}
    for c in SCALARS:
        if c in HANGUL:
            continue
        d = NFD(chr(c))
        if d != chr(c):
            full[c] = d
    by_full = {d: c for c, d in full.items() if NFC(d) == chr(c)}
    for c, d in full.items():
        by_full.setdefault(d, c)
    pairs, composes = {}, []
    for c, d in full.items():
        if len(d) == 1:
            pairs[c] = (ord(d), 0)
        elif len(d) == 2:
            pairs[c] = (ord(d[0]), ord(d[1]))
        else:
            pairs[c] = (by_full[d[:-1]], ord(d[-1]))
        if len(d) > 1 and NFC(d) == chr(c):
            first, second = pairs[c]
            assert NFC(chr(first) + chr(second)) == chr(c)
            composes.append(c)
    return pairs, composes


def combining_ranks(pairs):
    """Rank of the combining class, 1.. in rising order, of every code point
    that canonical ordering moves."""
    low, high = "\u0334", "\u0345"  # the lowest and the highest class

    def swaps(a, b):
        return NFD("a" + a + b) == "a" + b + a

    marks = []
    for c in SCALARS:
        if c in pairs or c in HANGUL:
            continue
        if swaps(chr(c), low) or swaps(high, chr(c)):
            marks.append(c)
    marks += [c for c in (ord(low), ord(high)) if c not in marks]

    def order(a, b):
        if swaps(chr(b), chr(a)):
            return -1
        return 1 if swaps(chr(a), chr(b)) else 0

    marks.sort()
    ranked = sorted(marks, key=functools.cmp_to_key(order))
    ranks, rank = {}, 0
    for i, c in enumerate(ranked):
        if i == 0 or order(ranked[i - 1], c) < 0:
            rank += 1
        ranks[c] = rank
    # A decomposing code point is looked up only after decomposition.
    return ranks


def rank_ranges(ranks):
    out = []
    for c in sorted(ranks):
        if out and out[-1][1] == c - 1 and out[-1][2] == ranks[c]:
            out[-1][1] = c
        else:
            out.append([c, c, ranks[c]])
    return out


def python_cases():
    """What str.lower() knows that is not a mapping: the code points that it
    leaves alone and `tokenizers` does not, those that it takes for cased when
    it looks for a final sigma, and those that it skips then."""
    known, cased, ignored = [], [], []
    for c in map(chr, SCALARS):
        if c.lower() != LOWER(c):
            assert c.lower() == c
            known.append(ord(c))
        if (c + "\u03a3").lower()[-1] == "\u03c2":
            cased.append(ord(c))
        elif ("A" + c + "\u03a3").lower()[-1] == "\u03c2":
            ignored.append(ord(c))
    spaces = {c for c in SCALARS if chr(c).isspace()}
    assert spaces == set(members(r"\s")) | {0x1C, 0x1D, 0x1E, 0x1F}
    return known, cased, ignored


def grapheme_classes():
    """code -> class, the number of clipc_grapheme_class in graphemes.c, of
    what Precompiled tells apart. Regional indicators have none: a cluster
    with one has 4 bytes, or more than 5. Hangul syllables have theirs in
    graphemes.c."""
    normalize = normalizers.Precompiled(counting_charsmap()).normalize_str
    codes = [c for c in SCALARS if c not in (10, 13)]

    def found(before, after, count):
        """Those of which before + code + after counts so many."""
        lines = normalize("\n".join(before + chr(c) + after
                                    for c in codes)).split("\n")
        assert len(lines) == len(codes)
        return {c for c, line in zip(codes, lines) if len(line) == count}

    mark, joiner, pict = "\u0301", "\u200d", "\u00a9"
    consonant, linker = "\u0915", "\u094d"
    extends = found("a", "", 1)
    prepends = found("", "a", 1)
    controls = found("", mark + mark, 2)
    rest = set(codes) - extends - controls
    # A joined cluster has every character counted, a split one fewer.
    picts = found(pict + joiner, mark, 4) & rest
    consonants = found("", linker + consonant + mark, 4) & rest
    linkers = found(consonant, consonant + mark, 4) & extends
    bridges = found(consonant, linker + consonant + mark, 5) & extends
    over_pict = found(pict, joiner + pict + mark, 5) & extends
    syllables = set(HANGUL)
    before_vowel = (found("", "\u1161" + mark, 3) & rest) - prepends
    before_trail = (found("", "\u11a8" + mark, 3) & rest) - prepends
    lead = before_vowel - before_trail
    vowel = (before_vowel & before_trail) - syllables
    trail = before_trail - before_vowel - syllables
    zwj = {ord(joiner)}
    assert linkers <= bridges and bridges - over_pict == zwj
    out = {}
    for number, members_ in enumerate((
            controls, prepends, extends - over_pict - zwj,
            over_pict - bridges, bridges - linkers - zwj, linkers, zwj, picts,
            consonants, lead, vowel, trail)):
        for c in members_:
            assert c not in out, hex(c)
            out[c] = number + 1
    return out


def table(name, type_, items, comment):
    print("\n/* %s */" % comment)
    print("const %s %s[] = {" % (type_, name))
    line = "   "
    for item in items:
        if len(line) + 1 + len(item) > 98:
            print(line)
            line = "   "
        line += " " + item
    print(line)
    print("};")
    print("const size_t %s = %d;" % (name.replace("clipc_", "clipc_n_"),
                                     len(items)))


def main():
    letters, numbers = members(r"\p{L}"), members(r"\p{N}")
    spaces = members(r"\s")
    assert not set(letters) & set(numbers) and not set(letters) & set(spaces)
    words = word_characters()
    low = lower_ranges()
    pairs, composes = decompositions()
    ranks = combining_ranks(pairs)
    codes = sorted(pairs)
    index = {c: i for i, c in enumerate(codes)}
    composes.sort(key=lambda c: pairs[c])
    newer, cased, ignored = python_cases()

    print("""/* SPDX-License-Identifier: MIT
 *
 * unicode_tables.c - generated by tests/golden/make_unicode_tables.py from
 * tokenizers %s; do not edit. What that library does with each of the
 * 1,112,064 Unicode scalar values: %d letters, %d numbers,
 * %d kinds of white space, %d word characters, %d lower-case
 * mappings, %d canonical decompositions (%d of which
 * compose), %d reordered marks.
 */
#include "text/unicode.h"

/* clang-format off */""" % (
        tokenizers.__version__, len(letters), len(numbers), len(spaces),
        len(words), sum((r[1] - r[0]) // r[2] + 1 for r in low), len(codes),
        len(composes), len(ranks)))
    for name, what, comment in (
            ("letters", letters, r"\p{L}"), ("numbers", numbers, r"\p{N}"),
            ("spaces", spaces, r"\s"), ("words", words, r"\w of Rust's regex"),
            ("python_unlowered", newer, "Python 3.11: no lower case"),
            ("python_cased", cased, "Python 3.11: cased, beside a final sigma"),
            ("python_ignored", ignored, "Python 3.11: ignored beside a final sigma")):
        table("clipc_unicode_" + name, "clipc_code_range",
              ["{0x%X, 0x%X}," % tuple(r) for r in ranges(what)], comment)
    table("clipc_unicode_graphemes", "clipc_rank_range",
          ["{0x%X, 0x%X, %d}," % tuple(r)
           for r in rank_ranges(grapheme_classes())],
          "Class in grapheme clusters; 0 elsewhere")
    table("clipc_unicode_lower", "clipc_lower_range",
          ["{0x%X, 0x%X, %d, %d}," % tuple(r) for r in low],
          "Lower case: first, first + step, ... last, each + delta")
    table("clipc_unicode_ranks", "clipc_rank_range",
          ["{0x%X, 0x%X, %d}," % tuple(r) for r in rank_ranges(ranks)],
          "Canonical ordering: rank of the combining class; 0 elsewhere")
    table("clipc_unicode_decompositions", "clipc_decomposition",
          ["{0x%X, 0x%X, 0x%X}," % ((c,) + pairs[c]) for c in codes],
          "Canonical decomposition: code, first, second (0: none)")
    table("clipc_unicode_compositions", "uint16_t",
          ["%d," % index[c] for c in composes],
          "Rows of the table above that compose, by (first, second)")
    print("unicode tables: done", file=sys.stderr)


main()
