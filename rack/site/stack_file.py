"""Reads the YAML of a stack file as Pulumi does (gopkg.in/yaml.v3), and refuses what it would read in silence.

PyYAML's own loader follows YAML 1.1: it takes `no` for false and 52:54:00 for a number, and keeps the last of two equal
keys. yaml.v3 takes `no` for a text and refuses equal keys.
"""

import re
from collections.abc import Hashable
from decimal import Decimal
from typing import Any

import yaml
from yaml.composer import Composer

MAX_DEPTH, MAX_NODES = 40, 100_000
"""Limits of a file's nesting and of its size after the expansion of aliases."""

TAG = "tag:yaml.org,2002:"
TAGS = {TAG + name for name in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp")}
INTEGERS, PLAIN = range(-(2**63), 2**64), 1e21
"""Whole numbers that yaml.v3 keeps exactly; numbers below 1e21 are written to JSON without an exponent."""
INT = re.compile(r"[-+]?(0[bB][01_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
FLOAT = re.compile(rf"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|{NOT_FINITE.pattern}")
LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
BOOL, NULL = re.compile(r"true|True|TRUE|false|False|FALSE"), re.compile(r"~|null|Null|NULL|")
DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]+\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[-+]\d{2}:\d{2})?)?")
KEY = re.compile(r"[A-Za-z0-9_.-]+|(rack|lab|pulumi):[A-Za-z0-9_.-]+")
"""A key that is no user with a password."""
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class StackFileError(Exception):
    """The text is not YAML as Pulumi reads it. The message names the line, and no value: it may be a secret."""


class _Loader(Composer, yaml.CSafeLoader):
    """PyYAML's loader on the events of libyaml, of which yaml.v3 is a port; ten times as fast as PyYAML's parser."""

    yaml_implicit_resolvers = {}

    def __init__(self, content: bytes) -> None:
        yaml.CSafeLoader.__init__(self, content)
        Composer.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            # As in yaml.v3, an anchor may be set again.
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (f"{TAG}str", f"{TAG}merge"):
                raise _error(key, "found a key that is not a text; put it in quotes")
            if key.value in seen:
                advice = "remove one, or write the missing dash before a list's item"
                shown = repr(key.value) if KEY.fullmatch(key.value) else "that is not shown"
                raise _error(key, f"found the key {shown} more than once; {advice}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        text: str = node.value
        if LEADING_ZERO.fullmatch(text):
            raise _error(node, "found a number with a leading zero, which is octal in YAML; remove it, or add quotes")
        if len(text) > 40:
            raise _error(node, "found a number of more than 40 characters; put it in quotes")
        if INT.fullmatch(text):
            whole = int(text.replace("_", ""), 0)
            return whole if whole in INTEGERS else _as_json(float(whole))
        if NOT_FINITE.fullmatch(text):
            raise _error(node, "found infinity or no number, which is not JSON; write a number, or add quotes")
        number = float(text)
        return _as_json(number) if abs(number) != float("inf") else text

    def construct_date(self, node: yaml.ScalarNode) -> str:
        raise _error(node, "found a date, which Pulumi rewrites as a time; put it in quotes")

    def construct_word(self, node: yaml.ScalarNode) -> bool | None:
        pattern = BOOL if node.tag == f"{TAG}bool" else NULL
        if not pattern.fullmatch(node.value):
            raise ValueError
        return None if pattern is NULL else node.value.lower() == "true"


def _as_json(number: float) -> int | float:
    """Return the number that is in the JSON text in which the program gets its configuration: 1e3 is 1000 there."""
    return int(Decimal(repr(number))) if number.is_integer() and abs(number) < PLAIN else number


for _name, _pattern, _first in (
    ("bool", BOOL.pattern, list("tTfF")),
    ("null", NULL.pattern, ["~", "n", "N", ""]),
    ("timestamp", DATE.pattern, list("0123456789")),
    ("int", INT.pattern, list("-+0123456789")),
    ("float", FLOAT.pattern, list("-+.0123456789")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(TAG + _name, re.compile(f"(?:{_pattern})$"), _first)
for _name in ("int", "float"):
    _Loader.add_constructor(TAG + _name, _Loader.construct_number)
for _name in ("bool", "null"):
    _Loader.add_constructor(TAG + _name, _Loader.construct_word)
_Loader.add_constructor(f"{TAG}timestamp", _Loader.construct_date)


def _error(node: yaml.Node, text: str) -> StackFileError:
    return StackFileError(f"line {node.start_mark.line + 1}: {text}")


def _look(node: yaml.Node, above: tuple[yaml.Node, ...], left: list[int]) -> None:
    """Refuse recursion, nesting, expansion, tags and control characters before any value is built."""
    left[0] -= 1
    if any(node is one for one in above):
        raise _error(node, "found an anchor that contains itself; write the values out")
    if len(above) > MAX_DEPTH or left[0] < 0:
        raise _error(node, f"found more than {MAX_DEPTH} levels or {MAX_NODES} values; write a smaller file")
    if node.tag not in TAGS:
        raise _error(node, "found a tag; write the value without it, in quotes if it starts with !")
    if isinstance(node, yaml.ScalarNode):
        if UNPRINTABLE.search(node.value):
            raise _error(node, "found a control character; remove it")
        return
    inner = [n for pair in node.value for n in pair] if isinstance(node, yaml.MappingNode) else node.value
    for one in inner:
        _look(one, (*above, node), left)


def read(content: bytes) -> Any:
    """Return the document in `content`.

    Raises:
        StackFileError: the content is not YAML, or YAML that Pulumi refuses or reads differently than it looks.
    """
    try:
        loader = _Loader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _look(node, (), [MAX_NODES])
        return loader.construct_document(node)
    except yaml.reader.ReaderError as error:
        raise StackFileError(
            f"position {error.position}: found bytes that are not UTF-8 text; save it as UTF-8"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        problem = re.sub(r"\b(alias|anchor|tag|handle) .*", r"\1", error.problem or "", flags=re.DOTALL)
        raise StackFileError(f"{line}{problem}") from None
    except RecursionError:
        raise StackFileError("found too many levels; write a smaller file") from None
    except (ValueError, KeyError):
        raise StackFileError("found a value that does not fit its tag; remove the tag") from None
