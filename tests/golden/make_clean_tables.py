# SPDX-License-Identifier: MIT
"""Makes lib/text/clean_tables.c, and tests/data/clean.json, which
tests/unit/text/test_clean.c reads.

open_clip cleans a text before SigLIP's tokenizer: ftfy.fix_text(), HTML
entities, then white space, punctuation and case. What ftfy repairs depends on
a heuristic about mixed-up encodings. clipc does the last three and refuses a
text that the first two might change. The tables say which texts they never
change: a code point is harmless unless ftfy changes the code point by itself,
unless it may compose with another one, and unless ftfy's heuristic looks at
it. Three kinds are harmless with a condition: a large accented letter not
behind a small letter that the heuristic knows, and a curly quotation mark,
which ftfy makes straight, between ASCII characters.

    /path/to/venv/bin/python tests/golden/make_clean_tables.py

Needs ftfy 6.3.1 and open_clip 3.3.0's functions (copied to no place: the
package open_clip_torch), on Python 3.11. Run from the repository's root. The
script compares its own rules with ftfy on random texts.
"""

import html.entities
import inspect
import json
import random
import string
import sys
import unicodedata

import ftfy
import ftfy.badness

assert ftfy.__version__ == "6.3.1", ftfy.__version__
assert sys.version_info[:2] == (3, 11)
OUT, GOLDEN = "lib/text/clean_tables.c", "tests/data/clean.json"
PLAIN, SMALL, LARGE, SINGLE, DOUBLE = range(5)  # the last two: quotes


def members(name):
    import re
    cls = re.compile("[" + ftfy.badness.MOJIBAKE_CATEGORIES[name] + "]")
    return {c for c in range(0x30000) if cls.match(chr(c))}


def classes():
    """code point -> kind, for those that are harmless."""
    kinds = ftfy.badness.MOJIBAKE_CATEGORIES
    small = members("lower_accented") | members("lower_common")
    large = members("upper_accented")
    looked_at = {c for name in kinds for c in members(name)
                 if name not in ("kaomoji", "upper_common")}
    # Literal characters of the heuristic's expression that are in no class.
    source = inspect.getsource(ftfy.badness)
    source = source[source.index("BADNESS_RE = "):
                    source.index("def sequence_weirdness")]
    literal = {ord(c) for c in source if ord(c) > 0x7F}
    second = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in range(0x110000):
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second.add(int(parts[1], 16))
    # Letters that a pattern of letters alone has.
    risky = {ord(c) for c in "\u00c2\u00c3\u00ce\u00d0\u0152\u0153"
             "\u0160\u0161\u0178\u017e\u0402"}
    out = {}
    for c in range(0x80, 0x110000):
        ch = chr(c)
        if (0xD800 <= c <= 0xDFFF or c in risky or c in second
                or unicodedata.combining(ch)
                or ftfy.fix_text(f"a{ch}a {ch} a") != f"a{ch}a {ch} a"):
            continue
        if c in small or c in large:
            out[c] = LARGE if c in large else SMALL
        elif c not in looked_at and (c not in literal or ch.isalpha()):
            out[c] = PLAIN
    out |= {ord(c): SINGLE for c in "\u2018\u2019\u201a\u201b\u02bc"
            if ftfy.fix_text(f"a{c}a") == "a'a"}
    out |= {c: DOUBLE for c in range(0x201C, 0x2020)
            if ftfy.fix_text(f"a{chr(c)}a") == 'a"a'}
    return out


def harmless(text, known):
    """The rule that lib/text/clean.c follows."""
    before, ascii_before = PLAIN, True
    for i, ch in enumerate(text):
        c, kind = ord(ch), PLAIN
        if c >= 0x80:
            if c not in known:
                return False
            kind = known[c]
        elif (c < 0x20 and ch not in "\t\n\r") or c == 0x7F:
            return False
        elif ch == "&" and is_entity(text[i + 1:i + 40]):
            return False
        if (kind == LARGE and before == SMALL
                or kind >= SINGLE and not ascii_before
                or before >= SINGLE and c >= 0x80):
            return False
        before, ascii_before = kind, c < 0x80
    return True


NAMES = sorted(n for n in html.entities.html5 if not n.endswith(";"))


def is_entity(rest):
    if rest[:1] == "#":
        return True
    n = 0
    while n < min(len(rest), 32) and rest[n] not in "\t\n\f <&#;":
        n += 1
    if n and rest[n:n + 1] == ";":
        return True
    return any(rest[:n].startswith(name) for name in NAMES)


def basic_clean(text):
    text = ftfy.fix_text(text)
    return html.unescape(html.unescape(text)).strip()


