"""`docs/configuration.md`, made of the models, the secrets and the design rules.

python -m rack.site.reference > docs/configuration.md
"""

from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from itertools import groupby
from typing import Any, get_origin

from rack.rules import RULES
from rack.site import SECRETS, Range, Site
from rack.site.schema import Key, Type, keys, type_at

INTRO = """\
# Configuration

Made by `python -m rack.site.reference`; do not edit.

A stack is one YAML file, `Pulumi.STACK.yaml`: one structured key, `rack:site`, and secrets. Copy
`Pulumi.reference.yaml`, the guide's rack, and follow the steps at its top. Nothing is touched before every key is
understood and every design rule holds; all problems are reported at once, each with its path, what was found and what
to write. Steps in brackets, like (U4), are the guide's: `docs/guide-coverage.md` lists them.
"""

SECRETS_INTRO = "Set by `pulumi config set --secret KEY`; never a part of `rack:site`, of a command line or of a log.\n"
RULES_INTRO = "Checked by every `pulumi preview` and `up`, before anything else.\n"


def text() -> str:
    """The whole page."""
    return (
        "\n".join(
            [
                INTRO,
                "## Secrets\n",
                SECRETS_INTRO,
                *_table(("Key", "Meaning"), ((f"`{name}`", says) for name, says in SECRETS.items())),
                "## Keys of rack:site\n",
                *_keys(),
                "## Design rules\n",
                RULES_INTRO,
                *_table(("Rule", "Guide", "What must hold"), ((r.id, r.step, r.statement) for r in RULES)),
            ]
        ).rstrip("\n")
        + "\n"
    )


def _keys() -> Iterator[str]:
    shown = (key for key in keys(Site) if not _in_range(key))
    for top, group in groupby(shown, key=lambda k: k.path.partition(".")[0].removesuffix("[]")):
        yield f"### {top}\n"
        yield from _table(("Key", "Type", "Default", "Meaning"), map(_row, group))


def _in_range(key: Key) -> bool:
    above = type_at(Site, tuple(key.path.replace("[]", ".0").split(".")[:-1]))
    return above is not None and above.model is Range


def _row(key: Key) -> tuple[str, str, str, str]:
    return f"`{key.path}`", _type(key.type), _default(key), meaning(key)


def meaning(key: Key) -> str:
    """The docstring of its model, then its own."""
    model = (key.type.item or key.type).model
    docs = (model.__doc__ if model and model is not Range else None, key.field.description)
    return " ".join(" ".join(cleandoc(doc).split()) for doc in docs if doc)


def _type(held: Type) -> str:
    if held.model is Range:
        return "range, `{start: ADDRESS, end: ADDRESS}`, both included"
    if held.model:
        return "mapping"
    if get_origin(held.bare) is Mapping:
        return f"mapping of {', '.join(held.allowed_keys)}"
    if held.item and held.item.model:
        return "list of mappings"
    says, _, _ = held.describe().removeprefix("a ").removeprefix("an ").partition(" like ")
    return says.rstrip(",")


def _default(key: Key) -> str:
    if key.field.is_required():
        return "**required**"
    return "" if key.type.model and key.field.default else _yaml(key.field.default)


def _yaml(value: Any) -> str:
    if value is None:
        return "left out"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


if __name__ == "__main__":
    print(text(), end="")
