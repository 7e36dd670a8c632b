"""Docker's output: tables, and the part of Go's templates that operators use."""

import json
import re
from collections.abc import Mapping
from typing import Any

from lab.hosts.call import Call
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal


def print_rows(
    call: Call[UfmHost], template: str | None, rows: list[dict[str, str]], headers: Mapping[str, str]
) -> None:
    """Print Docker's table, or the template once per row."""
    if template and not template.startswith("table "):
        for row in rows:
            call.out(fill(template, row))
        return
    widths = {k: max(len(h), *(len(r[k]) for r in rows)) if rows else len(h) for k, h in headers.items()}
    for line in (headers, *rows):
        call.out("   ".join(f"{line[k]:<{w}}" for k, w in widths.items()).rstrip())


def fill(template: str, document: Mapping[str, Any]) -> str:
    """Return the template with the document's values: plain fields, `{{index .List 0}}` and `{{json .}}`.

    Raises:
        Refusal: the document has no such field.
    """
    if template in ("json", "{{json .}}"):
        return json.dumps(document)

    def field(match: re.Match[str]) -> str:
        value: Any = document
        try:
            for key in match[2].split("."):
                value = value[key]
            value = value[int(match[3])] if match[1] else value
        except (LookupError, TypeError):
            raise Refusal(f'template: :1:3: executing "" at <.{match[2]}>: can\'t evaluate field {match[2]}') from None
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\{\{\s*(index )?\.([\w.]+)(?: (\d+))?\s*\}\}", field, template)
