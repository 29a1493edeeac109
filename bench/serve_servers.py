# SPDX-License-Identifier: MIT
"""Servers as children, and serve-load against them: for serve.py and
serve_mixed.py. Only the standard library."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A program that answers 200 at `ready`; its output goes into a log."""

    def __init__(self, name, command, ready, log, env=None):
        """command: with {port} and {address} where they belong."""
        port = free_port()
        self.name, self.log_path = name, log
        self.url = f"http://127.0.0.1:{port}"
        command = [part.format(port=port, address=f"127.0.0.1:{port}")
                   for part in command]
        with open(log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                env=os.environ | (env or {}))
        self.pid = self.process.pid
        atexit.register(self.stop)
        end = time.monotonic() + 300
        while not self._answers(ready):
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                with open(log, encoding="utf-8") as file:
                    sys.exit(f"serve: {name} does not start:\n{file.read()}")
            time.sleep(0.1)

    def _answers(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def post(self, path, body, kind="application/json"):
        request = urllib.request.Request(self.url + path, body,
                                         {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def stop(self, seconds=60):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


def clipc(build, model, log, *options):
    return Server("clipc-serve", [
        f"{build}/clipc-serve", "--model", model, "--served-name", "clip-b32",
        "--quiet", "--listen", "{address}", *options], "/readyz", log)


def load(build, server, path, files, **options):
    """One run of serve-load; its report, which may count no answer. What was
    not expected ends all."""
    command = [f"{build}/serve-load", "--json", "--pid", str(server.pid)]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    run = subprocess.run(command + [server.url + path, *files],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    report = json.loads(run.stdout or "null")
    if not report or report["unexpected"]:
        sys.exit(f"serve: {server.name}{path}: {run.stderr}{run.stdout}")
    return report
