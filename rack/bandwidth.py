"""What `ib_write_bw` reports and what it means (B6)."""

import re
from dataclasses import dataclass


class NoResultError(ValueError):
    """The output holds no result line."""


@dataclass(frozen=True)
class Result:
    size: int
    """Message size in bytes."""
    peak_gbps: float
    average_gbps: float

    @classmethod
    def parse(cls, output: str) -> "Result":
        """The last result line of `ib_write_bw --report_gbits`.

        Raises:
            NoResultError: there is none; the text shows the output's end.
        """
        lines = re.findall(r"^\s*(\d+)\s+(\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s*$", output, re.MULTILINE)
        if not lines:
            raise NoResultError("ib_write_bw gave no result; its output ends with:\n" + output[-500:])
        size, _, peak, average, _ = lines[-1]
        return cls(int(size), float(peak), float(average))

    def verdict(self, minimum_gbps: float) -> str:
        """`pass: 194.23 Gb/s average of 32768-byte writes (at least 190)`, or `fail: …`."""
        word = "pass" if self.average_gbps >= minimum_gbps else "fail"
        return f"{word}: {self.average_gbps} Gb/s average of {self.size}-byte writes (at least {minimum_gbps:g})"
