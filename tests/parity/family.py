# SPDX-License-Identifier: MIT
"""The family: checkpoints of the shapes people use, at full width with seeded
random weights, stage by stage against transformers; and the same network kept
in other ways: F16, BF16, one tower, open_clip's layout, another image size.

    sh tests/parity/run.sh --only family                       # short
    sh tests/parity/run.sh --only family --family complete
    sh tests/parity/run.sh --only family --shape laion-h14     # one of them

Short cuts the depth to 3 layers a tower and takes a few minutes; complete has
all layers where the weights are at most 2.5 GB, and says what it has. Widths,
heads, patches, vocabulary and projections are never cut. Folders of weights
are removed when they have been compared.
"""

import os
import shutil

import numpy as np

import compare
import models

SEED = 20261126
SHORT = 3  # layers
N_PICTURES, N_LABELS = 3, 8
MAX_DOUBLE = 450_000_000  # parameters, for a second copy in float64

# (width, layers, heads, mlp) of the text tower; the same, patch and image size
# of the image tower; projection; activation; layers of the complete
# comparison, text and image.
SHAPES = {
    "openai-b32": ((512, 12, 8, 2048), (768, 12, 12, 3072, 32, 224), 512,
                   "quick_gelu", (12, 12)),
    "openai-b16": ((512, 12, 8, 2048), (768, 12, 12, 3072, 16, 224), 512,
                   "quick_gelu", (12, 12)),
    "openai-l14": ((768, 12, 12, 3072), (1024, 24, 16, 4096, 14, 224), 768,
                   "quick_gelu", (12, 24)),
    "openai-l14-336": ((768, 12, 12, 3072), (1024, 24, 16, 4096, 14, 336),
                       768, "quick_gelu", (12, 24)),
    "laion-b32": ((512, 12, 8, 2048), (768, 12, 12, 3072, 32, 224), 512,
                  "gelu", (12, 12)),
    "laion-l14": ((768, 12, 12, 3072), (1024, 24, 16, 4096, 14, 224), 768,
                  "gelu", (12, 24)),
    "laion-h14": ((1024, 24, 16, 4096), (1280, 32, 16, 5120, 14, 224), 1024,
                  "gelu", (12, 16)),
    "dfn-h14-378": ((1024, 24, 16, 4096), (1280, 32, 16, 5120, 14, 378), 1024,
                    "quick_gelu", (6, 6)),
    "tinyclip-8m": ((256, 3, 4, 1024), (256, 10, 4, 1024, 16, 224), 512,
                    "gelu", (3, 10)),
    "tinyclip-39m": ((512, 6, 8, 2048), (512, 12, 8, 2048, 16, 224), 512,
                     "gelu", (6, 12)),
    "tinyclip-61m": ((512, 9, 8, 2048), (640, 12, 10, 2560, 32, 224), 512,
                     "gelu", (9, 12)),
    "laion-bigg14": ((1280, 32, 20, 5120), (1664, 48, 16, 8192, 14, 224),
                     1280, "gelu", (8, 10)),
}
OPEN_CLIP = ("openai-b32", "dfn-h14-378", "laion-bigg14")
STORED = {"openai-l14": "F16", "laion-h14": "BF16"}
ONE_TOWER = ("openai-b32", "laion-h14")
# Other image sizes: fewer and more patches; 7 patches and 6 pixels more, so
# that nothing is interpolated.
SIZES = {"openai-b32": (160, 256, 230), "openai-l14": (336,)}


