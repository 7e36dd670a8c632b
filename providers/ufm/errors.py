"""Errors of the UFM provider.

    UfmError
    ├── ConfigurationError          the provider's inputs are incomplete or wrong; no call was made
    ├── CancelledError              the user interrupted the run; completed writes stay
    ├── UnreachableError            no answer: connection refused, unknown host, timeout
    │   └── CertificateError        UFM's certificate is not signed by a trusted authority
    ├── AnswerError                 UFM answered, but not with the requested result
    │   ├── AuthenticationError     401, or the login page instead of JSON
    │   ├── ForbiddenError          403: the partition or the user's role does not allow the call
    │   ├── NotFoundError           404
    │   ├── RejectedError           400 and other 4xx: UFM refuses the request
    │   ├── UnavailableError        5xx: UFM starts, restarts or fails
    │   └── ShapeError              2xx, but the body is not UFM's JSON
    ├── UnknownHostsError           UFM reports no active port for a host
    ├── AmbiguousPortsError         UFM reports two ports under one host and port number
    └── PartitionError              UFM answered, but the partition is not in the required state
        ├── TakeoverError           it exists and differs from the declared one; nothing was written
        ├── OwnedError              another stack has marked it as its own; nothing was written
        ├── UnsupportedError        this UFM release lacks a declared feature; nothing was written
        ├── NotTakenError           UFM accepted the write, but the read-back differs
        └── MissingMembersError     members are still missing after the timeout

Every error keeps host, call, HTTP status and PKey as attributes and formats them as one line that ends with what to
do. No error contains a password, a token or a response body. Inputs are named as a Python program writes them.
"""

from typing import ClassVar

_LAST_UP = (
    "(`pulumi refresh` and `pulumi destroy` use the inputs of the last `pulumi up`; "
    "with --run-program they use the present ones)"
)


RESET_JOURNAL = (
    "sudo podman exec $(sudo podman ps -q -f name=galera-bundle) mysql neutron -e "
    "\"UPDATE sdn_journal SET state='pending' WHERE state='processing' AND last_retried < NOW() - INTERVAL 100 SECOND\""
)
"""Does what the maintenance of networking-mlnx 18.0.0 does; that of 21.0.0 fails before it gets there."""


class UfmError(Exception):
    """Base class of all errors of this package."""

    remedy: ClassVar[str] = "see /opt/ufm/files/log/rest_api.log on the UFM node"
    """What to do, unless the caller passes a more specific remedy."""

    host: str
    """UFM's address, with the port unless it is 443; empty if no address is known yet."""
    call: str
    """Verb and path, e.g. "PUT /ufmRest/resources/pkeys"; never a body, a query or a list of GUIDs."""
    status: int | None
    """The HTTP status of the last answer; None without an answer."""
    pkey: str | None
    """The partition concerned, in UFM's spelling: 0x65."""

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
    """The provider's inputs are incomplete or wrong."""

    remedy = "correct this input of the ufm.Provider resource"


class CancelledError(UfmError):
    """The user interrupted the run during a wait."""

    remedy = "run pulumi again"


class UnreachableError(UfmError):
    """UFM did not answer. The state stays unchanged: an unreadable resource is not a deleted one."""

    remedy = (
        "check that UFM runs (`systemctl status ufm-enterprise`) and that the provider's inputs address and port are "
        f"reachable from this machine, then run pulumi again {_LAST_UP}"
    )


class CertificateError(UnreachableError):
    """UFM's certificate is not trusted, or the authority's file cannot be used."""

    remedy = "check the provider's input ca_file (the authority of UFM's certificate), ca, server_name or fingerprint"


class AnswerError(UfmError):
    """UFM answered, but not with the requested result."""


class AuthenticationError(AnswerError):
    """UFM rejects the user name or the password, the token or the client certificate."""

    remedy = f"check the provider's inputs user and password, token, or cert_file {_LAST_UP}"


class ForbiddenError(AnswerError):
    """The REST API may not change the partition (0x7fff, or one of UFM's logical model), or the user may not."""

    remedy = "use a PKey that no other UFM model owns, and a user with the role system_admin"


class NotFoundError(AnswerError):
    """UFM does not have the object or the call."""

    remedy = "check that the ports are in the fabric (ibstat on the hosts) and that UFM is release 6.9 or later"


class RejectedError(AnswerError):
    """UFM refuses the request."""


class UnavailableError(AnswerError):
    """UFM's web server answers, but UFM starts, restarts or fails."""

    remedy = "wait until UFM has started (`docker logs ufm`, `/etc/init.d/ufmd status`), then run pulumi again"


class ShapeError(AnswerError):
    """A 2xx answer whose body is not UFM's JSON."""

    remedy = "check that the provider's input address is UFM's REST API and not a proxy"


class UnknownHostsError(UfmError):
    """UFM reports no active port for a host."""

    remedy = (
        "use the host names of UFM's web interface (Managed Elements > Devices), "
        "and check that the hosts are on and cabled"
    )


class AmbiguousPortsError(UfmError):
    """UFM reports two ports under one host and port number, so that the names do not identify them."""

    remedy = "declare the input members with a name of your choice for each GUID"


class PartitionError(UfmError):
    """The partition at UFM is not in the required state."""


class TakeoverError(PartitionError):
    """A partition exists that differs from the declared one; nothing was written."""

    remedy = (
        "set adopt=True to change it as declared (members that are not declared are removed), "
        'ownership="additive" to add the declared members and keep the others, or choose another PKey'
    )


class OwnedError(PartitionError):
    """Another stack has marked the partition as its own; nothing was written."""

    remedy = "use that stack, or choose another PKey"


class UnsupportedError(PartitionError):
    """The UFM release lacks a declared feature; nothing was written."""

    remedy = "remove this input, or upgrade UFM"


class NotTakenError(PartitionError):
    """UFM accepted a write but did not apply all of it."""

    remedy = (
        "check these ports in UFM (present in the fabric? index0 in another PKey? P_Key table full?), "
        "then run pulumi again"
    )


class MissingMembersError(PartitionError):
    """Members are still missing from a partition after the timeout."""

    remedy = (
        "compare MlnxSDNUrl and MlnxSDNToken with UFM (a 401 in neutron's server.log means a wrong token); if UFM was "
        f"down, reset Neutron's entries on a controller: {RESET_JOURNAL}; then run pulumi again"
    )
