"""UFM's administration port in the lab, as the hosts use it."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from lab import addresses
from lab.process import LabError


class UfmAdmin:
    """Implements `UfmBackend` with the administration port of the lab's UFM."""

    def __init__(self, port: int = addresses.UFM_ADMIN_PORT) -> None:
        self._url = f"http://{addresses.LOOPBACK}:{port}"

    def call(self, what: str, release: str | None = None) -> None:
        """Send an administrative verb, see `UfmBackend.call`."""
        self._send("POST", what, {"release": release} if release else {})

    def certificate(self, pem: str) -> None:
        """Set certificate and key of UFM's web server from its next start on; empty for UFM's own."""
        self._send("PUT", "certificate", {"pem": pem})

    def name_hosts(self, names: Mapping[str, str]) -> None:
        """Set host name → node."""
        self._send("PUT", "names", names)

    def release(self) -> str:
        """Return the release that runs; empty if none does."""
        state: dict[str, str] = json.loads(self._ask(urllib.request.Request(f"{self._url}/state"), "state"))  # noqa: S310
        return state.get("release", "")

    def _send(self, verb: str, what: str, fields: Mapping[str, str]) -> None:
        body = json.dumps(dict(fields)).encode()
        request = urllib.request.Request(f"{self._url}/{what}", data=body, method=verb)  # noqa: S310
        request.add_header("Content-Type", "application/json")
        self._ask(request, what)

    @staticmethod
    def _ask(request: urllib.request.Request, what: str) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace").strip()
            raise LabError(f"UFM: {what}: {error.code} {text}") from error
        except OSError as error:
            raise LabError(f"UFM: {what}: {error}") from error