class Checkpoint:
    """A model of one shape: its config and weights, to be written."""

    def __init__(self, session, name, merges):
        text, vision, e, act, complete = SHAPES[name]
        if session.args.family == "complete":
            layers = complete
        else:
            layers = (SHORT, SHORT)
        self.name, self.merges = name, merges
        self.work, self.folders = session.args.work, []
        self.cut = "all" if layers == (text[1], vision[1]) else \
            f"{layers[0]} and {layers[1]}"
        self.text = (text[0], layers[0], *text[2:])
        self.vision = (vision[0], layers[1], *vision[2:])
        vocabulary = 512 + len(merges) + 2
        self.config = models.config_json(self.text, self.vision, e,
                                         vocabulary, vocabulary - 1, act)
        self.state = models.random_state(self.config, SEED)

    def folder(self, kind):
        path = f"{self.work}/family-{self.name}-{kind}"
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        self.folders.append(path)
        models.write_json(f"{path}/preprocessor_config.json",
                          models.preprocessor_json(self.vision[5]))
        models.write_tokenizer_json(path, self.merges)
        return path

    def write(self, dtype="F32"):
        path = self.folder(dtype)
        models.write_json(f"{path}/config.json", self.config)
        models.write_weights(f"{path}/model.safetensors", self.state, dtype)
        return path

    def write_tower(self, tower):
        """What CLIPTextModelWithProjection, CLIPVisionModelWithProjection
        save."""
        path = self.folder(tower)
        config = dict(self.config[f"{tower}_config"])
        config["architectures"] = [f"CLIP{tower.title()}ModelWithProjection"]
        models.write_json(f"{path}/config.json", config)
        begin = ("text_model.", "text_projection.") if tower == "text" else \
            ("vision_model.", "visual_projection.")
        models.write_weights(f"{path}/model.safetensors", {
            k: v for k, v in self.state.items() if k.startswith(begin)})
        return path

    def write_open_clip(self, prefix):
        """prefix: "" as class CLIP saves it, "text." as CustomTextCLIP."""
        path = self.folder("open_clip")
        os.remove(f"{path}/preprocessor_config.json")
        models.write_json(f"{path}/open_clip_config.json",
                          models.open_clip_json(self.config))
        models.write_weights(f"{path}/open_clip_model.safetensors",
                             models.open_clip_state(self.state, prefix))
        return path

    def remove(self):
        for path in self.folders:
            shutil.rmtree(path, ignore_errors=True)
        self.folders = []


def settings(session):
    """(threads, batch, backend): both backends where both are built in."""
    gemms = ["native"]
    if session.programs.machine.get("openblas"):
        gemms.append("openblas")
    return [(2, 8, gemm) for gemm in gemms]


def compare_folder(session, folder, expected, name):
    """All stages but the tokenizer's."""
    programs, table = session.programs, session.table
    labels = compare.write_labels(f"{programs.work}/labels.txt",
                                  expected.labels)
    try:
        compare.compare_pixels(programs, folder, expected, table, name)
        compare.compare_trace(programs, folder, expected, table, name,
                              settings(session))
        compare.compare_embeddings(programs, folder, expected, table, name)
        compare.compare_scores(programs, folder, labels, expected, table,
                               name)
    except (compare.ProgramFailed, AssertionError, OSError,
            ValueError) as error:
        table.check(name, "program", str(error), np.inf, 0)


def compare_images(session, folder, expected, name):
    """The image tower alone: the text tower has been compared."""
    programs, table = session.programs, session.table
    try:
        compare.compare_pixels(programs, folder, expected, table, name)
        expected.text_trace = {}
        compare.compare_trace(programs, folder, expected, table, name,
                              settings(session))
        got = compare.embed(programs, folder, "--image", expected.pictures, 2)
        table.check(name, "image embedding", "unit, t2, all at once",
                    compare.largest(got, compare.unit(expected.image_raw)),
                    compare.EMBEDDING_BOUND, f"{len(got)}")
    except (compare.ProgramFailed, AssertionError, OSError,
            ValueError) as error:
        table.check(name, "program", str(error), np.inf, 0)


def ask(session, folder, image_size=None):
    from reference import Reference
    ref = Reference(folder, image_size=image_size)
    expected = compare.Expected(ref, session.pictures[:N_PICTURES],
                                session.labels[:N_LABELS])
    return ref, expected


def one_tower(session, checkpoint, expected):
    """The towers by themselves: transformers' own classes for them, and what
    the model of both answered."""
    import torch
    import transformers
    programs, table = session.programs, session.table
    name = checkpoint.name
    padded = expected.label_ids
    longest = max(len(ids) for ids in padded)
    padded = torch.tensor([ids + [ids[-1]] * (longest - len(ids))
                           for ids in padded])
    for tower, kind, items, want in (
            ("text", "--text", expected.labels,
             expected.text_raw[:len(expected.labels)]),
            ("vision", "--image", expected.pictures, expected.image_raw)):
        folder = checkpoint.write_tower(tower)
        cls = getattr(transformers,
                      f"CLIP{tower.title()}ModelWithProjection")
        model = cls.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.inference_mode():
            own = model(input_ids=padded).text_embeds if tower == "text" \
                else model(pixel_values=torch.from_numpy(expected.pixels)
                           ).image_embeds
        for setting, data in ((cls.__name__, own.numpy()),
                              ("CLIPModel", want)):
            got = compare.embed(programs, folder, kind, items, 2, raw=True)
            table.check(name, f"{tower} tower alone", setting,
                        compare.largest(got, data, compare.lengths(data)),
                        compare.EMBEDDING_BOUND, f"{len(items)}")
        for line in programs.run([programs.inspect, "model", "--model",
                                  folder]).decode().splitlines():
            if line.endswith("none"):
                table.check(name, f"{tower} tower alone", "one is missing",
                            tower == ("text" if line.startswith("text")
                                      else "vision"), 0, line.split("  ")[0])


