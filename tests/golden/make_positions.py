# SPDX-License-Identifier: MIT
"""Writes tests/data/golden/positions.json: position embeddings interpolated
by transformers' own CLIPVisionEmbeddings.

    build/venv/bin/python tests/golden/make_positions.py

Made with torch 2.13.0 and transformers 5.24.0. The trained embeddings are not
stored: element i of [1 + from * from, width] is (i * 37 % 101 - 50) / 32,
which float32 holds exactly.
"""

import json

import torch
from transformers import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionEmbeddings

CASES = [(7, 7, 3), (7, 8, 3), (7, 5, 2), (4, 9, 2), (16, 24, 1), (24, 16, 1),
         (2, 1, 3), (1, 3, 2), (3, 17, 1), (7, 14, 1)]
PATCH = 4


def main():
    cases = []
    for old, new, width in CASES:
        config = CLIPVisionConfig(hidden_size=width, num_attention_heads=1,
                                  image_size=old * PATCH, patch_size=PATCH)
        module = CLIPVisionEmbeddings(config)
        n = (1 + old * old) * width
        values = [(i * 37 % 101 - 50) / 32 for i in range(n)]
        with torch.no_grad():
            module.position_embedding.weight.copy_(
                torch.tensor(values).reshape(-1, width))
            rows = torch.zeros(1, 1 + new * new, width)
            out = module.interpolate_pos_encoding(rows, new * PATCH,
                                                  new * PATCH)
        out = out.reshape(-1, width)
        assert out.shape == (1 + new * new, width)
        cases.append({"from": old, "to": new, "width": width,
                      "out": [float(f"{v:.9g}") for v in
                              out.flatten().tolist()]})
    with open("tests/data/golden/positions.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
