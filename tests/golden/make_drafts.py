# SPDX-License-Identifier: MIT
"""Makes tests/data/images/drafts.tsv: what Pillow's Image.draft() and the image
processors make of the JPEGs in tests/data/images/pictures, read by
tests/unit/image/test_draft.c. A line: name, orientation to put in place of the
file's (0: none is applied), rule, width and height that the resize makes, scale
of the draft, hash of the 8-bit pixels.

The rules: "crop" has the shortest edge and its square in the middle, "squash"
both sides. Pillow 13.0.0, transformers 5.24 (CLIPImageProcessorPil), NumPy 2:

    /path/to/venv/bin/python tests/golden/make_drafts.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt. The output is committed."""

import io
import os

from PIL import Image, ImageOps

import make_images as images

TRANSPOSING = (5, 6, 7, 8)


def row(name, data, orientation, rule, width, height):
    if orientation:
        data = data.replace(images.oriented(1), images.oriented(orientation))
    image = Image.open(io.BytesIO(data))
    full = image.size
    asked = 2 * width, 2 * height
    image.draft("RGB", asked[::-1] if orientation in TRANSPOSING else asked)
    image.load()
    scale = next(s for s in (1, 2, 4, 8)
                 if image.size == tuple(-(-n // s) for n in full))
    if orientation:
        image = ImageOps.exif_transpose(image)
    size = ({"shortest_edge": width} if rule == "crop"
            else {"height": height, "width": width})
    pixels = images.process(image.convert("RGB"), size=size,
                            do_center_crop=rule == "crop",
                            crop_size={"height": height, "width": width})
    return "\t".join([name, str(orientation), rule, str(width), str(height),
                      str(scale), images.digest(pixels.tobytes())])


def main():
    folder = f"{images.OUT}/pictures"
    lines = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".jpg"):
            continue
        with open(f"{folder}/{name}", "rb") as file:
            data = file.read()
        width, height = Image.open(io.BytesIO(data)).size
        # Targets around those at which the scale changes.
        short = min(width, height)
        sides = {max(1, short // (2 * s) + more) for s in (1, 2, 4, 8)
                 for more in (0, 1)}
        for side in sorted(sides):
            lines.append(row(name, data, 0, "crop", side, side))
        for w, h in ((3, 4), (2, 1)):
            lines.append(row(name, data, 0, "squash", w, h))
        if name == "exif.jpg":
            for orientation in range(1, 9):
                for w, h in ((3, 20), (20, 3)):
                    lines.append(row(name, data, orientation, "squash", w, h))
    with open(f"{images.OUT}/drafts.tsv", "w", encoding="ascii") as file:
        file.write("# made by tests/golden/make_drafts.py: name, orientation, "
                   "rule, width, height, scale, hash of the pixels\n")
        file.writelines(line + "\n" for line in lines)


if __name__ == "__main__":
    main()