def open_clip(session, checkpoint, expected):
    """The same weights in open_clip's layout: every layer, and its
    preprocessing (tests/parity/open_clip_check.py asks open_clip itself)."""
    programs, table = session.programs, session.table
    for prefix in ("", "text."):
        folder = checkpoint.write_open_clip(prefix)
        name = f"{checkpoint.name} open_clip" + (" text." if prefix else "")
        compare.compare_trace(programs, folder, expected, table, name,
                              settings(session)[:1])
        got = compare.embed(programs, folder, "--text", expected.labels, 2)
        want = compare.unit(expected.text_raw[:len(expected.labels)])
        table.check(name, "text embedding", "unit, t2, all at once",
                    compare.largest(got, want), compare.EMBEDDING_BOUND,
                    f"{len(want)}")
        if prefix:
            continue
        config = f"{folder}/open_clip_config.json"
        pictures = [p for p in session.pictures if opaque(p)]
        for mode in ("shortest", "squash"):
            for interpolation in ("bicubic", "bilinear"):
                models.write_json(config, models.open_clip_json(
                    checkpoint.config, resize_mode=mode,
                    interpolation=interpolation))
                wrong = [p for p in pictures if compare.load_pixels(
                    programs, folder, p, f"{programs.work}/open_clip.npy"
                    ).tobytes() != open_clip_pixels(
                        p, checkpoint.vision[5], mode, interpolation
                    ).tobytes()]
                table.check(name, f"pixels, {mode}", interpolation,
                            len(wrong), 0, f"{len(pictures)} pictures "
                            f"{' '.join(wrong)}".strip())


def opaque(path):
    """Not one with a transparent colour: transformers lays that on white."""
    from reference import Reference
    return "transparency" not in Reference.image(path).info


def open_clip_pixels(path, size, mode, interpolation):
    """open_clip's transforms (3.3, torchvision on a Pillow picture), without
    them: Resize, CenterCrop, ToTensor, Normalize."""
    import PIL.Image
    from reference import Reference
    image = Reference.image(path)
    resample = {"bicubic": PIL.Image.Resampling.BICUBIC,
                "bilinear": PIL.Image.Resampling.BILINEAR}[interpolation]
    if mode == "squash":
        image = image.resize((size, size), resample)
    else:
        w, h = image.size
        long = int(size * max(w, h) / min(w, h))
        image = image.resize((size, long) if w <= h else (long, size),
                             resample)
        left = int(round((image.width - size) / 2.0))
        top = int(round((image.height - size) / 2.0))
        image = image.crop((left, top, left + size, top + size))
    x = np.asarray(image).astype(np.float32) / np.float32(255)
    mean = np.array(models.MEAN, np.float32)
    std = np.array(models.STD, np.float32)
    return np.ascontiguousarray(((x - mean) / std).transpose(2, 0, 1))


def compare_shape(session, name, merges):
    table = session.table
    checkpoint = Checkpoint(session, name, merges)
    try:
        folder = checkpoint.write()
        session.title(f"{name}, {checkpoint.cut} layers")
        ref, expected = ask(session, folder)
        compare_folder(session, folder, expected, name)
        n = sum(v.size for v in checkpoint.state.values())
        said = f"{name}: {checkpoint.cut} layers, {n:,} parameters"
        if n <= MAX_DOUBLE:
            layers, image, text = compare.float64(ref, expected)
            said += ("; torch float32 from torch float64: layers "
                     f"{layers:.1e}, unit embeddings: image {image:.1e}, "
                     f"text {text:.1e}")
        table.note(said)
        del ref
        if name in OPEN_CLIP:
            open_clip(session, checkpoint, expected)
        if name in ONE_TOWER:
            one_tower(session, checkpoint, expected)
        for size in SIZES.get(name, ()):
            session.programs.image_size = size
            _, other = ask(session, folder, size)
            compare_images(session, folder, other, f"{name} @{size}")
            session.programs.image_size = None
        if name in STORED:
            dtype = STORED[name]
            folder = checkpoint.write(dtype)
            _, other = ask(session, folder)
            compare_folder(session, folder, other, f"{name} {dtype}")
    finally:
        session.programs.image_size = None
        checkpoint.remove()


def compare_family(session):
    merges = models.real_merges()
    for name in session.args.shape or SHAPES:
        if name in SHAPES:  # the others are siglip_family's
            compare_shape(session, name, merges)
