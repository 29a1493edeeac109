# SPDX-License-Identifier: MIT
"""The files beside a model's weights that its tokenizer is made from, changed
one by one: `clipc-inspect tokens` against AutoTokenizer on the same folder.

    python tests/parity/companions.py [BUILD [WORD]]

Run from the repository's root. Each case changes the files of one of the small
models of tests/data, and says whether clipc gives the reference's ids or
refuses the folder. WORD: only cases whose names have it. Exit status 1 when a
case is otherwise.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from reference import assert_reference

N_MORE = 16  # rows of the token embedding that the vocabulary does not use

TEXTS = [
    "a photo of a red car", "x <special> y", "x<special>y", "<SPECIAL> car",
    "<|endoftext|> x", "<|ENDOFTEXT|> a", "<|startoftext|>", "a <pad> [PAD] b",
    "<image> a car", "one <tok_a> two<tok_b>three", "<tok_a><tok_b>",
    "  <special>  a  ", "</s> a <unk>", "<eos> b <bos>", "CAR <mask> [MASK]",
    " ".join(f"car{i}" for i in range(60)), "a car " * 50, "",
]


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False,
            "single_word": False, "normalized": False} | flags


def written(content, **flags):
    return token(content, **flags) | {"__type": "AddedToken"}


def n_tokens(folder):
    """The next id after the vocabulary."""
    if os.path.exists(f"{folder}/vocab.json"):
        with open(f"{folder}/vocab.json", encoding="utf-8") as file:
            return len(json.load(file))
    if os.path.exists(f"{folder}/tokenizer.json"):
        with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
            return len(json.load(file)["model"]["vocab"])
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor()
    model.Load(f"{folder}/spiece.model")
    return model.get_piece_size()


BASES = {
    "clip": "tests/data/tiny",
    "clip-vocab": "tests/data/tiny-gelu",
    "siglip": "tests/data/tiny-siglip-odd",
    "siglip2": "tests/data/tiny-siglip",
    "metaclip2": "tests/data/tiny-metaclip2",
}

TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt",
                   "spiece.model", "tokenizer_config.json",
                   "special_tokens_map.json", "added_tokens.json")

ALL = tuple(BASES)
CLIPS = ("clip", "clip-vocab")

def tokenizer_json(edit):
    """A content of tokenizer.json: what `edit` makes of the file."""
    def content(old):
        edit(old)
        return old
    content.edits = True
    return content


def pipeline(**parts):
    return tokenizer_json(lambda t: t.update(parts))


def model_part(**parts):
    return tokenizer_json(lambda t: t["model"].update(parts))


def without(*keys):
    def edit(t):
        for key in keys:
            t["model"].pop(key, None)
    return tokenizer_json(edit)


def gemma_json(_):
    """A tokenizer.json of another kind than the model's own."""
    with open("tests/data/tiny-siglip/tokenizer.json", encoding="utf-8") as file:
        return json.load(file)


FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False,
              "trim_offsets": True, "use_regex": True}
BERT_NORMALIZER = {"type": "BertNormalizer", "clean_text": True,
                   "handle_chinese_chars": True, "strip_accents": None,
                   "lowercase": True}

