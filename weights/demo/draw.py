# SPDX-License-Identifier: MIT
"""Draw the pictures the demo model learns from: small 3-D cars in scenes.

A car is a few lofted boxes (lower body, cabin) with wheels, windows and lights,
seen through a pinhole camera, shaded by one light and painted back to front.
Everything is chosen by the random.Random passed in, so that a seed gives the
same picture again.  Units are metres: x to the nose, y to the left, z up.

    python draw.py sheet.png [seed]      a contact sheet: bodies x views
"""
import io
import math
import random
import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLOURS = {
    "red": (196, 22, 28), "orange": (240, 118, 12), "yellow": (244, 212, 28),
    "green": (28, 132, 58), "blue": (28, 78, 196), "purple": (108, 44, 156),
    "pink": (242, 132, 182), "white": (242, 242, 240), "grey": (124, 127, 131),
    "black": (26, 26, 29),
}
TRAINED_BACKGROUNDS = ("street", "field", "beach", "city at night", "garage",
                       "snow", "mountains", "desert", "forest", "studio")
HELD_OUT_BACKGROUNDS = ("harbour", "brick wall")
TRAINED_VIEWS = ("side", "front", "back")
HELD_OUT_VIEW = "above"


@dataclass(frozen=True)
class Body:
    """Shape of one body type; x positions are fractions, tail 0 to nose 1."""
    length: float
    width: float
    sill: float             # height of the lower edge
    wheel: float            # radius
    axles: tuple            # x of the rear and front wheels
    top: tuple              # (x, z) outline of the lower body, tail to nose
    cabin: tuple            # x: base rear, roof rear, roof front, base front
    roof: float             # height; 0: no cabin
    panes: tuple            # (from, to) of each side window
    extra: tuple = ()       # "rails" "spare" "cladding" "bed" "open" "wing"


BODIES = {
    "sedan": Body(
        4.7, 1.80, .26, .33, (.20, .81),
        ((0, .80), (.03, .96), (.20, 1.0), (.70, .97), (.93, .82), (1, .62)),
        (.12, .29, .56, .73), 1.46, ((.10, .46), (.50, .93))),
    "hatchback": Body(
        3.5, 1.70, .26, .32, (.16, .83),
        ((0, .78), (.03, .98), (.35, 1.0), (.76, .98), (.94, .86), (1, .62)),
        (.015, .15, .56, .82), 1.55, ((.16, .50), (.54, .94))),
    "station wagon": Body(
        5.0, 1.82, .26, .33, (.20, .81),
        ((0, .80), (.02, .97), (.30, 1.0), (.70, .97), (.93, .82), (1, .62)),
        (.01, .055, .56, .73), 1.50, ((.04, .28), (.31, .57), (.60, .95)),
        ("rails",)),
    "SUV": Body(
        4.5, 1.92, .46, .42, (.19, .81),
        ((0, .95), (.02, 1.15), (.35, 1.16), (.74, 1.16), (.95, 1.08),
         (1, .80)),
        (.015, .035, .62, .74), 1.94, ((.05, .28), (.32, .60), (.64, .95)),
        ("rails", "spare", "cladding")),
    "pickup truck": Body(
        5.3, 1.92, .46, .41, (.20, .82),
        ((0, .95), (.015, 1.12), (.35, 1.12), (.76, 1.12), (.96, 1.04),
         (1, .80)),
        (.46, .49, .65, .76), 1.84, ((.10, .92),), ("bed",)),
    "van": Body(
        5.0, 1.98, .30, .35, (.20, .83),
        ((0, .90), (.01, 1.08), (.35, 1.10), (.85, 1.10), (.96, .98),
         (1, .64)),
        (.005, .012, .74, .93), 2.25, ((.76, .95),)),
    "convertible": Body(
        4.3, 1.78, .24, .33, (.19, .81),
        ((0, .76), (.03, .92), (.25, .95), (.68, .93), (.93, .78), (1, .58)),
        (.28, .32, .56, .68), 0, (), ("open",)),
    "sports car": Body(
        4.4, 1.92, .18, .34, (.18, .81),
        ((0, .70), (.03, .88), (.25, .88), (.62, .80), (.86, .70), (.96, .54),
         (1, .38)),
        (.08, .34, .47, .68), 1.12, ((.30, .92),), ("wing",)),
}
LABELS = [f"{colour} {body}" for body in BODIES for colour in COLOURS]

GLASS = (58, 72, 88)
TYRE = (24, 24, 26)
DARK = (18, 18, 20)


@dataclass
class Picture:
    """What a picture shows; draw_picture fills the rest of the scene."""
    colour: str
    body: str
    view: str
    background: str

    @property
    def label(self):
        return f"{self.colour} {self.body}"


def random_picture(rng, index=None, backgrounds=TRAINED_BACKGROUNDS,
                   views=TRAINED_VIEWS):
    """A scene; with index, labels are taken in turn instead of at random."""
    label = LABELS[index % len(LABELS)] if index is not None \
        else rng.choice(LABELS)
    colour, body = label.split(" ", 1)
    return Picture(colour, body, rng.choice(views), rng.choice(backgrounds))


def mix(a, b, t):
    return tuple(x + (y - x) * t for x, y in zip(a, b))


def random_rgb(rng, low=0, high=255):
    return tuple(rng.randint(low, high) for _ in range(3))


