"""Read UFM's REST API from the undercloud: port states and PKey members."""

import http.client
import json
import re
import socket
import ssl
from typing import Any, Dict, Tuple
from urllib.parse import urlsplit

from onhost.undercloud.common import Fault, Unavailable
from onhost.undercloud.orders import UfmApi

PREFIX = "/ufmRestV3"
"""The API's version that takes an access token, behind the word "Basic" and not base64-encoded."""
ANSWER_SECONDS = 60
"""Timeout of a request."""


class Ufm:
    """A reader of UFM's REST API. One connection per request; no redirect, no proxy, no cookie."""

    def __init__(self, api: UfmApi) -> None:
        """Prepare TLS and the token; nothing is sent.

        Raises:
            Fault: the token has characters that a header must not have.
        """
        url = urlsplit(api.url)
        self._host, self._port = str(url.hostname), url.port
        self._name = api.name or self._host
        self._context = ssl.create_default_context(cadata=api.ca)
        if api.insecure:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        # http.client would print a header that it refuses.
        if not re.match(r"[!-~]+\Z", api.token):
            raise Fault("UFM's API token has characters that are not printable ASCII; raise ufm.tokenGeneration")
        self._headers = {"Authorization": "Basic " + api.token}

    def members(self, pkey: str) -> Dict[str, str]:
        """Return the members of a PKey, GUID to `full` or `limited`; none where UFM does not know the PKey."""
        return members_in(self._get(f"/resources/pkeys/{pkey}?guids_data=true"), pkey)

    def active(self) -> Dict[str, str]:
        """Return the hosts' ports with an active link: GUID to UFM's name of the host."""
        ports = self._get("/resources/ports?sys_type=Computer") or ()
        up = [port for port in ports if str(port.get("logical_state")).lower() == "active" and port.get("guid")]
        return {bare_guid(port["guid"]): str(port.get("node_description") or port.get("system_name")) for port in up}

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPSConnection(self._name, self._port, timeout=ANSWER_SECONDS, context=self._context)
        connection._create_connection = self._connect  # type: ignore[attr-defined]
        try:
            connection.request("GET", PREFIX + path, headers=self._headers)
            answer = connection.getresponse()
            return parse_answer(path, answer.status, answer.read())
        except (OSError, http.client.HTTPException, ssl.CertificateError) as error:
            if isinstance(error, ssl.CertificateError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Fault(f"UFM's certificate cannot be verified: {error}; see ufm.caFile, serverName") from None
            raise Unavailable(f"UFM at {self._host} does not answer ({type(error).__name__})") from None
        finally:
            connection.close()

    def _connect(self, address: Tuple[str, int], *options: Any) -> socket.socket:
        """Connect to UFM's address, whatever name its certificate has."""
        return socket.create_connection((self._host, address[1]), *options)


def parse_answer(path: str, status: int, body: bytes) -> Any:
    """Return the JSON of an answer of UFM; an empty object for 404.

    Raises:
        Fault: UFM refuses the token, possibly with a redirect or a login page, or answers with another status.
        Unavailable: UFM restarts, or the answer is incomplete.
    """
    if status >= 500:
        raise Unavailable(f"UFM answers {status}")
    if status in (401, 403) or 300 <= status < 400 or body.lstrip().startswith(b"<"):
        raise Fault(f"UFM rejects the API token (status {status} for GET {path}); raise ufm.tokenGeneration")
    if status == 404:
        return {}
    if status != 200:
        raise Fault(f"UFM answers {status} to GET {path}")
    try:
        return json.loads(body.decode())
    except ValueError:
        raise Unavailable("UFM's answer is incomplete") from None


def members_in(answer: Dict[str, Any], pkey: str) -> Dict[str, str]:
    """Return the members that an answer lists. Some UFM releases wrap the answer in an object keyed by the PKey."""
    for key, inner in list(answer.items()):
        if re.match("0[xX]", key) and int(key, 16) == int(pkey, 16):
            answer = inner
    return {bare_guid(m["guid"]): str(m.get("membership") or "full") for m in answer.get("guids") or ()}


def bare_guid(guid: str) -> str:
    """Return a GUID in lower case and without 0x."""
    guid = guid.lower()
    return guid[2:] if guid.startswith("0x") else guid
