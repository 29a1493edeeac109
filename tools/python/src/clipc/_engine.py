# SPDX-License-Identifier: MIT
"""An opened model with a context for each thread, also after a fork.

A context belongs to one thread at a time, so each thread that computes gets its
own; the weights are shared. A forked child has the model's memory but none of
the contexts' threads: it makes new contexts. When the parent was inside the
library at that moment, a lock in the copy may be held for ever: the child then
opens the model again.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from typing import Any, Optional

from . import _hub, _native, _places
from ._errors import ClipcError, argument

# Guards the counts of calls, and is held during a fork.
_counting = threading.Lock()
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    _counting.release()
    for engine in list(_engines):
        engine.forked()


os.register_at_fork(
    before=_counting.acquire,
    after_in_parent=_counting.release,
    after_in_child=_after_fork,
)


def _bytes(value: Any, what: str) -> bytes:
    data = os.fsencode(value)
    if b"\0" in data or not data:
        raise argument(f"{what} {os.fsdecode(data)!r}: empty, or with a NUL byte")
    return data


def _may_be_id(name: str) -> bool:
    """Whether a name can be a repository of the hub."""
    return bool(name) and name != "demo" and not os.path.isabs(name) and not os.path.exists(name)


class Engine:
    """The native side of a Model. `settings` are Model's arguments."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._calls = 0
        self._reopen = False
        self._opening = threading.Lock()
        self._local = threading.local()
        self._model: Optional[_native.Handle] = self._open()
        with _counting:
            _engines.add(self)
        self.context()  # wrong settings are told here

    # ---- opening ----

    def _open(self) -> _native.Handle:
        name = os.fspath(self._settings["model"])
        if not name:
            raise argument("a model's name is empty")
        offline = self._settings["offline"]
        if offline is None:
            offline = _hub.is_offline()
        cache = self._settings["cache_dir"]
        cache = os.fspath(cache) if cache is not None else _places.hub_cache()
        try:
            return self._open_native(name, cache)
        except ClipcError as error:
            absent = [
                id_
                for id_ in (name, self._settings["adapter"] or "")
                if isinstance(id_, str) and _may_be_id(id_)
            ]
            if error.status != "not_found" or not absent:
                raise
            if offline:
                raise ClipcError(
                    "not_found",
                    f"{error.message}; downloads are switched off (offline)",
                ) from None
        for id_ in absent:
            _hub.download(id_, cache)
        return self._open_native(name, cache)

    def _open_native(self, name: str, cache: str) -> _native.Handle:
        params = _native.lib.clipc_model_params_default()
        hub = _native.lib.clipc_hub_params_default()
        hub.cache_dir = _bytes(cache, "the folder of the cache")
        params.hub = ctypes.addressof(hub)
        params.image_size = self._settings["image_size"] or 0
        if self._settings["adapter"] is not None:
            params.adapter = os.fsencode(self._settings["adapter"])
        if name == "demo" and not os.path.isdir(name):
            params.data_dir = os.fsencode(_places.data_folder("demo/config.json"))
        return _native.create(
            "clipc_model_open",
            "clipc_model_free",
            _bytes(name, "the model's name"),
            ctypes.byref(params),
        )

    # ---- objects ----

    def model(self) -> _native.Handle:
        """The clipc_model."""
        if self._reopen:
            with self._opening:
                if self._reopen:
                    self._model = self._open()
                    self._reopen = False
        if self._model is None:
            raise argument("the model is closed")
        return self._model

    def context(self) -> _native.Handle:
        """The calling thread's clipc_ctx."""
        model = self.model()
        owner = (os.getpid(), model)
        found: Optional[_native.Handle] = getattr(self._local, "context", None)
        if found is None or self._local.owner != owner:
            self._local.context = found = self.new_context(model)
            self._local.owner = owner
        return found

    def new_context(self, model: _native.Handle, progress: Optional[Any] = None) -> _native.Handle:
        """A clipc_ctx of the caller's own; progress: a ProgressFunction, which the
        caller keeps alive."""
        params = _native.lib.clipc_ctx_params_default()
        if progress is not None:
            params.progress = progress
        params.threads = self._settings["threads"] or 0
        params.precision = _native.PRECISIONS[self._settings["precision"]]
        params.context_length = self._settings["context_length"] or 0
        # In f32 the rearranged weights are as large as the file's: the library
        # makes them at the third use. In fewer bits they are smaller, and those of
        # the file need never be in memory as a whole.
        if self._settings["precision"] in ("bf16", "int8"):
            params.packing = _native.PACKING_ALWAYS
        return _native.create(
            "clipc_ctx_create", "clipc_ctx_free", model, ctypes.byref(params), in_child=False
        )

    def close(self) -> None:
        """Drops the model and the calling thread's context. They are freed once
        no running call and no context of another thread uses them."""
        self._local.__dict__.clear()
        self._reopen = False
        self._model = None

    def forked(self) -> None:
        """Called in a new child."""
        if self._calls and self._model is not None:
            self._model.forget()
            self._reopen = True
        self._calls = 0
        self._opening = threading.Lock()

    # ---- calls ----

    def call(self, function: str, *arguments: Any) -> None:
        """Calls a function of the library that uses the model."""
        with _counting:
            self._calls += 1
        try:
            _native.call(function, *arguments)
        finally:
            with _counting:
                self._calls -= 1

    def info(self) -> _native.ModelInfo:
        """What the model is. Its strings live as long as the model."""
        info = _native.ModelInfo()
        info.struct_size = ctypes.sizeof(info)
        _native.call("clipc_model_get_info", self.model(), ctypes.byref(info))
        return info

    @property
    def n_threads(self) -> int:
        """CPUs that the model computes on."""
        return int(self._settings["threads"] or len(os.sched_getaffinity(0)))