def to_rgb8(colour):
    return tuple(min(255, max(0, int(c))) for c in colour)


# ---------------------------------------------------------------- the camera

class Camera:
    """Pinhole camera around the car, then a scaling into the picture."""

    def __init__(self, azimuth, elevation, distance):
        ca, sa = math.cos(azimuth), math.sin(azimuth)
        ce, se = math.cos(elevation), math.sin(elevation)
        target = np.array([0, 0, .7])
        self.eye = target + distance * np.array([ca * ce, sa * ce, se])
        forward = (target - self.eye) / distance
        right = np.array([-sa, ca, 0.])
        self.axes = np.stack([right, np.cross(right, forward), forward])
        self.scale, self.shift = 1., np.zeros(2)
        self.horizon = -math.tan(elevation)

    def project(self, points):
        """[N, 3] world points to [N, 2] picture positions, y downwards."""
        p = (np.asarray(points, float) - self.eye) @ self.axes.T
        flat = np.stack([p[:, 0], -p[:, 1]], 1) / np.maximum(p[:, 2:], .1)
        return flat * self.scale + self.shift

    def fit(self, points, width, height, centre, ground):
        """Scale so that the points are `width` wide (or `height` high, where
        that is less), centred, with their lowest on `ground`."""
        flat = self.project(points)
        low, high = flat.min(0), flat.max(0)
        self.scale = min(width / (high[0] - low[0]),
                         height / (high[1] - low[1]))
        self.shift = np.array([centre - self.scale * (low[0] + high[0]) / 2,
                               ground - self.scale * high[1]])
        self.horizon = self.horizon * self.scale + self.shift[1]

    def faces(self, normal, point):
        """Does a polygon with this normal, through this point, face us?"""
        return sum(n * (e - p) for n, e, p
                   in zip(normal, self.eye, point)) > 0


def normal_of(points):
    """Unit normal of a polygon, towards who sees it counter-clockwise."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[:3]
    ux, uy, uz, vx, vy, vz = (bx - ax, by - ay, bz - az,
                              cx - ax, cy - ay, cz - az)
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(x * x + y * y + z * z) + 1e-9
    return x / length, y / length, z / length


class Painter:
    """Fills polygons given in world positions, shaded by the scene's light."""

    def __init__(self, draw, camera, light, ambient, tint):
        self.draw, self.camera = draw, camera
        self.light, self.ambient, self.tint = light, ambient, tint

    def shade(self, colour, normal):
        diffuse = max(0., sum(n * k for n, k in zip(normal, self.light)))
        level = self.ambient + (1.08 - self.ambient) * diffuse
        lit = tuple(c * level * t for c, t in zip(colour, self.tint))
        return mix(lit, (225, 232, 240), .10 * max(0., normal[2]))

    def fill(self, points, colour):
        flat = self.camera.project(points)
        self.draw.polygon([tuple(p) for p in flat], fill=to_rgb8(colour))

    def line(self, points, colour, width):
        flat = [tuple(p) for p in self.camera.project(points)]
        pixels = max(1, round(width * self.camera.scale
                              / np.linalg.norm(self.camera.eye)))
        self.draw.line(flat, fill=to_rgb8(colour), width=pixels)

    def face(self, points, colour):
        """Fill a polygon when its outside is visible; says whether it was."""
        normal = normal_of(points)
        if not self.camera.faces(normal, points[0]):
            return False
        self.fill(points, self.shade(colour, normal))
        return True

    def plain(self, points, colour):
        """Like fill, with the light's tint and a mean level (no normal)."""
        self.fill(points, [c * t * (self.ambient + 1) / 2
                           for c, t in zip(colour, self.tint)])


# ------------------------------------------------------------------- the car

def disc(x, y, z, radius, n=18):
    """A wheel-like circle facing sideways."""
    a = np.arange(n) * 2 * math.pi / n
    return np.stack([x + radius * np.cos(a), np.full(n, y),
                     z + radius * np.sin(a)], 1)


def vary(rng, body):
    """The same body type, a little longer, lower, wider... than the table."""
    k = [rng.uniform(.95, 1.05) for _ in range(4)]
    shift = rng.uniform(-.012, .012)
    c = body.cabin
    return Body(body.length * k[0], body.width * k[1], body.sill,
                body.wheel * k[2], body.axles,
                tuple((x, z * k[3]) for x, z in body.top),
                (c[0], c[1] + shift * (c[1] - c[0] > .1), c[2] + shift,
                 c[3] + shift), body.roof * k[3],
                body.panes, body.extra)


