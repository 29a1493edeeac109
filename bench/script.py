# SPDX-License-Identifier: MIT
"""What clipc-classify replaces: the plain script with transformers and torch.

    python bench/script.py MODEL PICTURE LABELS
"""

import sys

import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

model = CLIPModel.from_pretrained(sys.argv[1], dtype=torch.float32)
processor = CLIPProcessor.from_pretrained(sys.argv[1])
with open(sys.argv[3], encoding="utf-8") as file:
    labels = file.read().splitlines()
image = Image.open(sys.argv[2]).convert("RGB")
inputs = processor(text=labels, images=image, return_tensors="pt",
                   padding=True)
with torch.no_grad():
    probs = model(**inputs).logits_per_image.softmax(dim=1)[0]
best = probs.topk(5)
print(f"Predicted car: {labels[best.indices[0]]}")
print(f"Confidence score: {best.values[0]:.4f}")
for rank, (p, i) in enumerate(zip(best.values, best.indices), 1):
    print(f"{rank}. {labels[i]} ({p:.2f})")
