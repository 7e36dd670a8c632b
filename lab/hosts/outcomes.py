"""The ways in which an emulated command ends other than by returning its exit status."""

from collections.abc import Mapping, Sequence


class Refusal(Exception):  # noqa: N818 - the command's answer, not a failure of the lab
    """The command fails: the text goes to standard error, `status` is its exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.text, self.status = text, status


class Become(Exception):  # noqa: N818
    """The command's process executes another program of the host."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        super().__init__(argv[0])
        self.argv, self.env = list(argv), dict(env or {})


class Hangup(Exception):  # noqa: N818
    """The calling process was killed, or it closed the command's output."""