class Car:
    def __init__(self, rng, body, colour):
        self.rng = rng
        self.body = body = vary(rng, body)
        self.colour = tuple(c * rng.uniform(.93, 1.07) + rng.uniform(-6, 6)
                            for c in colour)
        self.half = body.width / 2
        self.rim = rng.choice([(196, 198, 202), (150, 152, 156), (90, 90, 94)])
        self.glass = mix(GLASS, random_rgb(rng, 20, 150), .25)
        self.lamp = mix((250, 246, 220), (200, 214, 228), rng.random())
        self.trim = rng.random() < .5      # dark bumpers
        self.spokes = rng.choice([5, 6, 8])

    def x(self, fraction):
        return (fraction - .5) * self.body.length

    def beltline(self, fraction):
        xs, zs = zip(*self.body.top)
        return float(np.interp(fraction, xs, zs))

    def half_width(self, fraction):
        """Plan view: the ends of the car are narrower than its middle."""
        end = min(fraction, 1 - fraction)
        return self.half * (1 - .13 * max(0., 1 - end / .12) ** 2)

    def outline(self):
        """Points that bound the car, for Camera.fit."""
        h, r = self.half, max(self.body.roof, 1.2)
        points = [(self.x(f), s * h, z) for f in (0, 1) for s in (-1, 1)
                  for z in (0, self.beltline(f))]
        for f in self.body.cabin[1:3]:
            points += [(self.x(f), s * h * .8, r) for s in (-1, 1)]
        return points

    def paint(self, p):
        near = 1 if p.camera.eye[1] > 0 else -1
        nose_visible = p.camera.eye[0] > 0
        extra = self.body.extra
        self.wheels(p, -near)
        self.lower_body(p)
        self.wheels(p, near)
        if "bed" in extra:
            self.bed(p)
        if "open" in extra:
            self.open_cockpit(p, nose_visible)
            return
        if "wing" in extra and nose_visible:
            self.wing(p)
        self.cabin(p, near)
        if "wing" in extra and not nose_visible:
            self.wing(p)

    def lower_body(self, p):
        body, colour = self.body, self.colour
        stations = sorted({f for f, _ in body.top} | {.06, .12, .88, .94})
        low_colour = mix(colour, DARK, .85) if "cladding" in body.extra \
            else mix(colour, DARK, .12)
        rows = []
        for f in stations:
            top = self.beltline(f)
            middle = body.sill + (top - body.sill) * (
                .30 if "cladding" in body.extra else .55)
            w = self.half_width(f)
            rows.append([(self.x(f), w * .95, body.sill),
                         (self.x(f), w, middle), (self.x(f), w * .92, top)])
        flip = [[(x, -y, z) for x, y, z in row] for row in rows]
        for a, b, c, d in zip(rows, rows[1:], flip, flip[1:]):
            p.face([b[2], a[2], c[2], d[2]], colour)      # top
        for rows_, sign in ((rows, 1), (flip, -1)):
            for a, b in zip(rows_, rows_[1:]):
                for i, paint in ((0, low_colour), (1, colour)):
                    quad = [b[i], a[i], a[i + 1], b[i + 1]]
                    p.face(quad if sign > 0 else quad[::-1], paint)
        self.end(p, rows[-1], flip[-1], low_colour, True)
        self.end(p, flip[0], rows[0], low_colour, False)

    def end(self, p, left, right, low_colour, nose):
        """Nose or tail: two bands, lamps, grille or boot, number plate."""
        bumper = mix(low_colour, DARK, .75 if self.trim else .1)
        p.face([right[0], left[0], left[1], right[1]], bumper)
        if not p.face([right[1], left[1], left[2], right[2]], self.colour):
            return
        x = left[0][0] + (.02 if nose else -.02)
        w, low, middle, high = left[1][1], left[0][2], left[1][2], left[2][2]

        def box(y0, y1, z0, z1, colour):
            p.plain([(x, y0 * w, z0), (x, y1 * w, z0), (x, y1 * w, z1),
                     (x, y0 * w, z1)], colour)

        band = high - middle
        lamp = self.lamp if nose else (190, 20, 24)
        tall = not nose and self.body.roof > 1.6
        for s in (-1, 1):
            box(s * .62, s * .98, middle - (.1 if tall else 0),
                middle + .85 * band, lamp)
        if nose:
            box(-.5, .5, middle - .05, middle + .6 * band, DARK)
            box(-.4, .4, low + .04, low + .12, DARK)
        box(-.26, .26, *((low + .14, low + .25) if nose
                         else (middle - .12, middle + .02)), (236, 236, 230))
        if not nose and "spare" in self.body.extra:
            a = np.arange(20) * 2 * math.pi / 20
            for radius, paint in ((.36, TYRE), (.24, self.colour)):
                p.plain(np.stack([np.full(20, x - .12),
                                  .1 + radius * np.cos(a),
                                  middle + .38 + radius * np.sin(a)], 1),
                        paint)

    def wheels(self, p, side):
        body = self.body
        for f in body.axles:
            x, r = self.x(f), body.wheel
            y = side * self.half_width(f)
            visible = p.camera.eye[1] * side > 0
            if visible:
                arch = disc(x, y * 1.004, r, r * 1.17)
                arch[:, 2] = np.maximum(arch[:, 2], body.sill)
                p.plain(arch, DARK)
            for inset in (.22, .14, .07, 0):
                p.plain(disc(x, y - side * inset, r, r), TYRE)
            if visible:
                p.plain(disc(x, y * 1.002, r, r * .66), self.rim)
                for k in range(self.spokes):
                    a = 2 * math.pi * k / self.spokes
                    p.line([(x, y, r), (x + r * .6 * math.cos(a), y,
                                        r + r * .6 * math.sin(a))], TYRE, .03)
                p.plain(disc(x, y, r, r * .16), (120, 120, 124))

    def cabin(self, p, near):
        body = self.body
        rear, roof_rear, roof_front, front = body.cabin
        slant = .80 if body.roof < 2 else .90
        w0 = min(self.half * .92, self.half_width(rear) * .96)
        w1 = self.half * slant

        def corner(f, roof, side):
            if roof:
                return np.array([self.x(f), side * w1, body.roof])
            return np.array([self.x(f), side * w0, self.beltline(f) - .01])

        def patch(quad, outline):
            """Points of a quad: u along its first edge, v up."""
            a, b, c, d = quad
            return [(1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)
                    for u, v in outline]

        def glazed(quad, panes):
            if not p.face(quad, self.colour):
                return
            normal = normal_of(quad)
            for u0, u1 in panes:
                pane = patch(quad, [(u0, .08), (u1, .08), (u1, .86),
                                    (u0, .86)])
                p.fill(pane, p.shade(self.glass, normal))
                sheen = patch(quad, [(u0 + (u1 - u0) * .2, .1),
                                     (u0 + (u1 - u0) * .4, .1),
                                     (u0 + (u1 - u0) * .7, .84),
                                     (u0 + (u1 - u0) * .5, .84)])
                p.fill(sheen, mix(p.shade(self.glass, normal),
                                  (235, 240, 245), .22))

        right = [corner(rear, 0, -1), corner(front, 0, -1),
                 corner(roof_front, 1, -1), corner(roof_rear, 1, -1)]
        left = [corner(front, 0, 1), corner(rear, 0, 1),
                corner(roof_rear, 1, 1), corner(roof_front, 1, 1)]
        screen = [corner(front, 0, -1), corner(front, 0, 1),
                  corner(roof_front, 1, 1), corner(roof_front, 1, -1)]
        back = [corner(rear, 0, 1), corner(rear, 0, -1),
                corner(roof_rear, 1, -1), corner(roof_rear, 1, 1)]
        roof = [right[3], right[2], left[3], left[2]]
        van = body.roof > 2
        glazed(back, ((.08, .47), (.53, .92)) if van else ((.08, .92),))
        glazed(screen, ((.05, .95),))
        p.face(roof, self.colour)
        glazed(right, body.panes)
        glazed(left, [(1 - b, 1 - a) for a, b in body.panes])
        if near > 0:
            side, u = left, lambda f: 1 - (f - rear) / (front - rear)
        else:
            side, u = right, lambda f: (f - rear) / (front - rear)
        self.doors(p, near)
        mirror = patch(side, [(u(front - .09), .05)])[0]
        m = np.array([.10, 0, .09])
        p.plain([mirror - m, mirror + m * (1, 1, -1), mirror + m,
                 mirror + m * (-1, 1, 1)], mix(self.colour, DARK, .3))
        if "rails" in body.extra:
            for s in (-near, near):
                a, b = corner(roof_rear, 1, s), corner(roof_front, 1, s)
                up = np.array([0, 0, .09])
                p.line([a + up, b + up], (96, 98, 102), .05)
                for t in (.05, .5, .95):
                    q = a + (b - a) * t
                    p.line([q, q + up], (96, 98, 102), .05)

    def doors(self, p, near):
        """Door seams and handles on the near side."""
        body = self.body
        rear, _, _, front = body.cabin
        y = near * self.half * 1.003
        seam = mix(self.colour, DARK if sum(self.colour) > 160
                   else (90, 90, 94), .5)
        cuts = [front - .05, (rear + front) / 2 + .03]
        if len(body.panes) > 1 and front - rear > .45:
            cuts.append(max(rear + .1, body.axles[0] + .09))
        if body.roof > 2:
            cuts = [front - .08, front - .28]
        for f in cuts:
            top = self.beltline(f)
            p.line([(self.x(f), y, body.sill + .08),
                    (self.x(f), y, body.sill + (top - body.sill) * .55),
                    (self.x(f), y * .93, top)], seam, .025)
        for f in cuts[1:]:
            z = body.sill + (self.beltline(f) - body.sill) * .72
            p.line([(self.x(f + .02), y * .97, z),
                    (self.x(f + .06), y * .97, z)], seam, .045)

    def bed(self, p):
        """The open load bed of a pickup."""
        x0, x1 = self.x(.03), self.x(self.body.cabin[0] - .015)
        z, w, floor = self.beltline(.2) + .005, self.half * .82, .75
        opening = [(x0, -w, z), (x1, -w, z), (x1, w, z), (x0, w, z)]
        p.plain(opening, (34, 34, 36))
        eye = p.camera.eye
        wall = mix(self.colour, DARK, .45)
        far = -w if eye[1] > 0 else w
        if eye[2] > z:
            deep = min(.3, (z - floor) * .8)
            p.plain([(x0, far, z), (x1, far, z), (x1, far, z - deep),
                     (x0, far, z - deep)], wall)

    def open_cockpit(self, p, nose_visible):
        """Convertible: no roof, seats and a windscreen."""
        rear, _, roof_front, front = self.body.cabin
        w, z = self.half * .80, self.beltline(.45) + .01
        p.plain([(self.x(rear), -w, z), (self.x(front), -w, z),
                 (self.x(front), w, z), (self.x(rear), w, z)], (30, 26, 26))
        p.plain([(self.x(rear - .03), -w * .95, z + .02),
                 (self.x(rear), -w * .95, z + .06),
                 (self.x(rear), w * .95, z + .06),
                 (self.x(rear - .03), w * .95, z + .02)], (40, 38, 40))
        seat = self.rng.choice([(40, 36, 36), (120, 84, 52), (196, 180, 150)])

        def seats():
            for side in sorted((-.42, .42), key=lambda s: s * p.camera.eye[1]):
                for f in (.36, .48) if nose_visible else (.48, .36):
                    y, x = side * self.half, self.x(f)
                    for dx in (-.06, .06):
                        p.plain([(x + dx, y - .22, z - .02),
                                 (x + dx, y + .22, z - .02),
                                 (x + dx - .05, y + .17, z + .24),
                                 (x + dx - .05, y - .17, z + .24)],
                                mix(seat, DARK, .25 if dx < 0 else 0))

        def windscreen():
            base = self.x(front)
            top = self.x(roof_front + .03)
            height = z + .38
            quad = [(base, -w, z - .03), (base, w, z - .03),
                    (top, w * .88, height), (top, -w * .88, height)]
            p.plain(quad, mix(self.glass, (200, 210, 220), .25))
            p.line([quad[1], quad[2], quad[3], quad[0]],
                   mix(self.colour, DARK, .3), .06)

        for part in ((seats, windscreen) if nose_visible
                     else (windscreen, seats)):
            part()
        self.doors(p, 1 if p.camera.eye[1] > 0 else -1)

    def wing(self, p):
        """Rear spoiler of the sports car."""
        x0, x1, w = self.x(.0), self.x(.075), self.half * .88
        z = self.beltline(.05)
        for s in (-.6, .6):
            p.plain([(x0 + .05, s * w, z), (x1, s * w, z),
                     (x1, s * w, z + .22), (x0 + .05, s * w, z + .22)], DARK)
        colour = mix(self.colour, DARK, .2)
        p.plain([(x0, -w, z + .20), (x1, -w, z + .20), (x1, w, z + .20),
                 (x0, w, z + .20)], colour)
        p.plain([(x0, -w, z + .20), (x0, w, z + .20), (x0, w, z + .27),
                 (x0, -w, z + .27)], self.colour)


