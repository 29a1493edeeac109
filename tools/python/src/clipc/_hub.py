# SPDX-License-Identifier: MIT
"""Models of the Hugging Face hub: which files of a repository a model needs,
and their download by huggingface_hub into the cache that all programs share."""

from __future__ import annotations

import json
import os
from typing import Optional

from ._errors import ClipcError

_SMALL = (
    "config.json",
    "open_clip_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "adapter_config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "model_index.json",
)
# The first that exists; an index stands for the shards that it names.
_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
    "adapter_model.safetensors",
    "adapter_model.bin",
)


def split(name: str) -> tuple[str, Optional[str], str]:
    """Repository, revision and subfolder of ORG/NAME[/SUBFOLDER][@REVISION]."""
    path, _, revision = name.partition("@")
    parts = path.split("/")
    if not all(parts) or any(part in (".", "..") for part in parts):
        raise ClipcError(
            "not_found", f"{name}: no such folder or file, and no repository id (ORG/NAME)"
        )
    return "/".join(parts[:2]), revision or None, "/".join(parts[2:])


def _in_folder(files: list[str], folder: str) -> list[str]:
    """What a model in this folder of the repository needs, one set of weights."""
    prefix = folder + "/" if folder else ""
    here = {file[len(prefix) :]: file for file in files if file.startswith(prefix)}
    found = [here[name] for name in _SMALL if name in here]
    for name in _WEIGHTS:
        if name not in here:
            continue
        found.append(here[name])
        if name.endswith(".index.json"):
            stem, ending = name[: -len(".index.json")].rsplit(".", 1)
            found += [
                file
                for short, file in here.items()
                if short.startswith(stem + "-") and short.endswith("." + ending)
            ]
        break
    return found


def wanted(files: list[str], subfolder: str) -> list[str]:
    """Of a repository's files those that a model needs.

    Without a configuration of its own the folder may be one of
    sentence-transformers, with the model in a folder below, or of diffusers, with
    a text encoder and a tokenizer below.
    """
    prefix = subfolder + "/" if subfolder else ""
    below = {
        file[len(prefix) :].rpartition("/")[0]
        for file in files
        if file.startswith(prefix) and file.endswith("/config.json")
    }
    found = _in_folder(files, subfolder)
    if prefix + "config.json" not in files and prefix + "open_clip_config.json" not in files:
        if prefix + "modules.json" in files:
            for folder in below:
                if "/" not in folder:
                    found += _in_folder(files, prefix + folder)
        elif prefix + "model_index.json" in files:
            encoder = "text_encoder_2" if "text_encoder_2" in below else "text_encoder"
            found += _in_folder(files, prefix + encoder)
            found += _in_folder(files, prefix + encoder.replace("text_encoder", "tokenizer"))
    # A part of a pipeline of diffusers has its tokenizer beside it.
    parent, _, last = subfolder.rpartition("/")
    if last.startswith("text_encoder"):
        beside = last.replace("text_encoder", "tokenizer")
        found += _in_folder(files, f"{parent}/{beside}" if parent else beside)
    return sorted(set(found))


def download(name: str, cache_dir: str) -> None:
    """Downloads a repository's model into the cache; of an adapter the model that
    it names too.

    A progress bar is shown by huggingface_hub itself. Needs huggingface_hub:
    pip install 'clipc[hub]'.
    """
    repository, revision, subfolder = split(name)
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise ClipcError(
            "unsupported",
            f"{name}: not in the cache {cache_dir}, and downloading needs huggingface_hub: "
            "pip install 'clipc[hub]'",
        ) from None
    try:
        info = huggingface_hub.HfApi().model_info(repository, revision=revision)
        files = wanted([s.rfilename for s in info.siblings or []], subfolder)
        if not files:
            raise ClipcError("not_found", f"{name}: the repository has no model there")
        folder = huggingface_hub.snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache_dir,
            allow_patterns=files,
        )
    except ClipcError:
        raise
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise ClipcError("not_found", f"{name}: {_first_line(error)}") from error
    except errors.HfHubHTTPError as error:
        raise ClipcError("http", f"{name}: {_first_line(error)}") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise ClipcError("not_found", f"{name}: {_first_line(error)}") from error
    except ValueError as error:
        raise ClipcError("not_found", f"{name}: {_first_line(error)}") from error
    except Exception as error:
        if not isinstance(error, OSError) and not _of_transfer(error):
            raise
        status = "timeout" if "timeout" in type(error).__name__.lower() else "network"
        if isinstance(error, OSError) and error.filename is not None:
            status = "io"
        raise ClipcError(status, f"{name}: {_first_line(error)}") from error
    base = _base_of_adapter(os.path.join(folder, subfolder))
    if base and not os.path.exists(base):
        download(base, cache_dir)


def _base_of_adapter(folder: str) -> Optional[str]:
    """The model that an adapter alone stands for."""
    try:
        if os.path.exists(os.path.join(folder, "config.json")):
            return None
        with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as file:
            base = json.load(file).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        return None
    return base if isinstance(base, str) else None


def _of_transfer(error: Exception) -> bool:
    """Whether it comes from huggingface_hub's HTTP library, whichever that is."""
    package = type(error).__module__.partition(".")[0]
    return package.startswith(("httpx", "httpcore", "requests", "urllib3"))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def is_offline() -> bool:
    """Whether the environment forbids downloads, as huggingface_hub reads it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")
