"""SLURM's host lists, as in SLURM_JOB_NODELIST: `node[1-3,07],login`."""

import re

from lab.ufm.errors import BadRequestError

ITEM = re.compile(r"([^\[\],]+)(?:\[([\d,-]+)\])?(?:,|$)")


def expanded(text: str) -> list[str]:
    """Return the host names of a list in their order.

    Raises:
        BadRequestError: the text is not a host list.
    """
    names: list[str] = []
    position = 0
    while position < len(text):
        match = ITEM.match(text, position)
        if match is None:
            raise BadRequestError(f"hosts_names: {text!r} is not a list of host names")
        names += [match[1] + number for number in (_numbers(match[2]) if match[2] else [""])]
        position = match.end()
    return names


def _numbers(ranges: str) -> list[str]:
    numbers: list[str] = []
    for part in ranges.split(","):
        first, _, last = part.partition("-")
        if not first or int(last or first) < int(first):
            raise BadRequestError(f"hosts_names: {part!r} is not a range of numbers")
        numbers += [f"{number:0{len(first)}d}" for number in range(int(first), int(last or first) + 1)]
    return numbers
