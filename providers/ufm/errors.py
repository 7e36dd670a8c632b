"""What can go wrong with UFM.

    UfmError
    ├── ConfigurationError          the provider's inputs do not say how to reach UFM; no call was made
    ├── CancelledError              the user interrupted the run; what was written is written
    ├── UnreachableError            no answer: refused, unknown host, time limit
    │   └── CertificateError        no trust: UFM's certificate is not signed by a known authority
    ├── AnswerError                 an answer, but not the one that was asked for
    │   ├── AuthenticationError     401, or the login page in place of JSON
    │   ├── ForbiddenError          403: the partition or the user's role does not allow it
    │   ├── NotFoundError           404
    │   ├── RejectedError           400 and its kin: UFM refuses the request
    │   ├── UnavailableError        5xx: UFM starts, restarts or fails
    │   └── ShapeError              2xx, but the JSON is not UFM's
    └── PartitionError              UFM answered well, and the partition is not as it should be
        ├── TakeoverError           it exists and differs from what the program declares; nothing was written
        ├── UnsupportedError        this release of UFM has no such thing; nothing was written
        └── NotTakenError           UFM accepted the write, and the read-back differs

Every error keeps host, call, HTTP status and PKey as attributes and composes one line of them that ends with what to
do. None of them holds a password, a token or the body of an answer.
"""

from typing import ClassVar


class UfmError(Exception):
    """Anything below; catch it to catch them all."""

    remedy: ClassVar[str] = "see /opt/ufm/files/log/rest_api.log on the UFM node"
    """What to do, where the caller knows nothing better."""

    host: str
    """UFM's address, with the port where it is not 443; empty when none is known yet."""
    call: str
    """Verb and path, e.g. "PUT /ufmRest/resources/pkeys"; never a body, a query or a list of GUIDs."""
    status: int | None
    """The HTTP status of the last answer; None where there was none."""
    pkey: str | None
    """The partition concerned, as UFM spells it: 0x65."""

    def __init__(
        self,
        problem: str,
        *,
        host: str = "",
        call: str = "",
        status: int | None = None,
        pkey: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.host, self.call, self.status, self.pkey = host, call, status, pkey
        where = " ".join(
            filter(None, [f"UFM {host}" if host else "UFM", pkey and f"PKey {pkey}", call and f"({call})"])
        )
        super().__init__(f"{where}: {problem}; {remedy or self.remedy}")


class ConfigurationError(UfmError):
    """The provider's inputs do not say how to reach UFM."""

    remedy = "see docs/configuration.md"


class CancelledError(UfmError):
    """The user interrupted the run while it waited."""

    remedy = "run pulumi again"


class UnreachableError(UfmError):
    """No answer from UFM. State was left as it was: what cannot be read has not vanished."""

    remedy = (
        "check that UFM runs (`systemctl status ufm-enterprise`) and that rack:site's ufm.address and ufm.port "
        "are reachable from here, then run pulumi again "
        "(refresh and destroy use the configuration of the last up; with --run-program the present one)"
    )


class CertificateError(UnreachableError):
    """UFM's certificate, or the file of the authority that should have signed it, cannot be trusted."""

    remedy = "set ufm.caFile in rack:site to the PEM file of the authority that signed UFM's certificate"


class AnswerError(UfmError):
    """UFM answered, but not what was asked for."""


class AuthenticationError(AnswerError):
    """UFM does not know the user or the password."""

    remedy = (
        "check ufm.user in rack:site and the secret: pulumi config set --secret ufmPassword "
        "(refresh and destroy use the configuration of the last up; with --run-program the present one)"
    )


class ForbiddenError(AnswerError):
    """The partition is not the API's (0x7fff, or made by UFM's logical model), or the user may not change it."""

    remedy = "use a PKey that no other UFM model owns, and a user with the role system_admin"


class NotFoundError(AnswerError):
    """UFM has no such object or call."""

    remedy = "check that the ports are in the fabric (ibstat on the hosts) and that UFM is release 6.9 or later"


class RejectedError(AnswerError):
    """UFM refuses the request as it is."""


class UnavailableError(AnswerError):
    """UFM is there, but serves nobody: it starts, restarts, or fails inside."""

    remedy = "wait until UFM has started (`docker logs ufm`, `/etc/init.d/ufmd status`), then run pulumi again"


class ShapeError(AnswerError):
    """A success whose JSON is not UFM's."""

    remedy = "check that rack:site's ufm.address is UFM's REST API and no proxy"


class PartitionError(UfmError):
    """The partition at UFM is not as it should be."""


class TakeoverError(PartitionError):
    """A partition exists that differs from the declared one; nothing was written."""

    remedy = (
        'set adopt=True to make it as declared (members that are not declared lose it), ownership="additive" to add '
        "ours and leave the others, or choose another PKey"
    )


class UnsupportedError(PartitionError):
    """UFM's release does not have what is declared; nothing was written."""

    remedy = "leave it out, or upgrade UFM"


class NotTakenError(PartitionError):
    """UFM accepted a write and did not carry it out in full."""

    remedy = (
        "check these ports in UFM (present in the fabric? index0 in another PKey? P_Key table full?), "
        "then run pulumi again"
    )
