"""Result of `ib_write_bw` and its assessment (B6)."""

import re
from dataclasses import dataclass


class NoResultError(ValueError):
    """The output contains no result line."""


@dataclass(frozen=True)
class Result:
    """One result line of `ib_write_bw --report_gbits`."""

    size: int
    """Message size in bytes."""
    peak_gbps: float
    """Peak bandwidth in Gb/s."""
    average_gbps: float
    """Average bandwidth in Gb/s."""

    @classmethod
    def parse(cls, output: str) -> "Result":
        """Return the last result in the output of `ib_write_bw --report_gbits`.

        Raises:
            NoResultError: there is no result. The text shows the end of the output.
        """
        lines = re.findall(r"^\s*(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s*$", output, re.MULTILINE)
        if not lines:
            raise NoResultError("ib_write_bw: found no result line; see the end of its output:\n" + output[-500:])
        size, _, peak, average, _ = lines[-1]
        return cls(int(size), float(peak), float(average))

    def verdict(self, minimum_gbps: float) -> str:
        """Return `pass: 194.23 Gb/s average of 32768-byte writes (at least 190)`, or `fail: …`."""
        word = "pass" if self.average_gbps >= minimum_gbps else "fail"
        return f"{word}: {self.average_gbps} Gb/s average of {self.size}-byte writes (at least {minimum_gbps:g})"