# name, bases, {file: content}, what clipc does. A content is a JSON value,
# None for a file that is removed, or a function of the next id. In
# "tokenizer_config.json" a key that is None goes.
CASES = [
    ("nothing", ALL, {}, "equal"),
    ("added_tokens.json", ALL,
     {"added_tokens.json": lambda n: {"<special>": n, "<tok_a>": n + 1},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("added_tokens.json in another order", ALL,
     {"added_tokens.json": lambda n: {"<tok_a>": n + 1, "<special>": n},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("added_tokens.json that the map calls special", ALL,
     {"added_tokens.json": lambda n: {"<special>": n, "<tok_a>": n + 1},
      "special_tokens_map.json": {"additional_special_tokens": ["<special>"]},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("added_tokens.json with an id that is not the next", CLIPS,
     {"added_tokens.json": lambda n: {"<special>": n + 3},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "refused"),
    ("added_tokens.json beside added_tokens_decoder", CLIPS,
     {"added_tokens.json": lambda n: {"<special>": n},
      "tokenizer_config.json": {"added_tokens_decoder": {}}}, "equal"),
    ("added_tokens.json without a configuration", ("clip-vocab",),
     {"added_tokens.json": lambda n: {"<special>": n},
      "tokenizer_config.json": None}, "equal"),
    ("added_tokens.json that is a list", ALL,
     {"added_tokens.json": ["<special>"],
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "both refuse"),
    ("map: additional_special_tokens", ALL,
     {"special_tokens_map.json":
      {"additional_special_tokens": ["<special>", "<tok_a>"]},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: additional_special_tokens with flags", CLIPS,
     {"special_tokens_map.json":
      {"additional_special_tokens": [token("<special>", lstrip=True)]},
      "tokenizer_config.json": {"added_tokens_decoder": None}},
     "only clipc reads"),
    ("map: extra_special_tokens", ALL,
     {"special_tokens_map.json":
      {"extra_special_tokens": ["<special>", token("<tok_a>", rstrip=True)]},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: extra_special_tokens beside those of the configuration", CLIPS,
     {"special_tokens_map.json": {"extra_special_tokens": ["<special>"]},
      "tokenizer_config.json": {"added_tokens_decoder": None,
                                "extra_special_tokens": ["<tok_b>"]}},
     "equal"),
    ("map: extra_special_tokens by name", CLIPS,
     {"special_tokens_map.json":
      {"extra_special_tokens": {"image_token": "<image>"}},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: pad_token", CLIPS,
     {"special_tokens_map.json": {"pad_token": "[PAD]"},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: mask_token with flags", CLIPS,
     {"special_tokens_map.json":
      {"mask_token": token("<special>", lstrip=True, rstrip=True,
                           normalized=True)},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: eos_token normalised", CLIPS,
     {"special_tokens_map.json":
      {"eos_token": token("<|endoftext|>", normalized=True)},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: image_token", CLIPS,
     {"special_tokens_map.json": {"image_token": "<image>"},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map: model_max_length", CLIPS,
     {"special_tokens_map.json": {"model_max_length": 9},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("map beside added_tokens_decoder", CLIPS,
     {"special_tokens_map.json": {"additional_special_tokens": ["<special>"]},
      "tokenizer_config.json": {"added_tokens_decoder": {}}}, "equal"),
    ("map without a configuration", ("clip-vocab",),
     {"special_tokens_map.json": {"additional_special_tokens": ["<special>"]},
      "tokenizer_config.json": None}, "equal"),
    ("map: additional beside an empty list of extra", CLIPS,
     {"special_tokens_map.json": {"additional_special_tokens": ["<special>"]},
      "tokenizer_config.json": {"added_tokens_decoder": None,
                                "extra_special_tokens": []}}, "equal"),
    ("map: additional beside an empty object of extra", CLIPS,
     {"special_tokens_map.json": {"additional_special_tokens": ["<special>"]},
      "tokenizer_config.json": {"added_tokens_decoder": None,
                                "extra_special_tokens": {}}}, "equal"),
    ("both older files, and names in two orders", CLIPS,
     {"special_tokens_map.json":
      {"mask_token": "[MASK]", "pad_token": "[PAD]",
       "additional_special_tokens": ["<tok_a>", "<special>"]},
      "added_tokens.json": lambda n: {"<special>": n},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("configuration: extra_special_tokens", ALL,
     {"tokenizer_config.json": {"extra_special_tokens": ["<special>"]}},
     "equal"),
    ("configuration: extra_special_tokens by name", ALL,
     {"tokenizer_config.json":
      {"extra_special_tokens": {"image_token": "<image>",
                                "other": "<special>"}}}, "equal"),
    ("configuration: additional_special_tokens", ALL,
     {"tokenizer_config.json": {"additional_special_tokens": ["<special>"]}},
     "equal"),
    ("configuration: image_token", CLIPS,
     {"tokenizer_config.json": {"image_token": "<image>",
                                "other_token": written("<special>",
                                                       rstrip=True)}},
     "equal"),
    ("configuration: image_token without a type", CLIPS,
     {"tokenizer_config.json": {"image_token": token("<image>")}}, "equal"),
    ("configuration: mask_token", CLIPS,
     {"tokenizer_config.json": {"mask_token": written("<special>",
                                                      lstrip=True)}}, "equal"),
    ("configuration: new decoder entries", ALL,
     {"tokenizer_config.json": lambda n: {"added_tokens_decoder": {
         str(n): token("<special>", special=True),
         str(n + 1): token("<tok_a>", normalized=True, special=False)}}},
     "equal"),
    ("model_max_length 9", ALL,
     {"tokenizer_config.json": {"model_max_length": 9}}, "equal"),
    ("model_max_length 9, left", ALL,
     {"tokenizer_config.json": {"model_max_length": 9,
                                "truncation_side": "left"}}, "equal"),
    ("model_max_length 2", CLIPS,
     {"tokenizer_config.json": {"model_max_length": 2}}, "equal"),
    ("max_len 9", ALL,
     {"tokenizer_config.json": {"model_max_length": None, "max_len": 9}},
     "equal"),
    ("no model_max_length", ALL,
     {"tokenizer_config.json": {"model_max_length": None}}, "equal"),
    ("truncation_side left", ALL,
     {"tokenizer_config.json": {"truncation_side": "left"}}, "equal"),
    ("truncation_side middle", ALL,
     {"tokenizer_config.json": {"truncation_side": "middle"}}, "both refuse"),
    ("padding_side left", ALL,
     {"tokenizer_config.json": {"padding_side": "left"}}, "equal"),
    ("padding_side middle", ALL,
     {"tokenizer_config.json": {"padding_side": "middle"}}, "both refuse"),
    ("do_lower_case false", ALL,
     {"tokenizer_config.json": {"do_lower_case": False}}, "equal"),
    ("clean_up_tokenization_spaces", ALL,
     {"tokenizer_config.json": {"clean_up_tokenization_spaces": True}},
     "equal"),
    ("add_prefix_space", CLIPS,
     {"tokenizer_config.json": {"add_prefix_space": True}}, "equal"),
    ("add_bos_token, add_eos_token", ALL,
     {"tokenizer_config.json": {"add_bos_token": False,
                                "add_eos_token": False}}, "equal"),
    ("add_bos_token alone", ALL,
     {"tokenizer_config.json": {"add_bos_token": True}}, "equal"),
    ("add_bos_token that is a text", ("clip", "siglip2", "metaclip2"),
     {"tokenizer_config.json": {"add_bos_token": "<special>"}}, "equal"),
    ("split_special_tokens", ALL,
     {"tokenizer_config.json": {"split_special_tokens": True}}, "equal"),
    ("chat template", ALL,
     {"chat_template.jinja": "{{ messages }}",
      "chat_template.json": {"chat_template": "{{ messages }}"},
      "additional_chat_templates/tool.jinja": "{{ tools }}",
      "tokenizer_config.json": {"chat_template": "{{ messages }}"}}, "equal"),
    ("errors, name_or_path, processor_class", ALL,
     {"tokenizer_config.json": {"errors": "replace", "name_or_path": "./x",
                                "processor_class": "CLIPProcessor",
                                "special_tokens_map_file": "./y"}}, "equal"),
    ("generation_config.json, video_preprocessor_config.json", ALL,
     {"generation_config.json": {"max_length": 5},
      "video_preprocessor_config.json": {"size": {"height": 3, "width": 3}}},
     "equal"),
    ("pipeline: that of before 4.17", ("clip",),
     {"tokenizer.json": pipeline(normalizer=BERT_NORMALIZER,
                                 pre_tokenizer=BYTE_LEVEL,
                                 post_processor=BYTE_LEVEL)}, "equal"),
    ("pipeline: none", ("clip",),
     {"tokenizer.json": pipeline(normalizer=None, pre_tokenizer=None,
                                 post_processor=None)}, "equal"),
    ("pipeline: another post-processor", ("clip",),
     {"tokenizer.json": pipeline(post_processor={
         "type": "BertProcessing", "sep": ["x", 1], "cls": ["y", 2]})},
     "equal"),
    ("pipeline: another normaliser, no class", ("clip",),
     {"tokenizer.json": pipeline(normalizer={"type": "NFKC"}),
      "tokenizer_config.json": {"tokenizer_class": None}}, "equal"),
    ("pipeline: dropout, byte_fallback, ignore_merges", ("clip",),
     {"tokenizer.json": model_part(dropout=0.5, byte_fallback=True,
                                   ignore_merges=True, fuse_unk=True,
                                   unk_token=None)}, "equal"),
    ("pipeline: a model without a type", ("clip",),
     {"tokenizer.json": without("type", "byte_fallback", "ignore_merges")},
     "equal"),
    ("pipeline: truncation and padding", ("clip",),
     {"tokenizer.json": pipeline(
         truncation={"direction": "Left", "max_length": 9,
                     "strategy": "LongestFirst", "stride": 0},
         padding={"strategy": "BatchLongest", "direction": "Left",
                  "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
                  "pad_token": "!"})}, "equal"),
    ("pipeline: another normaliser, another class", ("clip",),
     {"tokenizer.json": pipeline(normalizer={"type": "NFKC"}),
      "tokenizer_config.json": FAST}, "refused"),
    ("pipeline: dropout, another class", ("clip",),
     {"tokenizer.json": model_part(byte_fallback=True),
      "tokenizer_config.json": FAST}, "refused"),
    ("pipeline: CLIP's, another class", ("clip",),
     {"tokenizer_config.json": FAST}, "equal"),
    ("pipeline: none, CLIP's class", ("metaclip2",),
     {"tokenizer.json": pipeline(normalizer=None, pre_tokenizer=None,
                                 post_processor=None)}, "equal"),
    ("pipeline: none", ("siglip2",),
     {"tokenizer.json": pipeline(normalizer=None, pre_tokenizer=None)},
     "equal"),
    ("pipeline: another normaliser, another class", ("siglip2", "metaclip2"),
     {"tokenizer.json": pipeline(normalizer={"type": "NFKC"}),
      "tokenizer_config.json": FAST}, "refused"),
    ("pipeline: another normaliser", ("siglip2", "metaclip2"),
     {"tokenizer.json": pipeline(normalizer={"type": "NFKC"})}, "equal"),
    ("pipeline: another pre-tokenizer", ("siglip2", "metaclip2"),
     {"tokenizer.json": pipeline(pre_tokenizer=BYTE_LEVEL)}, "equal"),
    ("pipeline: no post-processor", ("siglip2", "metaclip2"),
     {"tokenizer.json": pipeline(post_processor=None)}, "equal"),
    ("pipeline: settings of the model", ("siglip2",),
     {"tokenizer.json": model_part(dropout=0.5, ignore_merges=True,
                                   byte_fallback=False, fuse_unk=False)},
     "equal"),
    ("tokenizer.json beside spiece.model, another class", ("siglip",),
     {"tokenizer_config.json": FAST, "tokenizer.json": gemma_json}, "refused"),
    ("tokenizer.json beside spiece.model", ("siglip",),
     {"tokenizer.json": gemma_json}, "equal"),
    ("padding of another class", ("siglip2",),
     {"tokenizer_config.json": dict(FAST, padding_side=None),
      "tokenizer.json": pipeline(padding=None)}, "equal"),
    ("tokenizer_class CLIPTokenizerFast", CLIPS,
     {"tokenizer_config.json": {"tokenizer_class": "CLIPTokenizerFast"}},
     "equal"),
    ("no tokenizer_class", ("clip", "clip-vocab", "siglip", "metaclip2"),
     {"tokenizer_config.json": {"tokenizer_class": None}}, "equal"),
    ("no tokenizer_config.json", ("clip", "clip-vocab", "siglip", "metaclip2"),
     {"tokenizer_config.json": None}, "equal"),
    ("config.json: tokenizer_class", CLIPS,
     {"config.json": {"tokenizer_class": "CLIPTokenizerFast"},
      "tokenizer_config.json": {"tokenizer_class": None}}, "equal"),
    ("config.json: a class of any pipeline", ("clip",),
     {"config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
      "tokenizer_config.json": {"tokenizer_class": None}}, "equal"),
    ("config.json: a class of any pipeline, another pipeline", ("clip",),
     {"config.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
      "tokenizer.json": pipeline(normalizer={"type": "NFKC"}),
      "tokenizer_config.json": {"tokenizer_class": None}}, "refused"),
    ("config.json: a class beside that of the configuration",
     ("clip", "siglip", "siglip2", "metaclip2"),
     {"config.json": {"tokenizer_class": "BertTokenizer"}}, "equal"),
    ("config.json: a class of another network", ("clip-vocab",),
     {"config.json": {"tokenizer_class": "BertTokenizer"}}, "refused"),
    ("a class of another network: Bert", ("clip",),
     {"tokenizer_config.json": {"tokenizer_class": "BertTokenizer"}},
     "refused"),
    ("a class of another network: GPT-2", ("clip", "siglip2"),
     {"tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"}},
     "refused"),
    ("a class of another network: Roberta", ("clip",),
     {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizerFast"}},
     "refused"),
    ("a class that nobody knows", ("clip",),
     {"tokenizer_config.json": {"tokenizer_class": "OurTokenizer"}},
     "refused"),
    ("auto_map, use_fast, _commit_hash, backend", ALL,
     {"tokenizer_config.json": {
         "auto_map": {"AutoTokenizer": ["x.Slow", "x.Fast"]},
         "use_fast": False, "_commit_hash": "01", "backend": "tokenizers",
         "local_files_only": True, "is_local": False}}, "equal"),
    ("arguments of a call", ALL,
     {"tokenizer_config.json": {
         "max_length": 5, "padding": "max_length", "truncation": True,
         "stride": 2, "pad_to_multiple_of": 8, "return_tensors": "np",
         "truncation_strategy": "only_first"}}, "equal"),
    ("model_input_names, token_type_ids_pattern", ALL,
     {"tokenizer_config.json": {
         "model_input_names": ["input_ids", "attention_mask"],
         "token_type_ids_pattern": "all_zeros"}}, "equal"),
    ("special_tokens_pattern", ("siglip",),
     {"tokenizer_config.json": {"special_tokens_pattern": "cls_sep"}},
     "equal"),
    ("add_special_tokens false", CLIPS,
     {"tokenizer_config.json": {"add_special_tokens": False}}, "both refuse"),
    ("fast_tokenizer_files, none for a version", ALL,
     {"tokenizer_config.json": {"fast_tokenizer_files":
                                ["tokenizer.json"]}}, "equal"),
    ("fast_tokenizer_files", ("clip",),
     {"tokenizer_config.json": {"fast_tokenizer_files":
                                ["tokenizer.json", "tokenizer.4.0.0.json"]}},
     "refused"),
    ("fix_mistral_regex", CLIPS,
     {"tokenizer_config.json": {"fix_mistral_regex": True}}, "refused"),
    ("parts of a tokenizer: padding", CLIPS,
     {"tokenizer_config.json": {"tokenizer_padding": {
         "length": 30, "direction": "right", "pad_id": 3, "pad_token": "a",
         "pad_type_id": 0, "pad_to_multiple_of": None}}}, "refused"),
    # model_type siglip means SiglipTokenizer, which wants a spiece.model.
    ("no tokenizer_class", ("siglip2",),
     {"tokenizer_config.json": {"tokenizer_class": None}}, "only clipc reads"),
]


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        if isinstance(value, str):
            file.write(value)
        else:
            json.dump(value, file)


def more_rows(folder):
    """Lengthens the token embedding of a model by N_MORE rows."""
    from safetensors.numpy import load_file, save_file
    path = f"{folder}/model.safetensors"
    state = load_file(path)
    name = "text_model.embeddings.token_embedding.weight"
    rows = np.zeros((N_MORE, state[name].shape[1]), state[name].dtype)
    rows[:] = np.arange(1, N_MORE + 1)[:, None] / 64
    state[name] = np.concatenate([state[name], rows])
    save_file(state, path)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    for key in ("text_config", "text_config_dict"):
        if key in config:
            config[key]["vocab_size"] = len(state[name])
    write_json(f"{folder}/config.json", config)
    text = config.get("text_config_dict") or config["text_config"]
    return text.get("max_position_embeddings",
                    64 if config["model_type"] == "siglip" else 77)


def change(folder, files):
    n = n_tokens(folder)
    for name, value in files.items():
        path = f"{folder}/{name}"
        if getattr(value, "edits", False):
            with open(path, encoding="utf-8") as file:
                value = value(json.load(file))
        elif callable(value):
            value = value(n)
        if value is None:
            if os.path.exists(path):
                os.remove(path)
            continue
        if name in ("tokenizer_config.json", "config.json"):
            config = {}
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    config = json.load(file)
            config.update(value)
            value = {k: v for k, v in config.items() if v is not None}
        write_json(path, value)


def reference_ids(folder, positions, truncate):
    """The ids of every text, or the exception."""
    from transformers import AutoTokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        most = min(positions, tokenizer.model_max_length)
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            pads = json.load(file).get("model_type") == "siglip"
        rows = []
        for text in TEXTS:
            ids = tokenizer(text, max_length=most if truncate else None,
                            truncation=truncate)["input_ids"]
            if pads and len(ids) < most:
                ids = tokenizer(text, max_length=most,
                                padding="max_length",
                                truncation=truncate)["input_ids"]
            rows.append(ids)
        return rows
    except Exception as error:  # whatever it is, the reference gives no ids
        return error


def clipc_ids(build, folder, truncate):
    done = subprocess.run(
        [f"{build}/clipc-inspect", "tokens", "--model", folder] +
        (["--truncate"] if truncate else []), capture_output=True, check=False,
        input="".join(json.dumps(t) + "\n" for t in TEXTS).encode())
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 1) or all(row is None for row in rows):
        return done.stderr.decode().strip()
    return rows


def verdict(got, want):
    if isinstance(want, Exception):
        return ("both refuse" if isinstance(got, str) else "only clipc reads",
                f"{type(want).__name__}: {want}")
    if isinstance(got, str):
        return "refused", got
    if len(got) != len(want):
        return "differ", f"{len(got)} texts"
    for text, a, b in zip(TEXTS, got, want):
        if a != b:
            return "differ", f"{text[:40]!r}: {a} instead of {b}"
    return "equal", ""


def run_case(build, base, files, work):
    """The worst of truncated and whole texts."""
    folder = f"{work}/model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BASES[base], folder)
    positions = more_rows(folder)
    change(folder, files)
    result = ("equal", "")
    for truncate in (True, False):
        want = reference_ids(folder, positions, truncate)
        got = clipc_ids(build, folder, truncate)
        if not truncate and not isinstance(want, Exception) and \
                isinstance(got, list):
            # clipc-inspect stops at the first text that is too long.
            pairs = [(t, g, w) for t, g, w in zip(TEXTS, got, want)]
            bad = [p for p in pairs if p[1] != p[2]]
            if bad:
                return "differ", f"{bad[0][0][:40]!r}: {bad[0][1]} instead " \
                                 f"of {bad[0][2]}"
            continue
        result = verdict(got, want)
        if result[0] != "equal":
            return result
    return result


def run(build, word="", tell=print):
    """(number of cases, those that are otherwise than they say)."""
    work = tempfile.mkdtemp()
    n, wrong = 0, []
    try:
        for name, bases, files, expected in CASES:
            for base in bases:
                if word not in f"{base}: {name}":
                    continue
                n += 1
                found, why = run_case(build, base, files, work)
                if found != expected:
                    wrong.append(f"{base}: {name}: {found}, not {expected}: "
                                 f"{why[:300]}")
                    tell(wrong[-1])
    finally:
        shutil.rmtree(work)
    return n, wrong


def main():
    assert_reference()
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    n, wrong = run(build, sys.argv[2] if len(sys.argv) > 2 else "")
    print(f"{n} cases, {len(wrong)} otherwise")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
