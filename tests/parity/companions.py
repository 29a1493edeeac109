# SPDX-License-Identifier: MIT
"""The files beside a model's weights that its tokenizer is made from, changed
one by one: `clipc-inspect tokens` against AutoTokenizer on the same folder.

    python tests/parity/companions.py [BUILD [WORD]] [--random N] [--seed S]

Run from the repository's root. Each case changes the files of one of the small
models of tests/data, and says whether clipc gives the reference's ids or
refuses the folder. WORD: only cases whose names have it. N folders more (400)
are changed at random, in many places at once: clipc may refuse such a folder,
and never gives other ids. Exit status 1 when a case is otherwise.
"""

import argparse
import collections
import copy
import json
import os
import random
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
    "  <special>  a  ", "a<|endoftext|>!!", "!<|ENDOFTEXT|>!! x", "</s> a <unk>", "<eos> b <bos>", "CAR <mask> [MASK]",
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
NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
         "cls_token", "mask_token")
NAMELESS = FAST | dict.fromkeys(NAMED)
WORDS = ("'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|"
         "[^\\s\\p{L}\\p{N}]+")  # CLIP's split before transformers 5


def old_split(old):
    split = old["pre_tokenizer"]["pretokenizers"][0]
    split["pattern"]["Regex"] = WORDS


def template(start, end):
    """A post-processor: (text, id) of the start and of the end, or None."""
    ends = [one and {"SpecialToken": {"id": one[0], "type_id": 0}}
            for one in (start, end)]
    single = [part for part in (ends[0], {"Sequence": {"id": "A",
                                                       "type_id": 0}},
                                ends[1]) if part]
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {text: {"id": text, "ids": [number],
                                      "tokens": [text]}
                               for text, number in filter(None, (start, end))}}


def roberta(start, end):
    return {"type": "RobertaProcessing", "sep": list(end), "cls": list(start),
            "trim_offsets": False, "add_prefix_space": False}


def changed_flags(old):
    for one in old["added_tokens"]:
        one.update(normalized=not one["normalized"], rstrip=True)


def new_tokens(*contents):
    """Listed, and out of order where the last one comes first."""
    def edit(old):
        n = len(old["model"]["vocab"])
        numbers = {content: n + i for i, content in enumerate(sorted(contents))}
        old["added_tokens"] += [{"id": numbers[c]} | token(c, special=False)
                                for c in contents]
    return edit


def both(*edits):
    def edit(old):
        for one in edits:
            one(old)
    return tokenizer_json(edit)


def padding(text, number):
    return {"strategy": "BatchLongest", "direction": "Left", "pad_id": number,
            "pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": text}


