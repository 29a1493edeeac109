# SPDX-License-Identifier: MIT
"""Programs written for sentence-transformers, open_clip and transformers, with the
import changed to clipc's: they must print the same lines. By hand, because the
packages are large:

    python3 -m venv build/peers
    build/peers/bin/pip install torch==2.13.0 transformers==5.24.0 \\
        sentence-transformers==6.2.0 pillow==13.0.0 timm ftfy
    build/peers/bin/pip install --no-deps open_clip_torch==3.3.0
    build/peers/bin/pip install --no-deps --target build/torchvision torchvision==0.28.0
    build/peers/bin/pip install --no-deps build/wheel/clipc-*.whl
    TORCHVISION=build/torchvision build/peers/bin/python tests/parity/python_peers.py

torchvision lies in a folder of its own, for open_clip alone: where transformers
finds one it resizes otherwise.

The models are the demo model, tests/data/tiny as sentence-transformers saves one,
and a random one that open_clip saves. Last run with the versions above.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TORCHVISION = os.path.abspath(os.environ.get("TORCHVISION", HERE))

SENTENCE_TRANSFORMERS = """
from PIL import Image
{import_}

model = SentenceTransformer("sentence-model")
image = model.encode(Image.open("red-convertible.png"))
texts = model.encode(["a red car on a beach", "a yellow van", "a dog"])
print(image.shape, texts.shape, image.dtype)
print(model.similarity(image, texts))
print(util.cos_sim(image, texts))
both = model.encode([Image.open("yellow-van.png"), Image.open("white-suv.png")])
print(util.cos_sim(both, texts))
print((texts ** 2).sum(axis=1).round(3))
print((model.encode(["a van"], normalize_embeddings=True) ** 2).sum().round(4))
for hits in util.semantic_search(texts, both, top_k=1):
    print([(hit["corpus_id"], round(hit["score"], 4)) for hit in hits])
print(model.encode("x " * 300).shape)
"""

OPEN_CLIP = """
import torch
from PIL import Image
{import_}

model, _, preprocess = open_clip.create_model_and_transforms("local-dir:open-model")
model.eval()
tokenizer = open_clip.get_tokenizer("local-dir:open-model")

image = preprocess(Image.open("red-convertible.png")).unsqueeze(0)
text = tokenizer(["a drawing", "a car", "a cat", "x " * 300])
print(image.shape, image.dtype, image.sum())
print(text.shape, text.dtype, text[:3, :5])
with torch.no_grad():
    image_features = model.encode_image(image)
    text_features = model.encode_text(text)
    print(image_features.norm(), text_features.norm(dim=-1))
    image_features /= image_features.norm(dim=-1, keepdim=True)
    text_features /= text_features.norm(dim=-1, keepdim=True)
    print(image_features @ text_features.T)
    print("probabilities:", (100.0 * image_features @ text_features.T).softmax(dim=-1))
    image_features, text_features, scale = model(image, text)
    print((scale * image_features @ text_features.T).softmax(dim=-1), scale)
"""

PIPELINE = """
from PIL import Image
{import_}

ask = pipeline("zero-shot-image-classification", model="demo-model")
labels = ["red convertible", "yellow van", "white SUV"]


def show(found):
    print([(entry["label"], round(entry["score"], 4)) for entry in found])


show(ask("red-convertible.png", candidate_labels=labels))
show(ask(Image.open("lying.jpg"), candidate_labels=labels))
show(ask("lying.jpg", candidate_labels=labels, hypothesis_template="a drawing of a {{}}"))
for found in ask(["yellow-van.png", "white-suv.png"], candidate_labels=labels):
    show(found)
"""

PROGRAMS = {
    "sentence-transformers": (
        SENTENCE_TRANSFORMERS,
        "from sentence_transformers import SentenceTransformer, util",
        "from clipc.sentence_transformers import SentenceTransformer, util"),
    "open_clip": (
        OPEN_CLIP,
        f"import sys; sys.path[:0] = {[HERE, TORCHVISION]!r}; import open_clip_check; "
        "open_clip = open_clip_check.import_open_clip()",
        "from clipc import open_clip"),
    "transformers": (
        PIPELINE, "from transformers import pipeline",
        "from clipc import pipeline"),
}


def make_models(folder):
    import torch
    from PIL import Image
    sys.path[:0] = [HERE, TORCHVISION]
    import open_clip_check
    open_clip = open_clip_check.import_open_clip()
    from open_clip.push_to_hf_hub import save_config_for_hf
    from safetensors.torch import load_file, save_file

    for file in pathlib.Path(f"{ROOT}/weights/demo/examples").iterdir():
        shutil.copy(file, folder)
    image = Image.open(f"{folder}/red-convertible.png")
    exif = image.getexif()
    exif[0x0112] = 6
    image.convert("RGB").save(f"{folder}/lying.jpg", exif=exif)
    # In F32, as the published models: transformers computes in the type it finds.
    shutil.copytree(f"{ROOT}/weights/demo", f"{folder}/demo-model")
    weights = f"{folder}/demo-model/model.safetensors"
    save_file({k: v.float() for k, v in load_file(weights).items()}, weights,
              {"format": "pt"})
    config = f"{folder}/demo-model/config.json"
    with open(config, encoding="utf-8") as file:
        keys = json.load(file)
    with open(config, "w", encoding="utf-8") as file:
        json.dump(keys | {"dtype": "float32"}, file)

    shutil.copytree(f"{ROOT}/tests/data/tiny",
                    f"{folder}/sentence-model/0_CLIPModel")
    # As published ones have it: sentence-transformers cuts texts there.
    config = f"{folder}/sentence-model/0_CLIPModel/tokenizer_config.json"
    with open(config, encoding="utf-8") as file:
        keys = json.load(file)
    with open(config, "w", encoding="utf-8") as file:
        json.dump(keys | {"model_max_length": 77}, file)
    with open(f"{folder}/sentence-model/modules.json", "w",
              encoding="ascii") as file:
        json.dump([{"idx": 0, "name": "0", "path": "0_CLIPModel",
                    "type": "sentence_transformers.models.CLIPModel"}], file)

    _, config, _ = open_clip_check.CASES[0]
    torch.manual_seed(1)
    os.mkdir(f"{folder}/open-model")
    with open(f"{folder}/model.json", "w", encoding="ascii") as file:
        json.dump(config, file)
    open_clip.add_model_config(pathlib.Path(folder))
    model = open_clip.create_model("model")
    os.remove(f"{folder}/model.json")
    open_clip_check.spread(model)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()},
              f"{folder}/open-model/open_clip_model.safetensors")
    save_config_for_hf(model, pathlib.Path(
        f"{folder}/open-model/open_clip_config.json"), config)
    open_clip_check.write_tokenizer(f"{folder}/open-model")


def output(program, import_, folder):
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", program.format(import_=import_)],
                          cwd=folder, env=environment, check=False,
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{import_}:\n{done.stderr}")
    return done.stdout.splitlines()


def main():
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        make_models(folder)
        for name, (program, theirs, ours) in PROGRAMS.items():
            want = output(program, theirs, folder)
            got = output(program, ours, folder)
            good = want == got
            failed |= not good
            print(f"{'ok' if good else 'FAILED'}: {name}: {len(want)} lines")
            if not good:
                for a, b in zip(want, got):
                    if a != b:
                        print(f"  theirs {a}\n  clipc  {b}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
