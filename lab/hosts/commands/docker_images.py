"""Docker's images (U5): names, the store, and the vendor's registry, which has UFM and its installer."""

import hashlib
import json
import re
import tarfile
import time

from lab.hosts.call import Call
from lab.hosts.commands.docker_format import print_rows
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.state import Image

PUBLISHED = re.compile(r"(.*/)?mellanox/(ufm-enterprise-installer|ufm-enterprise)")
"""The vendor's repositories."""
TAGS = re.compile(r"latest|\d+(\.\d+)+(-\d+)?")


def full_name(image: str) -> str:
    """Return the name with its tag, or with its digest, which makes Docker ignore the tag."""
    name, _, digest = image.partition("@")
    repository, tag = repository_tag(name)
    return f"{repository}@{digest}" if digest else f"{repository}:{tag or 'latest'}"


def repository_tag(image: str) -> tuple[str, str]:
    """Return repository and tag: `registry:5000/ufm:1` → ("registry:5000/ufm", "1").

    The digest takes the place of the tag. The tag is empty if there is neither.
    """
    if "@" in image:
        repository, _, tag = image.partition("@")
        return repository, tag
    folder, _, last = image.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{folder}/{last}" if folder else last, tag


def sha(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def pull(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker pull`."""
    options = Parser(call, "docker pull")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("image")
    chosen = options.parse_words(rest)
    lines = pulled(call, chosen.image)
    if not chosen.quiet:
        call.progress(*lines)
    call.out(f"docker.io/{chosen.image if '@' in chosen.image else full_name(chosen.image)}")


def pulled(call: Call[UfmHost], image: str) -> list[str]:
    """Fetch an image from the registry, unless the store has it; return the lines that Docker prints.

    Raises:
        Refusal: the registry does not have it, or cannot be reached.
    """
    name = full_name(image)
    repository, tag = repository_tag(name)
    refusal = _unpublished(call, name)
    if refusal:
        raise Refusal(f"Error response from daemon: {refusal}")
    head = ["Using default tag: latest"] if not repository_tag(image)[1] else []
    digest = f"Digest: {digest_of(name)}"
    if name in call.host.state.images:
        return [*head, f"{tag}: Pulling from {repository}", digest, f"Status: Image is up to date for {name}"]
    add_image(call, name)
    layers = [f"{sha(f'{name}{i}')[:12]}: Pull complete" for i in range(3)]
    done = [digest, f"Status: Downloaded newer image for {name}"]
    return [*head, f"{tag}: Pulling from {repository}", *layers, *done]


def _unpublished(call: Call[UfmHost], name: str) -> str:
    """Return why the registry does not deliver the image; empty if it does."""
    repository, tag = repository_tag(name)
    if call.host.state.offline:
        return (
            "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
        )
    if not PUBLISHED.fullmatch(repository):
        return (
            f"pull access denied for {repository}, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied"
        )
    if not (TAGS.fullmatch(tag) or re.fullmatch(r"sha256:[0-9a-f]{64}", tag)):
        return f"manifest for {name} not found: manifest unknown: manifest unknown"
    return ""


def digest_of(name: str) -> str:
    """Return the digest of an image's manifest."""
    _, tag = repository_tag(name)
    return tag if tag.startswith("sha256:") else f"sha256:{sha(name)}"


def add_image(call: Call[UfmHost], name: str) -> None:
    """Add an image to the store."""
    with call.host.change():
        call.host.state.images[name] = Image(id=f"sha256:{sha(f'id of {name}')}", created=time.time())


def inspect_manifest(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker manifest inspect`: the client asks the registry itself; nothing is downloaded."""
    options = Parser(call, "docker manifest inspect")
    options.add_argument("image")
    name = full_name(options.parse_words(rest).image)
    refusal = _unpublished(call, name)
    if "manifest unknown" in refusal:
        raise Refusal(f"no such manifest: {name}")
    if refusal:
        raise Refusal(refusal)
    call.out(json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(name)}}, indent=3))


def list_images(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker images`."""
    options = Parser(call, "docker images")
    options.add_argument("-q", "--quiet", action="store_true")
    options.add_argument("--format")
    options.add_argument("name", nargs="?")
    chosen = options.parse_words(rest)
    found = {
        name: image
        for name, image in call.host.state.images.items()
        if chosen.name in (None, name, repository_tag(name)[0])
    }
    if chosen.quiet:
        call.out("".join(f"{short_id(image)}\n" for image in found.values()), end="")
        return
    rows = [
        {
            "Repository": repository_tag(n)[0],
            "Tag": "<none>" if "@" in n else repository_tag(n)[1],
            "ID": short_id(image),
            "CreatedSince": "2 weeks ago",
            "Size": "1.6GB",
        }
        for n, image in found.items()
    ]
    headers = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"}
    print_rows(call, chosen.format, rows, headers)


def short_id(image: Image) -> str:
    """Return the ID as Docker lists it: 12 digits."""
    return image.id.removeprefix("sha256:")[:12]


def remove_images(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker rmi`. An image that a container uses is kept."""
    options = Parser(call, "docker rmi")
    options.add_argument("-f", "--force", action="store_true")
    options.add_argument("images", nargs="+")
    problems = []
    for name in map(full_name, options.parse_words(rest).images):
        used = [c for c in call.host.state.containers.values() if c.image == name]
        if name not in call.host.state.images:
            problems.append(f"Error: No such image: {name}")
        elif used:
            problems.append(
                f"Error response from daemon: conflict: unable to remove repository "
                f'reference "{name}" (must force): container {used[0].id} is using it'
            )
        else:
            with call.host.change():
                del call.host.state.images[name]
            call.out(f"Untagged: {name}")
    if problems:
        raise Refusal("\n".join(problems))


def load_archive(call: Call[UfmHost], rest: list[str]) -> None:
    """Run `docker load`: add the images that the manifest of a `docker save` archive names (U5)."""
    options = Parser(call, "docker load")
    options.add_argument("-i", "--input", required=True)
    options.add_argument("-q", "--quiet", action="store_true")
    archive = options.parse_words(rest).input
    if not call.path(archive).exists():
        raise Refusal(f"open {archive}: no such file or directory")
    try:
        with tarfile.open(call.path(archive)) as tar:
            member = tar.extractfile("manifest.json")
            manifest = json.loads(member.read()) if member else []
        tags = [tag for image in manifest for tag in image["RepoTags"]]
    except (tarfile.TarError, KeyError, ValueError, TypeError):
        raise Refusal("open manifest.json: no such file or directory: invalid archive") from None
    for tag in tags:
        add_image(call, tag)
        call.out(f"Loaded image: {tag}")


def find_image(call: Call[UfmHost], reference: str) -> tuple[str, Image] | None:
    """Return an image of the store by its name, or by four or more digits of its ID."""
    for name, image in call.host.state.images.items():
        if name == full_name(reference) or (len(reference) >= 4 and reference in (image.id, short_id(image))):
            return name, image
    return None
