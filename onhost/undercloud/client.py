"""The OpenStack client, whose login is kept out of the environment.

An rc file exports the password, so that every child of the shell that sources it has the password in its environment.
Here the client alone gets it, as clouds.yaml on an inherited file descriptor: OS_CLIENT_CONFIG_FILE names the
descriptor, OS_CLOUD the login (openstacksdk, openstack/config/loader.py).
"""

import json
import os
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from onhost.undercloud.common import Fault, execute

AUTH = {
    "OS_AUTH_URL": "auth_url",
    "OS_USERNAME": "username",
    "OS_PASSWORD": "password",
    "OS_PROJECT_NAME": "project_name",
    "OS_USER_DOMAIN_NAME": "user_domain_name",
    "OS_PROJECT_DOMAIN_NAME": "project_domain_name",
}
"""Variables of an rc file (tripleo_common.utils.overcloudrc) and their keys below `auth` in clouds.yaml."""
SETTINGS = {
    "OS_REGION_NAME": "region_name",
    "OS_CACERT": "cacert",
    "OS_IDENTITY_API_VERSION": "identity_api_version",
    "OS_COMPUTE_API_VERSION": "compute_api_version",
    "OS_VOLUME_API_VERSION": "volume_api_version",
    "OS_IMAGE_API_VERSION": "image_api_version",
}
"""Further variables and their keys beside `auth`."""
PROXY = "no_proxy"
"""A variable that stays in the environment."""
CLOUD = "rack"
"""Name of the login in clouds.yaml."""


class Environment(NamedTuple):
    """What a child inherits."""

    variables: Dict[str, str]
    descriptors: Tuple[int, ...]


def openstack(*words: str, login: str = "", shown: bool = False) -> str:
    """Run the OpenStack client and return its standard output.

    Args:
        words: the command without its first word, `openstack`.
        login: an rc file; without it, the environment's login is used.
        shown: pass the client's output on to our standard error instead of returning it, for commands of minutes.

    Raises:
        Fault: the command failed, or the rc file cannot be read.
    """
    command = ("openstack", *words)
    if login:
        with login_passed(login) as environment:
            done = execute(command, shown=shown, variables=environment.variables, descriptors=environment.descriptors)
    else:
        done = execute(command, shown=shown)
    if done.returncode:
        reason = "see its output above" if shown else done.stderr.decode(errors="replace").strip()
        raise Fault(f"`{' '.join(command)}` failed with status {done.returncode}: {reason}")
    return (done.stdout or b"").decode()


def openstack_json(*words: str, login: str = "") -> Any:
    """Run the OpenStack client with `-f json` and return the parsed answer.

    Raises:
        Fault: the command failed, or the rc file cannot be read.
    """
    return json.loads(openstack(*words, "-f", "json", login=login))


@contextmanager
def login_passed(rc: str) -> Iterator[Environment]:
    """Yield the environment of a client with the login of an rc file.

    The file that contains the login has no name, so nothing is left of it, however this process ends.

    Raises:
        Fault: the rc file cannot be read.
    """
    found = read_login(rc)
    variables = without_login()
    if found[PROXY]:
        variables[PROXY] = found[PROXY]
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(cloud_config(found)).encode())
        file.flush()
        variables.update(OS_CLOUD=CLOUD, OS_CLIENT_CONFIG_FILE=f"/dev/fd/{file.fileno()}")
        yield Environment(variables, (file.fileno(),))


def read_login(rc: str) -> Dict[str, str]:
    """Return the variables that an rc file sets; empty where it does not set one.

    A shell sources the file and prints the values itself: a program that it started would inherit the password.

    Raises:
        Fault: the file cannot be read, or sets no password.
    """
    names = [*AUTH, *SETTINGS, PROXY]
    values = " ".join(f'"${{{name}-}}"' for name in names)
    command = ("sh", "-c", f'. "$0" >&2 && printf "%s\\0" {values}', rc)
    done = execute(command, variables=without_login())
    found: List[str] = done.stdout.decode().split("\0")
    login = dict(zip(names, found))
    if done.returncode or not login.get("OS_PASSWORD"):
        reason = done.stderr.decode(errors="replace").strip() or "it sets no OS_PASSWORD"
        raise Fault(
            f"cannot read the cloud's login from {rc}: {reason}; write it again: openstack overcloud credentials"
        )
    return login


def cloud_config(login: Dict[str, str]) -> Dict[str, Any]:
    """Return the content of clouds.yaml for the variables of an rc file."""
    auth = {key: login[name] for name, key in AUTH.items() if login[name]}
    settings = {key: login[name] for name, key in SETTINGS.items() if login[name]}
    return {"clouds": {CLOUD: dict(settings, auth=auth)}}


def without_login() -> Dict[str, str]:
    """Return this process's environment without a login: the client prefers OS_ variables to clouds.yaml."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
