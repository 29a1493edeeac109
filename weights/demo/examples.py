# SPDX-License-Identifier: MIT
"""Draw the committed pictures of examples/ (480 x 360, no noise).

    python examples.py [--out DIR]
"""
import argparse
import random
from pathlib import Path

from draw import Picture, draw_picture

EXAMPLES = (
    # file, picture, seed
    ("red-convertible.png", Picture("red", "convertible", "front", "beach"), 2),
    ("blue-pickup-truck.png",
     Picture("blue", "pickup truck", "back", "mountains"), 1),
    ("yellow-van.png", Picture("yellow", "van", "front", "street"), 2),
    ("green-sports-car.jpg",
     Picture("green", "sports car", "front", "city at night"), 1),
    ("white-suv.png", Picture("white", "SUV", "back", "harbour"), 5),
    ("purple-station-wagon.png",
     Picture("purple", "station wagon", "side", "snow"), 1),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path,
                        default=Path(__file__).resolve().parent / "examples")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, picture, seed in EXAMPLES:
        rng = random.Random(f"example/{picture.label}/{seed}")
        image = draw_picture(rng, picture, short_side=360, clean=True)
        image.save(out / name, quality=90, optimize=True)


if __name__ == "__main__":
    main()
