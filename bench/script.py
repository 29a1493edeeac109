# SPDX-License-Identifier: MIT
"""What clipc-classify replaces: the plain script with transformers and torch,
for CLIP and SigLIP.

    python bench/script.py MODEL PICTURE LABELS
"""

import sys

import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained(sys.argv[1], dtype=torch.float32)
processor = AutoProcessor.from_pretrained(sys.argv[1])
siglip = model.config.model_type == "siglip"
with open(sys.argv[3], encoding="utf-8") as file:
    labels = file.read().splitlines()
image = Image.open(sys.argv[2]).convert("RGB")
inputs = processor(text=labels, images=image, return_tensors="pt",
                   padding="max_length" if siglip else True,
                   **({"max_length": 64, "truncation": True} if siglip
                      else {}))
with torch.no_grad():
    logits = model(**inputs).logits_per_image[0]
probs = logits.sigmoid() if siglip else logits.softmax(dim=0)
best = probs.topk(5)
print(f"Predicted car: {labels[best.indices[0]]}")
print(f"Confidence score: {best.values[0]:.4f}")
for rank, (p, i) in enumerate(zip(best.values, best.indices), 1):
    print(f"{rank}. {labels[i]} ({p:.2f})")