def canonicalize(text):
    text = basic_clean(text).replace("_", " ")
    text = text.translate(str.maketrans("", "", string.punctuation)).lower()
    return " ".join(text.split()).strip()


def check(known, count):
    """Random texts: none that the rule allows is changed."""
    rng = random.Random(5)
    codes = sorted(known)
    accented = [c for c in codes if known[c] != PLAIN]
    letters = [c for c in codes if c < 0x530]
    allowed = 0
    for i in range(count):
        pools = (accented, letters, [ord(c) for c in "\u2019\u201c\u201d"], codes, range(0x20, 0x7F), range(0x20, 0x7F),
                 [ord(c) for c in " \t\n\r&;#amplt"])
        text = "".join(chr(rng.choice(rng.choice(pools)))
                       for _ in range(rng.randint(1, 14)))
        if not harmless(text, known):
            continue
        allowed += 1
        fixed = basic_clean(text)
        for c in text:
            if known.get(ord(c), PLAIN) >= SINGLE:
                text = text.replace(c, "'\""[known[ord(c)] - SINGLE])
        if " ".join(fixed.split()) != " ".join(text.split()):
            sys.exit(f"{text!r} becomes {fixed!r}")
    print(f"{count} random texts, {allowed} harmless, none changed")


def write_tables(known):
    ranges = []
    for c in sorted(known):
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == known[c]:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, known[c]])
    with open(OUT, "w", encoding="ascii") as f:
        f.write("/* SPDX-License-Identifier: MIT\n *\n"
                " * clean_tables.c - made by tests/golden/make_clean_tables.py"
                " from ftfy 6.3.1\n * and Python 3.11.\n */\n"
                '#include "text/clean.h"\n\n/* clang-format off */\n'
                "const clipc_clean_range clipc_clean_harmless[] = {\n")
        for i in range(0, len(ranges), 3):
            f.write("   " + "".join(f" {{ 0x{a:04X}, 0x{b:04X}, {k} }},"
                                    for a, b, k in ranges[i:i + 3]) + "\n")
        f.write("};\nconst size_t clipc_n_clean_harmless =\n    sizeof "
                "clipc_clean_harmless / sizeof *clipc_clean_harmless;\n\n"
                "const char *const clipc_clean_entities[] = {\n")
        line = "   "
        for name in NAMES:
            if len(line) + len(name) > 74:
                f.write(line + "\n")
                line = "   "
            line += f' "{name}",'
        f.write(line + "\n};\nconst size_t clipc_n_clean_entities =\n    "
                "sizeof clipc_clean_entities / sizeof *clipc_clean_entities;"
                "\n/* clang-format on */\n")
    print(f"{OUT}: {len(ranges)} ranges, {len(NAMES)} entities")


TEXTS = [
    "", " ", "a photo of a cat", "  A\tPhoto\n of_a  Cat!! ", "it's 3.14",
    "Z\u00fcrich", "caf\u00e9 \u00c9t\u00e9", "\u00d1and\u00fa",
    "\u041c\u043e\u0441\u043a\u0432\u0430", "\u65e5\u672c\u8a9e \u306e",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3", "\u0130stanbul",
    "R&D AT&T salt & pepper", "a&b;c", "&amp", "x&ltd", "&#65;", "&#x41",
    "\u201cquoted\u201d", "it\u2019s", "\ufb01ne", "\uff21", "e\u0301",
    "\u00e9\u00c9", "\u00c3\u00a9", "\u00a9 2012", "5 \u20ac", "\x0b", "\x7f",
    "a\x1b[31mb", "\U0001f642 smile", "\u0153uvre", "\u0628\u064e",
    "\u0928\u092e\u0938\u094d\u0924\u0947", "_", "!?", "a\u00a0b",
    "\u3000x\u2003y", "K\u212a", "<b>Bold</b> &amp;",
]


def main():
    known = classes()
    check(known, 400000)
    write_tables(known)
    golden = []
    for text in TEXTS:
        good = harmless(text, known)
        row = {"text": text, "harmless": good}
        if good:
            row["canonicalize"] = canonicalize(text)
            row["whitespace"] = " ".join(basic_clean(text).split()).strip()
            row["lower"] = row["whitespace"].lower()
        golden.append(row)
    with open(GOLDEN, "w", encoding="ascii") as f:
        json.dump(golden, f, indent=0)
        f.write("\n")
    print(f"{GOLDEN}: {sum(r['harmless'] for r in golden)} harmless of "
          f"{len(golden)}")


if __name__ == "__main__":
    main()