# ------------------------------------------------------------ the background

class Scene:
    """A background with its ground and objects; h is the horizon in pixels."""

    def __init__(self, rng, image, horizon):
        self.rng, self.image = rng, image
        self.draw = ImageDraw.Draw(image)
        self.w, self.h = image.size
        self.horizon = horizon
        self.night = False

    def rect(self, x0, y0, x1, y1, colour):
        if x1 > x0 and y1 > y0:
            self.draw.rectangle((x0, y0, x1, y1), fill=to_rgb8(colour))

    def gradient(self, y0, y1, top, bottom):
        steps = 24
        for i in range(steps):
            a, b = y0 + (y1 - y0) * i / steps, y0 + (y1 - y0) * (i + 1) / steps
            self.rect(0, a, self.w, b, mix(top, bottom, i / steps))

    def sky(self):
        r = self.rng
        kind = r.random()
        if kind < .5:
            top, low = (70, 130, 205), (190, 214, 236)
        elif kind < .7:
            top, low = (150, 156, 164), (206, 208, 210)
        elif kind < .9:
            top, low = (86, 72, 130), (246, 160, 96)
        else:
            top, low = random_rgb(r, 60, 230), random_rgb(r, 120, 250)
        self.gradient(0, self.horizon, top, low)
        if kind < .5:
            for _ in range(r.randint(0, 4)):
                x, y = r.uniform(0, self.w), r.uniform(0, self.horizon * .8)
                s = self.w * r.uniform(.04, .12)
                self.draw.ellipse((x - s, y - s * .35, x + s, y + s * .35),
                                  fill=(240, 243, 246))

    def ground(self, colour, spots=None, n=60):
        r = self.rng
        self.gradient(self.horizon, self.h, mix(colour, (255, 255, 255), .12),
                      mix(colour, (0, 0, 0), .15))
        for _ in range(n if spots else 0):
            y = r.uniform(self.horizon, self.h)
            s = self.w * .03 * (y - self.horizon + 2) / (self.h - self.horizon)
            x = r.uniform(0, self.w)
            self.rect(x - s, y - s * .25, x + s, y + s * .25, spots)

    def houses(self, lit=False):
        r, x = self.rng, -self.w * .1
        while x < self.w:
            w = self.w * r.uniform(.12, .3)
            top = self.horizon - self.h * r.uniform(.12, .55)
            wall = mix(random_rgb(r, 40, 235), (120, 110, 100), .3)
            if lit:
                wall = mix(wall, (14, 16, 30), .8)
            self.rect(x, top, x + w, self.horizon + 1, wall)
            n, m = r.randint(2, 4), r.randint(2, 5)
            on = (250, 222, 140)
            for i in range(n):
                for j in range(m):
                    pane = on if lit and r.random() < .5 else \
                        mix(wall, (20, 28, 40), .55)
                    px = x + w * (i + .25) / n
                    py = top + (self.horizon - top) * (j + .2) / m
                    self.rect(px, py, px + w * .5 / n,
                              py + (self.horizon - top) * .5 / m, pane)
            x += w * r.uniform(1, 1.2)

    def road(self, colour=None):
        r = self.rng
        colour = colour or (r.randint(70, 120),) * 3
        top = self.horizon + (self.h - self.horizon) * r.uniform(.1, .3)
        self.rect(0, top, self.w, self.h, colour)
        if r.random() < .6:
            y = self.h - (self.h - top) * r.uniform(.05, .2)
            t = self.h * .012
            for k in range(-1, 6):
                x = self.w * (k / 5 + r.uniform(0, .02))
                self.rect(x, y, x + self.w * .1, y + t, (232, 228, 205))

    def tree(self, x, size, fir=False):
        r = self.rng
        y = self.horizon + self.h * .02
        leaf = mix((40, 110, 45), random_rgb(r, 10, 190), .3)
        self.rect(x - size * .05, y - size * .5, x + size * .05, y,
                  (92, 66, 44))
        if fir:
            for k in range(3):
                w, t = size * (.32 - .07 * k), y - size * (.25 + .25 * k)
                self.draw.polygon([(x - w, t), (x + w, t),
                                   (x, t - size * .4)], fill=to_rgb8(leaf))
        else:
            for dx, dy, s in ((-.2, .6, .26), (.2, .6, .26), (0, .8, .3)):
                cx, cy, s = x + dx * size, y - dy * size, s * size
                self.draw.ellipse((cx - s, cy - s, cx + s, cy + s),
                                  fill=to_rgb8(leaf))

    def trees(self, n, fir=False, scale=1.):
        for _ in range(n):
            self.tree(self.rng.uniform(0, self.w),
                      self.h * self.rng.uniform(.15, .45) * scale, fir)

    def hills(self, colour, height, peaks=5):
        r = self.rng
        xs = np.linspace(-.1, 1.1, peaks * 2 + 1) * self.w
        points = [(x, self.horizon - self.h * height
                   * (r.uniform(.6, 1) if i % 2 else r.uniform(.05, .4)))
                  for i, x in enumerate(xs)]
        self.draw.polygon(points + [(self.w * 1.1, self.horizon + 1),
                                    (-self.w * .1, self.horizon + 1)],
                          fill=to_rgb8(colour))

    def distractors(self):
        """Coloured things that are no cars, so that colour alone misleads."""
        r = self.rng
        for _ in range(r.randint(0, 4)):
            colour = r.choice(list(COLOURS.values())) if r.random() < .7 \
                else random_rgb(r)
            colour = mix(colour, random_rgb(r), .15)
            if self.night:
                colour = mix(colour, (10, 12, 24), .4)
            x = r.uniform(-.05, 1) * self.w
            y = self.horizon + self.h * r.uniform(-.02, .06)
            w, h = self.w * r.uniform(.04, .26), self.h * r.uniform(.06, .36)
            kind = r.choice(["box", "sunshade", "sign", "balloon", "banner"])
            if kind == "box":
                self.rect(x, y - h, x + w, y, colour)
            elif kind == "sunshade":
                self.rect(x - 1, y - h, x + 1, y, (90, 84, 80))
                self.draw.pieslice((x - w * .7, y - h * 1.3, x + w * .7,
                                    y - h * .5), 180, 360,
                                   fill=to_rgb8(colour))
            elif kind == "sign":
                self.rect(x - 1, y - h * 1.4, x + 1, y, (120, 120, 124))
                self.rect(x - w * .4, y - h * 1.8, x + w * .4, y - h * 1.1,
                          colour)
            elif kind == "balloon":
                y -= h * 1.5
                self.draw.ellipse((x - w * .4, y - w * .5, x + w * .4,
                                   y + w * .5), fill=to_rgb8(colour))
            else:
                self.rect(x, y - h * 1.6, x + w * 1.6, y - h * 1.2, colour)

    def paint(self, kind):
        r = self.rng
        if kind == "street":
            self.sky()
            self.houses()
            self.ground(mix((150, 146, 140), random_rgb(r), .15))
            self.road()
            self.trees(r.randint(0, 3))
        elif kind == "field":
            self.sky()
            self.hills(mix((96, 140, 90), random_rgb(r), .2), .12)
            grass = mix(r.choice([(96, 150, 60), (190, 170, 80),
                                  (140, 160, 70)]), random_rgb(r), .1)
            self.ground(grass, r.choice(list(COLOURS.values()))
                        if r.random() < .5 else mix(grass, DARK, .3))
            self.trees(r.randint(0, 5))
        elif kind == "beach":
            self.sky()
            sea = self.horizon - self.h * r.uniform(.05, .15)
            self.rect(0, sea, self.w, self.horizon + 1,
                      mix((30, 120, 170), random_rgb(r), .2))
            self.ground(mix((226, 204, 152), random_rgb(r), .1),
                        (200, 176, 128))
        elif kind == "city at night":
            self.night = True
            self.gradient(0, self.horizon, (8, 10, 26), (46, 36, 70))
            self.houses(lit=True)
            self.ground((40, 40, 50))
            for _ in range(r.randint(2, 7)):
                x, y = r.uniform(0, self.w), r.uniform(.2, 1) * self.horizon
                s = self.w * r.uniform(.01, .03)
                self.draw.ellipse((x - s, y - s, x + s, y + s),
                                  fill=to_rgb8(random_rgb(r, 120, 255)))
        elif kind == "garage":
            wall = mix((170, 168, 164), random_rgb(r), .25)
            self.gradient(0, self.horizon, mix(wall, DARK, .3), wall)
            self.ground(mix((128, 126, 124), random_rgb(r), .1))
            stripe = r.choice(list(COLOURS.values()))
            self.rect(0, self.horizon * .8, self.w, self.horizon * .9, stripe)
            for k in range(r.randint(1, 4)):
                x = r.uniform(0, self.w)
                self.rect(x, 0, x + self.w * .06, self.horizon + self.h * .03,
                          mix(wall, DARK, .25))
        elif kind == "snow":
            self.sky()
            self.hills((206, 214, 226), .25)
            self.ground((232, 236, 242), (212, 220, 232))
            self.trees(r.randint(1, 6), fir=True)
        elif kind == "mountains":
            self.sky()
            self.hills(mix((110, 116, 140), random_rgb(r), .2), .5, 4)
            self.hills(mix((86, 104, 96), random_rgb(r), .2), .28, 5)
            self.ground(mix((126, 128, 104), random_rgb(r), .2))
            self.road()
        elif kind == "desert":
            self.sky()
            self.hills(mix((190, 120, 80), random_rgb(r), .15), .3, 3)
            self.ground(mix((214, 164, 104), random_rgb(r), .12),
                        (180, 130, 84))
        elif kind == "forest":
            self.gradient(0, self.horizon, (40, 70, 44), (84, 120, 70))
            for _ in range(14):
                x = r.uniform(0, self.w)
                w = self.w * r.uniform(.01, .04)
                self.rect(x, 0, x + w, self.horizon + self.h * .03,
                          mix((80, 60, 44), random_rgb(r, 0, 120), .3))
            self.ground(mix((96, 100, 62), random_rgb(r), .2), (120, 92, 52))
            self.road(mix((134, 116, 92), random_rgb(r), .15))
        elif kind == "studio":
            a, b = random_rgb(r, 20, 245), random_rgb(r, 20, 245)
            self.gradient(0, self.h, a, b)
            if r.random() < .4:
                n, c = r.randint(4, 12), random_rgb(r)
                for k in range(0, n, 2):
                    self.rect(self.w * k / n, 0, self.w * (k + 1) / n,
                              self.horizon, c)
        elif kind == "harbour":
            self.sky()
            self.rect(0, self.horizon - self.h * .1, self.w, self.horizon + 1,
                      (52, 96, 120))
            for _ in range(r.randint(3, 7)):
                x, w = r.uniform(-.1, 1) * self.w, self.w * r.uniform(.1, .25)
                y = self.horizon - self.h * r.choice([0, .09, .18])
                self.rect(x, y - self.h * .09, x + w, y,
                          mix(r.choice(list(COLOURS.values())),
                              random_rgb(r), .2))
            x = self.w * r.uniform(.1, .9)
            self.draw.line([(x, self.horizon), (x, 0), (x + self.w * .4,
                                                      self.h * .05)],
                           fill=(200, 120, 40), width=max(1, self.w // 50))
            self.ground((140, 138, 134), (110, 108, 106))
        elif kind == "brick wall":
            brick = mix((160, 84, 62), random_rgb(r), .3)
            self.rect(0, 0, self.w, self.horizon, mix(brick, (220,) * 3, .45))
            rows = 14
            bh, bw = self.horizon / rows, self.w / 9
            for j in range(rows):
                for i in range(-1, 10):
                    x = (i + .5 * (j % 2)) * bw
                    self.rect(x + 1, j * bh + 1, x + bw - 1, (j + 1) * bh - 1,
                              mix(brick, random_rgb(r), .12))
            self.ground(mix((150, 146, 142), random_rgb(r), .1), (120,) * 3)
        else:
            raise ValueError(f"unknown background: {kind}")


def occlude(rng, draw, box, bottom):
    """Something in front of the car that hides a part of it."""
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    kind = rng.choice(["post", "bush", "person", "cone", "fence"])
    x = rng.uniform(x0 + .05 * w, x1 - .05 * w)
    colour = to_rgb8(mix(random_rgb(rng), (90, 90, 90), .3))
    if kind == "post":
        t = w * rng.uniform(.015, .05)
        draw.rectangle((x - t, y0 - h * rng.uniform(.2, 2), x + t,
                        min(bottom, y1 + h * .1)), fill=colour)
    elif kind == "bush":
        leaf = to_rgb8(mix((50, 110, 50), random_rgb(rng, 0, 160), .3))
        for _ in range(6):
            s = h * rng.uniform(.10, .20)
            cx, cy = x + w * rng.uniform(-.08, .08), y1 - h * .05
            draw.ellipse((cx - s, cy - s, cx + s, cy + s), fill=leaf)
    elif kind == "person":
        s = h * rng.uniform(.12, .2)
        foot = y1 + h * .08
        draw.rectangle((x - s * .4, foot - s * 3, x + s * .4, foot),
                       fill=(40, 44, 60))
        draw.rectangle((x - s * .5, foot - s * 5.4, x + s * .5, foot - s * 2.6),
                       fill=colour)
        draw.ellipse((x - s * .4, foot - s * 6.3, x + s * .4, foot - s * 5.4),
                     fill=(206, 164, 134))
    elif kind == "cone":
        s = h * rng.uniform(.15, .3)
        draw.polygon([(x - s * .5, y1 + 2), (x + s * .5, y1 + 2),
                      (x, y1 - s * 1.2)], fill=(240, 96, 20))
    else:
        t, y = h * .035, y1 - h * rng.uniform(.05, .2)
        draw.rectangle((x0 - w, y, x1 + w, y + t), fill=colour)
        for k in range(9):
            px = x0 - w * .2 + k * w * .18
            draw.rectangle((px, y - t, px + t * .8, y1 + h * .1), fill=colour)


# --------------------------------------------------------------- the picture

def camera_for(rng, view):
    """Azimuth 0 looks at the nose, pi/2 at the left side."""
    ranges = {"side": (74, 106), "front": (28, 74), "back": (106, 150),
              "above": (28, 150)}
    azimuth = math.radians(rng.uniform(*ranges[view])) * rng.choice([-1, 1])
    elevation = rng.uniform(32, 42) if view == "above" else rng.uniform(4, 24)
    return Camera(azimuth, math.radians(elevation), rng.uniform(8, 16))


def draw_picture(rng, picture, short_side=None, clean=False):
    """The PIL image of a Picture; clean: no noise, blur or occlusion."""
    short = short_side or rng.randint(72, 224)
    ratio = rng.choice([1, 1, 4 / 3, 4 / 3, 3 / 2, 3 / 4])
    if short_side:
        ratio = 4 / 3
    width, height = (round(short * max(1, ratio)),
                     round(short * max(1, 1 / ratio)))
    scale = 3 if short_side else max(1, round(170 / short))
    W, H, S = width * scale, height * scale, short * scale

    camera = camera_for(rng, picture.view)
    car = Car(rng, BODIES[picture.body], COLOURS[picture.colour])
    wide = S * (rng.uniform(.78, .92) if clean else rng.uniform(.70, .96))
    slack = min(S * .98 - wide, S * .10) / 2
    camera.fit(car.outline(), wide, S * .72,
               W / 2 + rng.uniform(-slack, slack),
               H / 2 + S * rng.uniform(.20, .32))
    horizon = min(max(camera.horizon, H * .12), H * .75)
    image = Image.new("RGB", (W, H))
    scene = Scene(rng, image, horizon)
    scene.paint(picture.background)
    scene.distractors()

    a = rng.uniform(0, 2 * math.pi)
    light = np.array([math.cos(a) * .5, math.sin(a) * .5, 1.])
    towards = camera.eye / np.linalg.norm(camera.eye)
    light = light / np.linalg.norm(light) + .7 * towards
    light /= np.linalg.norm(light)
    warm = rng.uniform(-.07, .07)
    painter = Painter(scene.draw, camera, light, rng.uniform(.52, .72),
                      (1 + warm, 1, 1 - warm))
    length, half = car.body.length / 2, car.half
    cast = [(math.cos(t) * length * 1.04, math.sin(t) * half * 1.12, 0.)
            for t in np.linspace(0, 2 * math.pi, 24)]
    corners = camera.project(car.outline())
    spot = camera.project([(0, 0, 0)])[0]
    under = image.getpixel((int(min(max(spot[0], 0), W - 1)),
                            int(min(max(spot[1], 0), H - 1))))
    painter.fill(cast, mix(under, (0, 0, 0), .55))
    car.paint(painter)

    box = (*corners.min(0), *corners.max(0))
    if not clean and rng.random() < .35:
        occlude(rng, scene.draw, box, H)
    if scale > 1:
        image = image.resize((width, height), Image.Resampling.BOX)
    if clean:
        return image
    return spoil(rng, image, scene.night)


def spoil(rng, image, night):
    """Exposure, uneven light, blur, noise and JPEG artefacts."""
    if rng.random() < .3:
        image = image.filter(ImageFilter.GaussianBlur(
            rng.uniform(.2, .8) * min(image.size) / 128))
    noise = np.random.default_rng(rng.getrandbits(32))
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    gain = rng.uniform(.84, 1.1) if night else rng.uniform(.78, 1.16)
    slope = np.linspace(-1, 1, width, dtype=np.float32) * rng.uniform(-.14, .14)
    rise = np.linspace(-1, 1, height, dtype=np.float32) * rng.uniform(-.1, .1)
    pixels = pixels * (gain + slope[None, :, None] + rise[:, None, None])
    pixels = pixels * np.array([rng.uniform(.94, 1.06) for _ in range(3)],
                               np.float32)
    sigma = rng.choice([0, 3, 6, 9])
    if sigma:
        pixels += noise.standard_normal(pixels.shape, np.float32) * sigma
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < .3:
        data = io.BytesIO()
        image.save(data, "JPEG", quality=rng.randint(50, 90))
        image = Image.open(data).convert("RGB")
    return image


def contact_sheet(seed, size=150):
    rng = random.Random(seed)
    views = TRAINED_VIEWS + TRAINED_VIEWS + (HELD_OUT_VIEW,)
    sheet = Image.new("RGB", (size * len(BODIES), size * len(views)))
    for j, view in enumerate(views):
        for i, body in enumerate(BODIES):
            picture = Picture(rng.choice(list(COLOURS)), body, view,
                              rng.choice(TRAINED_BACKGROUNDS
                                         + HELD_OUT_BACKGROUNDS))
            image = draw_picture(rng, picture)
            w, h = image.size
            s = min(w, h)
            image = image.crop(((w - s) // 2, (h - s) // 2,
                                (w + s) // 2, (h + s) // 2))
            sheet.paste(image.resize((size, size)), (i * size, j * size))
    return sheet


if __name__ == "__main__":
    contact_sheet(sys.argv[2] if len(sys.argv) > 2 else 1).save(sys.argv[1])
