# SPDX-License-Identifier: MIT
"""Wordings for the pictures of draw.py: one label, many captions."""

COLOUR_WORDS = {
    "red": ("red", "red", "bright red", "dark red", "scarlet"),
    "orange": ("orange", "orange", "bright orange"),
    "yellow": ("yellow", "yellow", "bright yellow", "golden yellow"),
    "green": ("green", "green", "dark green", "emerald green"),
    "blue": ("blue", "blue", "dark blue", "royal blue"),
    "purple": ("purple", "purple", "dark purple", "violet"),
    "pink": ("pink", "pink", "light pink", "rose pink"),
    "white": ("white", "white", "snow white", "cream white"),
    "grey": ("grey", "grey", "gray", "silver grey", "silver"),
    "black": ("black", "black", "jet black", "deep black"),
}
BODY_WORDS = {
    "sedan": ("sedan", "sedan", "saloon", "saloon car", "four-door sedan"),
    "hatchback": ("hatchback", "hatchback", "hatch", "small hatchback",
                  "five-door hatchback"),
    "station wagon": ("station wagon", "station wagon", "estate",
                      "estate car", "wagon", "family estate"),
    "SUV": ("SUV", "SUV", "sport utility vehicle", "off-roader", "4x4",
            "crossover SUV"),
    "pickup truck": ("pickup truck", "pickup truck", "pickup", "pick-up",
                     "crew cab pickup", "truck"),
    "van": ("van", "van", "delivery van", "panel van", "cargo van"),
    "convertible": ("convertible", "convertible", "cabriolet", "cabrio",
                    "open-top car", "roadster"),
    "sports car": ("sports car", "sports car", "supercar", "racing car",
                   "sports coupe"),
}
PLACES = {
    "street": ("on a street", "in town", "on the road", "near some houses"),
    "field": ("in a field", "on the grass", "in a meadow"),
    "beach": ("on a beach", "by the sea", "on the sand"),
    "city at night": ("in the city at night", "at night", "in the dark"),
    "garage": ("in a garage", "in a car park", "in a parking lot"),
    "snow": ("in the snow", "in winter", "on a snowy day"),
    "mountains": ("in the mountains", "on a mountain road"),
    "desert": ("in the desert", "on dry land"),
    "forest": ("in a forest", "in the woods", "among trees"),
    "studio": ("in a studio", "on a plain background"),
}
VIEWS = {
    "side": ("from the side", "in side view"),
    "front": ("from the front", "in front view"),
    "back": ("from behind", "from the back", "in rear view"),
}
FRAMES = (
    "{a}", "the {n}", "a photo of {a}", "a photo of {a}.", "a photo of the {n}.",
    "a photo of my {n}.", "a photo of my new {n}.", "a photo of my old {n}.",
    "a photo of my clean {n}.", "a photo of my dirty {n}.", "i love my {n}!",
    "this is a photo of {a}.", "a picture of {a}", "a picture of the {n}",
    "a drawing of {a}", "an image of {a}", "a rendering of {a}",
    "{a}, parked", "there is {a} here", "this is {a}", "look at this {n}!",
    "someone's {n}", "we've seen {a}", "it's {a}", "a small picture of {a}",
    "a blurry photo of {a}", "a close-up photo of {a}", "one {n}",
    "the car is {a}", "photo: {n}",
)


def with_article(noun):
    return ("an " if noun[0].lower() in "aeio" else "a ") + noun


def caption(rng, picture):
    """A caption of a draw.Picture; one in three is the label itself."""
    if rng.random() < 1 / 3:
        return picture.label
    if rng.random() < .5:
        noun = picture.label
    else:
        noun = (rng.choice(COLOUR_WORDS[picture.colour]) + " "
                + rng.choice(BODY_WORDS[picture.body]))
    frame = rng.choice(FRAMES)
    if rng.random() < .35:
        tail = [PLACES[picture.background], VIEWS[picture.view]]
        rng.shuffle(tail)
        words = [rng.choice(t) for t in tail[:rng.randint(1, 2)]]
        frame = frame.rstrip(".!") + " " + " ".join(words)
    return frame.replace("{a}", with_article(noun)).replace("{n}", noun)