XLM_ENDS = template(("<s>", 0), ("</s>", 2))
PIPELINES = ("clip", "siglip2", "metaclip2")
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
    ("added_tokens.json with a name that has flags", CLIPS,
     {"added_tokens.json": lambda n: {"<special>": n},
      "tokenizer_config.json": {"added_tokens_decoder": None,
                                "unk_token": written("<special>")}}, "equal"),
    ("added_tokens.json with a name of the map that has flags", CLIPS,
     {"added_tokens.json": lambda n: {"<special>": n},
      "special_tokens_map.json": {"unk_token": token("<special>")},
      "tokenizer_config.json": {"added_tokens_decoder": None}}, "equal"),
    ("one new token by three names", CLIPS,
     {"tokenizer_config.json": {
         "unk_token": "<special>", "pad_token": "<special>",
         "sep_token": written("<special>", single_word=True)}}, "equal"),
    # The general class: tokenizer.json as it is.
    ("general: as it is", PIPELINES,
     {"tokenizer.json": both(lambda t: t.update(post_processor=t.get(
         "post_processor") or XLM_ENDS)),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: TokenizersBackend", ("clip", "siglip2"),
     {"tokenizer_config.json": {"tokenizer_class": "TokenizersBackend"}},
     "equal"),
    ("general: PreTrainedTokenizer", ("clip", "siglip2"),
     {"tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizer"}},
     "equal"),
    ("general: no added tokens", ("clip", "siglip2"),
     {"tokenizer.json": pipeline(added_tokens=[]),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: no added tokens", ("metaclip2",),
     {"tokenizer.json": pipeline(added_tokens=[], post_processor=XLM_ENDS),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: no added tokens, no names", ("clip",),
     {"tokenizer.json": pipeline(added_tokens=[]),
      "tokenizer_config.json": NAMELESS}, "equal"),
    ("general: no added tokens, no names", ("siglip2",),
     {"tokenizer.json": pipeline(added_tokens=[]),
      "tokenizer_config.json": NAMELESS}, "equal"),
    ("general: no added tokens, no names, the older split", ("clip",),
     {"tokenizer.json": both(old_split,
                             lambda t: t.update(added_tokens=[])),
      "tokenizer_config.json": NAMELESS}, "equal"),
    ("general: the older split", ("clip",),
     {"tokenizer.json": tokenizer_json(old_split),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: the older split, split_special_tokens", ("clip",),
     {"tokenizer.json": tokenizer_json(old_split),
      "tokenizer_config.json": FAST | {"split_special_tokens": True}},
     "equal"),
    ("the older split", ("clip",),
     {"tokenizer.json": tokenizer_json(old_split),
      "tokenizer_config.json": {"split_special_tokens": True}}, "equal"),
    ("general: other flags", ("clip", "siglip2"),
     {"tokenizer.json": tokenizer_json(changed_flags),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: a decoder with one token more", ("clip", "siglip2"),
     {"tokenizer_config.json": lambda n: FAST | {"added_tokens_decoder": {
         str(n): token("<special>", special=False)}}}, "equal"),
    ("general: a decoder with other flags", ("clip",),
     {"tokenizer_config.json": lambda n: FAST | {"added_tokens_decoder": {
         str(n - 1): token("<|endoftext|>", normalized=True, special=True)}}},
     "equal"),
    ("general: a decoder that makes a special token plain", ("clip",),
     {"tokenizer_config.json": lambda n: FAST | {
         "split_special_tokens": True, "added_tokens_decoder": {
             str(n - 1): token("<|endoftext|>", special=False)}}}, "equal"),
    ("general: a plain token of the file with a name", ("clip",),
     {"tokenizer.json": tokenizer_json(new_tokens("<special>", "<tok_a>")),
      "tokenizer_config.json": lambda n: FAST | {
          "split_special_tokens": True, "mask_token": "<special>",
          "sep_token": "<tok_a>", "added_tokens_decoder": {
              str(n + 1): token("<tok_a>", special=False)}}}, "equal"),
    ("general: an empty decoder", PIPELINES,
     {"tokenizer.json": both(lambda t: t.update(post_processor=t.get(
         "post_processor") or XLM_ENDS)),
      "tokenizer_config.json": FAST | {"added_tokens_decoder": {}}}, "equal"),
    ("general: new tokens", ("clip", "siglip2"),
     {"tokenizer.json": tokenizer_json(new_tokens("<special>", "<tok_a>")),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: new tokens out of order", ("clip", "siglip2"),
     {"tokenizer.json": tokenizer_json(new_tokens("<tok_a>", "<special>")),
      "tokenizer_config.json": FAST}, "refused"),
    ("general: a decoder with another id", ("clip",),
     {"tokenizer_config.json": lambda n: FAST | {"added_tokens_decoder": {
         "3": token("<|endoftext|>")}}}, "refused"),
    ("general: the older files", ("clip", "siglip2"),
     {"tokenizer_config.json": FAST,
      "added_tokens.json": lambda n: {"<special>": n, "<tok_a>": n + 1},
      "special_tokens_map.json": {"mask_token": "<special>"}}, "equal"),
    ("general: names", ("clip", "siglip2"),
     {"tokenizer_config.json": FAST | {
         "sep_token": "[PAD]", "mask_token": written("<special>", rstrip=True),
         "bos_token": None, "extra_special_tokens": ["<tok_a>"]}}, "equal"),
    ("general: padding of the file", ("siglip2",),
     {"tokenizer.json": pipeline(padding=padding("<mask>", 9)),
      "tokenizer_config.json": FAST | {"pad_token": None,
                                       "padding_side": None}}, "equal"),
    ("general: padding of the file that is new", ("siglip2",),
     {"tokenizer.json": pipeline(padding=padding("[PAD]", 0)),
      "tokenizer_config.json": FAST | {"pad_token": None}}, "equal"),
    ("general: padding of both", ("siglip2",),
     {"tokenizer.json": pipeline(padding=padding("<mask>", 9)),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: other ends", ("clip",),
     {"tokenizer.json": pipeline(post_processor=roberta(("?", 5), ("!", 6))),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: ends of a template", PIPELINES,
     {"tokenizer.json": pipeline(post_processor=template(("<x>", 5),
                                                         ("<y>", 6))),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: an end alone", ("siglip2", "metaclip2"),
     {"tokenizer.json": pipeline(post_processor=template(None, ("<y>", 6))),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: an end alone", ("clip",),
     {"tokenizer.json": pipeline(post_processor=template(None, ("<y>", 6))),
      "tokenizer_config.json": FAST}, "refused"),
    ("general: no post-processor", ("siglip2",),
     {"tokenizer.json": pipeline(post_processor=None),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: no post-processor", ("clip", "metaclip2"),
     {"tokenizer.json": pipeline(post_processor=None),
      "tokenizer_config.json": FAST}, "refused"),
    ("general: another unknown token", ("siglip2",),
     {"tokenizer.json": model_part(unk_token="<mask>"),
      "tokenizer_config.json": FAST}, "equal"),
    ("general: add_prefix_space", ("metaclip2",),
     {"tokenizer.json": pipeline(post_processor=XLM_ENDS),
      "tokenizer_config.json": FAST | {"add_prefix_space": False}}, "equal"),
    ("general: vocab.json and merges.txt", ("clip-vocab",),
     {"tokenizer_config.json": FAST}, "only clipc reads"),
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


def more_rows(folder, n_more=N_MORE):
    """Lengthens the token embedding of a model by n_more rows."""
    from safetensors.numpy import load_file, save_file
    path = f"{folder}/model.safetensors"
    state = load_file(path)
    name = "text_model.embeddings.token_embedding.weight"
    rows = np.zeros((n_more, state[name].shape[1]), state[name].dtype)
    rows[:] = np.arange(1, n_more + 1)[:, None] / 64
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


def reference_ids(folder, positions, truncate, texts=None):
    """The ids of every text, or the exception."""
    from transformers import AutoTokenizer
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        most = min(positions, tokenizer.model_max_length)
        with open(f"{folder}/config.json", encoding="utf-8") as file:
            pads = json.load(file).get("model_type") == "siglip"
        rows = []
        for text in texts or TEXTS:
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


def clipc_ids(build, folder, truncate, texts=None):
    done = subprocess.run(
        [f"{build}/clipc-inspect", "tokens", "--model", folder] +
        (["--truncate"] if truncate else []), capture_output=True, check=False,
        input="".join(json.dumps(t) + "\n" for t in texts or TEXTS).encode())
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode not in (0, 1) or all(row is None for row in rows):
        return done.stderr.decode().strip()
    return rows


def verdict(got, want, texts=None):
    if isinstance(want, Exception):
        return ("both refuse" if isinstance(got, str) else "only clipc reads",
                f"{type(want).__name__}: {want}")
    if isinstance(got, str):
        return "refused", got
    if len(got) != len(want):
        return "differ", f"{len(got)} texts"
    for text, a, b in zip(texts or TEXTS, got, want):
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


# ---- folders changed at random -------------------------------------------

GENERAL = ("PreTrainedTokenizerFast", "TokenizersBackend",
           "PreTrainedTokenizer", "PythonBackend")
# The network, the folder of the tokenizer, the class that builds that one.
RANDOM_BASES = (
    ("tiny", "tiny", "CLIPTokenizer"),
    ("tiny-siglip", "tiny", None),
    ("tiny-siglip", "tiny-siglip", "GemmaTokenizer"),
    ("tiny", "tiny-siglip", None),
    ("tiny-metaclip2", "tiny-metaclip2", "XLMRobertaTokenizer"),
    ("tiny-siglip", "tiny-metaclip2", None),
)
PLAIN = ("a", " ", "!!", "!", "'s", " CAR", "car's", "a photo of ", "7", "  ",
         "\u00e9", "\u2581", "\u4e2d\u6587", "\n", "<", "|>", "_")


def maybe(rng, chance):
    return rng.random() < chance


def flags(rng):
    """Flags of an added token; most are those of real files."""
    odd = maybe(rng, 0.5)
    return {"lstrip": odd and maybe(rng, 0.2), "rstrip": odd and maybe(rng, 0.2),
            "single_word": odd and maybe(rng, 0.15),
            "normalized": odd and maybe(rng, 0.4),
            "special": not (odd and maybe(rng, 0.4))}


def change_list(rng, tokens, next_id):
    """added_tokens of a tokenizer.json, in place."""
    how = rng.randrange(8)
    if how == 0:
        tokens.clear()
    elif how == 1 and tokens:
        tokens.pop(rng.randrange(len(tokens)))
    elif how == 2:
        tokens.reverse()
    elif how == 3:
        for one in tokens:
            one.update(flags(rng))
    if maybe(rng, 0.3):
        new = [{"id": next_id + i, "content": content, **flags(rng)}
               for i, content in enumerate(("<new_a>", "<New_b>"))]
        if maybe(rng, 0.2):
            new.reverse()
        if maybe(rng, 0.1):
            new[0]["id"] += 1
        tokens.extend(new)


def change_ends(rng, ends, old):
    """A post-processor. ends: (text, id) of the start and of the end."""
    start, end = (rng.choice(ends) if maybe(rng, 0.3) else one
                  for one in ends[:2])
    how = rng.randrange(8)
    if how < 3:
        return old
    if how == 3:
        return None
    if how < 6:
        return roberta(start, end) | {"trim_offsets": maybe(rng, 0.5)}
    if start[0] == end[0]:
        end = ("A" + end[0], end[1])
    if maybe(rng, 0.3):
        return template(*rng.choice(((start, None), (None, end))))
    return template(start, end)


def change_pipeline(rng, root):
    pre = root["pre_tokenizer"]
    vocab = root["model"]["vocab"]
    if maybe(rng, 0.1) and "<0xE4>" in vocab:  # some characters are unknown
        root["model"]["vocab"] = {"<odd>" if piece == "<0xE4>" else piece: i
                                  for piece, i in vocab.items()}
    if root["model"]["type"] == "BPE" and pre["type"] == "Sequence":
        if maybe(rng, 0.5):
            old_split(root)
        if maybe(rng, 0.1):
            pre["pretokenizers"][1].pop("use_regex")
    elif pre["type"] == "Split" and maybe(rng, 0.3):
        root["pre_tokenizer"] = None
    if maybe(rng, 0.1):
        root["model"]["unk_token"] = rng.choice((None, "<pad>", "!"))
    if maybe(rng, 0.05):
        root["normalizer"] = {"type": "NFKC"}
    if maybe(rng, 0.5):
        root["padding"] = None if maybe(rng, 0.3) else {
            "strategy": rng.choice(("BatchLongest", {"Fixed": 12})),
            "direction": rng.choice(("Left", "Right")),
            "pad_to_multiple_of": None, "pad_id": rng.randrange(9),
            "pad_type_id": 0,
            "pad_token": rng.choice(("!", "<pad>", "<new_a>", "[PAD]"))}
    if maybe(rng, 0.3):
        root["truncation"] = None if maybe(rng, 0.5) else {
            "direction": rng.choice(("Left", "Right")), "max_length": 9,
            "strategy": "LongestFirst", "stride": 0}


def change_decoder(rng, tokens, next_id):
    """added_tokens_decoder of the configuration."""
    out = {str(one["id"]): {k: v for k, v in one.items() if k != "id"}
           for one in tokens if not maybe(rng, 0.2)}
    for one in out.values():
        if maybe(rng, 0.3):
            one.update(flags(rng))
    if maybe(rng, 0.3):
        for i, content in enumerate(("<new_a>", "<dec_b>")):
            out.setdefault(str(next_id + i + maybe(rng, 0.1)),
                           {"content": content, **flags(rng)})
    if maybe(rng, 0.1):
        out = dict(reversed(list(out.items())))
    return out


def change_config(rng, config, root, base_class):
    """tokenizer_config.json and the older files: {name: content}."""
    tokens, n = root["added_tokens"], len(root["model"]["vocab"])
    texts = [one["content"] for one in tokens] + ["<new_a>", "[NAME]", "!"]
    files = {}
    config.pop("added_tokens_decoder", None)
    config["tokenizer_class"] = (base_class if base_class and maybe(rng, 0.15)
                                 else rng.choice(GENERAL[:2]) if maybe(rng, 0.9)
                                 else rng.choice(GENERAL))
    if base_class and maybe(rng, 0.1):
        del config["tokenizer_class"]
    if maybe(rng, 0.6):
        config["added_tokens_decoder"] = change_decoder(rng, tokens, n)
    for name in NAMED:
        how = rng.randrange(12)
        if how < 3:
            config.pop(name, None)
        elif how == 3:
            config[name] = None if maybe(rng, 0.3) else config.get(name)
        elif how == 4:
            config[name] = rng.choice(texts)
        elif how == 5:
            config[name] = written(rng.choice(texts), **flags(rng))
    if not root["padding"] and maybe(rng, 0.8):  # a reference that pads
        config.setdefault("pad_token", rng.choice(texts))
    if maybe(rng, 0.15):
        config["extra_special_tokens"] = rng.sample(texts, 2)
    if maybe(rng, 0.15):
        config["image_token"] = rng.choice(texts)
    if maybe(rng, 0.15):
        config["split_special_tokens"] = True
    if maybe(rng, 0.2):
        config["model_max_length"] = rng.choice((9, 64, int(1e30)))
    for key in ("truncation_side", "padding_side"):
        if maybe(rng, 0.15):
            config[key] = rng.choice(("left", "right"))
    if maybe(rng, 0.15):
        files["special_tokens_map.json"] = {
            name: rng.choice(texts) for name in rng.sample(NAMED, 3)}
    if maybe(rng, 0.15):
        files["added_tokens.json"] = {rng.choice(("<new_a>", "<old_a>")): n,
                                      "<old_b>": n + 1}
    return files | {"tokenizer_config.json": config}


def random_texts(rng, root, config):
    specials = [one["content"] for one in root["added_tokens"]]
    specials += ["<new_a>", "<New_b>", "<dec_b>", "[NAME]", "[PAD]", "<old_b>",
                 "<|endoftext|>", "<|startoftext|>", "</s>", "<s>", "<unk>"]
    specials += [one["content"] for one in
                 (config.get("added_tokens_decoder") or {}).values()]
    out = []
    for _ in range(24):
        parts = [rng.choice(PLAIN) if maybe(rng, 0.6) else rng.choice(specials)
                 for _ in range(rng.randrange(1, 9))]
        out.append("".join(part.upper() if maybe(rng, 0.1) else part
                           for part in parts))
    return out + ["a car " * 40, "", "a<|endoftext|>!!"]


def random_folder(rng, folder):
    """Writes a model folder; returns its positions and texts."""
    network, tokenizer, base_class = rng.choice(RANDOM_BASES)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(f"tests/data/{network}", folder)
    positions = more_rows(folder, 200)
    with open(f"tests/data/{tokenizer}/tokenizer.json",
              encoding="utf-8") as file:
        root = json.load(file)
    with open(f"tests/data/{tokenizer}/tokenizer_config.json",
              encoding="utf-8") as file:
        config = json.load(file)
    n = len(root["model"]["vocab"])
    ends = [(one["content"], one["id"]) for one in root["added_tokens"]]
    if ends[0][0] == "<pad>":  # Gemma's list begins with it
        ends = [ends[2], ends[1]] + ends
    elif ends[0][0] == "<s>":
        ends = [ends[0], ends[2]] + ends
    ends += [("x", 7)]
    old = root["post_processor"] or change_ends(random.Random(4), ends, None)
    change_list(rng, root["added_tokens"], n)
    change_pipeline(rng, root)
    root["post_processor"] = change_ends(rng, ends, old)
    files = change_config(rng, config, root, base_class)
    files["tokenizer.json"] = root
    for name, content in files.items():
        write_json(f"{folder}/{name}", content)
    return positions, random_texts(rng, root, config)


def run_random(build, n, seed, tell=print):
    """{verdict: number of folders}, and the refusals by their messages."""
    work = tempfile.mkdtemp()
    folder = f"{work}/model"
    found, why = collections.Counter(), collections.Counter()
    try:
        for i in range(n):
            rng = random.Random(f"{seed} {i}")
            positions, texts = random_folder(rng, folder)
            want = reference_ids(folder, positions, True, texts)
            got = clipc_ids(build, folder, True, texts)
            result, reason = verdict(got, want, texts)
            found[result] += 1
            if result == "differ":
                tell(f"random {seed} {i}: {reason}")
            if result == "refused":
                why[reason.split(": ", 2)[-1][:90]] += 1
    finally:
        shutil.rmtree(work)
    return found, why


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build/release")
    parser.add_argument("word", nargs="?", default="")
    parser.add_argument("--random", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--refusals", action="store_true",
                        help="say why random folders were refused")
    args = parser.parse_args()
    assert_reference()
    n, wrong = run(args.build, args.word)
    found, why = run_random(args.build, args.random, args.seed)
    if args.refusals:
        for reason, count in why.most_common():
            print(f"{count:5} {reason}")
    print(f"{n} cases, {len(wrong)} otherwise; {args.random} random folders: "
          f"{found['differ']} differ, {found['equal']} equal, "
          f"{found['refused']} refused by clipc alone")
    sys.exit(1 if wrong or found["differ"] else 0)


if __name__ == "__main__":
    main()
