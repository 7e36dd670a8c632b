"""Support for the cloud's tests: sample files, and recorders in place of UFM and fabric."""

import json
import shutil
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from lab.cloud.translation import ComputeHardware, DeployFiles

SAMPLES = Path(__file__).with_name("files")
STOCK = SAMPLES / "templates" / "environments"
SDN, ENV = "neutron-ml2-mlnx-sdn-vm.yaml", "ib-env-vm.yaml"

CONTROLLERS = [f"overcloud-controller-{i}.localdomain" for i in range(3)]
COMPUTES = [f"overcloud-computesriov-ib-{i}.localdomain" for i in range(2)]
HARDWARE = {host: ComputeHardware(node=f"compute-{i}", vfs=8) for i, host in enumerate(COMPUTES, start=1)}

Change = Callable[[Any], object]
"""Alters the parameter_defaults of one file, or the file's whole document where it is no environment."""


def sample_files(folder: Path, ufm: str = "http://127.0.0.1:1", token: str = "token", **changes: Change) -> DeployFiles:
    """Return a copy of the sample files. `changes`: first word of a file's name (`neutron`, `ib`, …) → change."""
    shutil.copytree(SAMPLES, folder, dirs_exist_ok=True)
    sdn = folder / SDN
    sdn.write_text(sdn.read_text().replace("@UFM@", ufm).replace("@TOKEN@", token))
    for word, change in changes.items():
        file = next(f for f in sorted(folder.glob("*.yaml")) if f.name.replace("_", "-").startswith(f"{word}-"))
        document = yaml.safe_load(file.read_text())
        change(document.get("parameter_defaults", document) if isinstance(document, dict) else document)
        file.write_text(yaml.safe_dump(document))
    stock = folder / "templates" / "environments"
    services = stock / "services"
    return DeployFiles(
        templates=folder / "templates",
        roles=folder / "roles_data_ib_vm.yaml",
        networks=folder / "network_data_ib_vm.yaml",
        vips=folder / "vip-data-ib-vm.yaml",
        baremetal=folder / "node-info-ib-vm.yaml",
        environments=[
            stock / "podman.yaml",
            services / "neutron-ovs.yaml",
            services / "neutron-mlnx-agent.yaml",
            sdn,
            folder / ENV,
            stock / "disable-telemetry.yaml",
        ],
    )


def ml2_options(ca_map: Mapping[str, Any] | None = None, **options: Any) -> Change:
    """Have the deployment write options of ml2_conf.ini: `sdn__url` is option url of section sdn."""
    resources = {name.replace("__", "/"): {"value": value} for name, value in options.items()}

    def change(parameters: dict[str, Any]) -> None:
        parameters["ControllerExtraConfig"]["neutron::config::plugin_ml2_config"] = resources
        parameters["CAMap"] = dict(ca_map or {})

    return change


@dataclass(frozen=True)
class Request:
    """One request to UFM."""

    verb: str
    path: str
    status: int
    body: Mapping[str, Any]


@dataclass
class UfmRecorder:
    """A UFM that records networking-mlnx' requests and answers as its job-based driver expects."""

    token: str = "token"
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def of(self, verb: str, kind: str) -> list[Request]:
        """Return the accepted requests `verb` on `Network` or `Port`."""
        return [r for r in list(self.requests) if r.verb == verb and f"/{kind}" in r.path and r.status < 400]

    def answer(self, verb: str, path: str, authorization: str, body: Mapping[str, Any]) -> tuple[int, object]:
        status, result = (200, "/jobs/1") if verb != "GET" else (200, {"Status": "Completed"})
        if authorization != f"Basic {self.token}":
            status, result = 401, {"error": "unauthorized"}
        self.requests.append(Request(verb, path, status, body))
        return status, result

    @contextmanager
    def serving(self, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator["UfmRecorder"]:
        """Listen on loopback within the context."""
        server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


def _handler(ufm: UfmRecorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.loads(text) if text else {}
            status, result = ufm.answer(self.command, self.path, self.headers.get("authorization", ""), body)
            data = json.dumps(result).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Nothing on stderr."""

    return Handler


@dataclass
class FabricRecorder:
    """The fabric controller's socket without a fabric. Records the GUID of each VF."""

    vfs: dict[tuple[str, int], str] = field(default_factory=dict)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if request["op"] == "plug":
            self.vfs[request["node"], request["vf"]] = request["guid"]
        elif request["op"] == "unplug":
            self.vfs.pop((request["node"], request["vf"]), None)
        else:
            return {"error": f"unknown operation {request['op']}"}
        return {"ok": True}

    @contextmanager
    def serving(self, path: Path) -> Iterator["FabricRecorder"]:
        """Listen on the Unix socket within the context."""
        recorder = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                answer = recorder.answer(json.loads(self.rfile.readline()))
                self.wfile.write(json.dumps(answer).encode() + b"\n")

        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield self
            finally:
                server.shutdown()
                path.unlink(missing_ok=True)
