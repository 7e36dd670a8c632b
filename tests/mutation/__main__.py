"""`python -m tests.mutation`: change the product in many small ways and see whether the fast tests notice.

Each mutant is one change of one place. The tests that execute the changed line run on it until one fails: the mutant is
killed. The tests named after the file run first, then those of the directory that mirrors the file's, each the fastest
first. Where all pass, the mutant survives, and stands with its reason in survivors.toml. The run fails where a mutant
survives that is not listed there, and where a listed one no longer survives.

All this happens in copies of the working tree. The sample is the same each time (see `mutants.SEED`); a run ends after
`--minutes`, and its result then counts the mutants that it came to.
"""

import argparse
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree

from coverage import CoverageData

from tests.mutation.children import PROGRAMS, lines_of
from tests.mutation.mutants import SEED, Mutant, sample

PROJECT = Path(__file__).resolve().parent.parent.parent
SURVIVORS = Path(__file__).with_name("survivors.toml")
FOLDERS = ("rack", "providers", "onhost")
WITHOUT = ("rack/wallaby/inside/",)
"""Runs in the environment of Wallaby's tools, where only tests/conformance reaches it."""
SHIPPED = "onhost/undercloud"
"""Where the modules of the shipped programs are."""
FAST = ("-m", "fast")
OPTIONS = ("-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""With the modules already imported, pytest warns that it cannot rewrite the assertions of its plugins."""
WORKERS = 2
SIZE = 240
MINUTES = 18.0
"""The target's limit is 20 minutes, of which the last mutants may take two (LONGEST)."""
LONGEST = 120.0
"""Seconds that the tests of one mutant may take at first. A mutant that takes longer hangs, and counts as killed, where
the unchanged code takes less than half of that: on a busy machine both take longer, and get twice the time."""
SHORTEST = 15.0
USAGE_ERROR = 4
"""pytest's exit status where, among others, it does not find a test."""
TIMEOUT = -1
"""In place of an exit status."""

INTERRUPTED = threading.Event()
RUNNING: set[int] = set()
"""Process groups that run. They are killed when this program is interrupted."""


@dataclass(frozen=True)
class Selection:
    """Which of the fast tests execute which line, and how long each takes."""

    by_line: Mapping[tuple[str, int], frozenset[str]]
    """File and line → the tests that execute it, and "" where an import before the tests does."""
    seconds: Mapping[str, float]

    def of(self, file: str, line: int) -> list[str]:
        """Return the tests for a mutant on this line, the fastest first.

        A line that an import executes belongs to all tests that execute any line of the file, and to all that mirror
        its directory: what the line defines may be read as data, like the limits of a configuration model. So does a
        line that no measured process executes: a test may have started one that is not measured.
        """
        found = self.by_line.get((file, line), frozenset({""}))
        if "" in found:
            reading = (tests for (name, _), tests in self.by_line.items() if name == file)
            found = self.mirror(file).union(*reading)
        return sorted(found - {""}, key=lambda test: (self.seconds.get(test, 1.0), test))

    def stages(self, file: str, line: int) -> list[list[str]]:
        """Return the tests for a mutant in three parts: those named after the file, those that mirror its directory,
        and all others.

        Most mutants end with the first parts, which need the modules of fewer tests.
        """
        own = re.compile(rf"/test_{Path(file).stem}(_\w+)?\.py::")
        mirror = self.mirror(file)
        parts: list[list[str]] = [[], [], []]
        for test in self.of(file, line):
            parts[0 if own.search(test) else 1 if test in mirror else 2].append(test)
        return parts

    def mirror(self, file: str) -> frozenset[str]:
        """Return the tests of the innermost directory below tests/ that mirrors one of the file."""
        for parent in Path(file).parents:
            found = frozenset(test for test in self.seconds if test.startswith(f"tests/{parent}/"))
            if found:
                return found
        return frozenset()


def copy_tree(target: Path) -> Path:
    """Copy what git would commit, with the virtual environment as a link; return the copy."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target / name)
    (target / ".venv").unlink(missing_ok=True)
    (target / ".venv").symlink_to((PROJECT / ".venv").resolve())
    return target


class Runner(Protocol):
    """Runs tests on a tree."""

    def run(self, tests: Sequence[str], seconds: float) -> int:
        """Return pytest's exit status; after `seconds` the tests are killed, and that is TIMEOUT."""

    def failed(self) -> str:
        """Return the test that failed in the last run, or what pytest said last."""


class EndedError(Exception):
    """The process that runs the tests was killed: the time is over."""


class Pytest:
    """Runs pytest in a tree, in forks of a process that has the modules from elsewhere imported (`warm`)."""

    def __init__(self, tree: Path) -> None:
        self._log = tree / "mutant.log"
        self._options = (*OPTIONS, f"--basetemp={tree}.temporary", "-x", "-p", "no:xdist")
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.warm"],
            cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        RUNNING.add(self._process.pid)

    def run(self, tests: Sequence[str], seconds: float) -> int:
        status = self._run(tests, seconds)
        missing = self._missing() if status == USAGE_ERROR else set()
        if not missing:
            return status
        # A mutant may rename the parameters of a test, which is no failure of it: all that it has now are run.
        functions = {test: test.partition("[")[0] for test in tests}
        now = [functions[test] if functions[test] in missing else test for test in tests]
        return self._run(list(dict.fromkeys(now)), seconds)

    def _missing(self) -> set[str]:
        """Return the functions whose tests were not found in the last run."""
        prefix = f"ERROR: not found: {self._log.parent}/"
        lines = self._log.read_text(errors="replace").splitlines()
        return {line.removeprefix(prefix).partition("[")[0] for line in lines if line.startswith(prefix)}

    def _run(self, tests: Sequence[str], seconds: float) -> int:
        assert self._process.stdin
        arguments = [*self._options, *tests]
        print(json.dumps({"arguments": arguments, "log": str(self._log)}), file=self._process.stdin, flush=True)
        group = int(self._answer())
        RUNNING.add(group)
        late = threading.Event()

        def end() -> None:
            late.set()
            kill_group(group)

        timer = threading.Timer(seconds, end)
        timer.start()
        status = int(self._answer())
        timer.cancel()
        kill_group(group)
        RUNNING.discard(group)
        return TIMEOUT if late.is_set() else status

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise EndedError
        return line

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
        RUNNING.discard(self._process.pid)

    def failed(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return next((line for line in lines if line.startswith(("FAILED ", "ERROR "))), lines[-1] if lines else "")


def run_all(tree: Path, *arguments: str, log: Path) -> int:
    """Run pytest in the tree and return its exit status. The compiled modules are kept for later runs there."""
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(tree)}
    with log.open("w") as output:
        child = subprocess.Popen(
            command, cwd=tree, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        RUNNING.add(child.pid)
        try:
            return child.wait()
        finally:
            kill_group(child.pid)
            child.wait()
            RUNNING.discard(child.pid)


def kill_group(pid: int) -> None:
    """Kill a process group, so that nothing that a mutant started outlives its tests."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def measure(tree: Path) -> Selection:
    """Run the fast tests on the unchanged tree, with coverage by test.

    Raises:
        SystemExit: a test fails without any mutant.
    """
    log, report, data, config = (tree / f"baseline.{suffix}" for suffix in ("log", "xml", "coverage", "rc"))
    config.write_text(f"[run]\ndata_file = {data}\nsource = {','.join(FOLDERS)}\n")
    coverage = [
        "--cov",
        f"--cov-config={config}",
        "--cov-context=test",
        "--cov-report=",
        "-p",
        f"{__package__}.children",
    ]
    # The lines of shipped programs are read there afterwards; pytest's own place is cleared by other runs of it.
    files = (f"--junitxml={report}", f"--basetemp={tree}.temporary")
    status = run_all(tree, "-n", str(WORKERS), *FAST, *coverage, *files, log=log)
    if status:
        raise SystemExit(f"The fast tests fail without any mutant:\n{log.read_text()[-3000:]}")
    return Selection(_by_line(data, tree), _seconds(report))


def _by_line(data: Path, tree: Path) -> dict[tuple[str, int], frozenset[str]]:
    found: dict[tuple[str, int], frozenset[str]] = {}
    covered = CoverageData(str(data))
    covered.read()
    for path in map(Path, covered.measured_files()):
        tests = {
            line: frozenset(map(_test_of, contexts)) for line, contexts in covered.contexts_by_lineno(str(path)).items()
        }
        if path.is_relative_to(tree):
            found.update({(path.relative_to(tree).as_posix(), line): names for line, names in tests.items()})
        elif path.name in PROGRAMS and path.exists():
            for line, module, place in lines_of(path, tree / SHIPPED):
                if line in tests:
                    key = f"{SHIPPED}/{module}", place
                    found[key] = found.get(key, frozenset()) | tests[line]
    return found


def _test_of(context: str) -> str:
    """Return the test's ID: pytest-cov's context is `ID|PHASE`, a child's (`children`) `ID (PHASE)`."""
    return context.rpartition("|")[0] or context.rpartition(" (")[0]


def _seconds(report: Path) -> dict[str, float]:
    cases = ElementTree.parse(report).iter("testcase")
    return {
        f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}": float(case.get("time", 0))
        for case in cases
    }


def killer(mutant: Mutant, tree: Path, tests: Selection, pytest: Runner) -> str | None:
    """Return what kills the mutant, a test or the time; None where it survives. The tree is restored afterwards."""
    place = tree / mutant.file
    original = place.read_text()
    try:
        for stage in filter(None, tests.stages(mutant.file, mutant.line)):
            limit = min(LONGEST, SHORTEST + 5 * sum(tests.seconds.get(test, 1.0) for test in stage))
            place.write_text(mutant.source)
            while (status := pytest.run(stage, limit)) == TIMEOUT:
                place.write_text(original)
                if pytest.run(stage, limit / 2) != TIMEOUT:
                    return f"the limit of {limit:.0f} s"
                limit *= 2
                place.write_text(mutant.source)
            if status:
                return pytest.failed()
        return None
    finally:
        place.write_text(original)


def run(mutants: Iterable[Mutant], trees: Sequence[Path], tests: Selection, until: float) -> dict[Mutant, bool]:
    """Return for each mutant that was tried before `until` whether it survived."""
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)
    results: dict[Mutant, bool] = {}

    def work(tree: Path) -> None:
        with suppress(EndedError), closing(Pytest(tree)) as pytest:
            while time.monotonic() < until:
                try:
                    mutant = waiting.get_nowait()
                except queue.Empty:
                    return
                found = killer(mutant, tree, tests, pytest)
                if INTERRUPTED.is_set():
                    return
                results[mutant] = found is None
                verdict = "SURVIVED" if found is None else f"killed by {found}"
                print(f"{len(results):4} {mutant.file}:{mutant.line} {mutant.after!r} {verdict}", flush=True)

    threads = [threading.Thread(target=work, args=(tree,), daemon=True) for tree in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until + LONGEST - time.monotonic()))
    end_all()  # a mutant without a verdict by now does not count
    return dict(results)


def end_all() -> None:
    """Kill all tests that run, and start no others."""
    INTERRUPTED.set()
    for group in tuple(RUNNING):
        kill_group(group)


def listed_survivors() -> dict[tuple[str, str, str], str]:
    """Return the reason of each survivor in survivors.toml."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("survivor", []) if SURVIVORS.exists() else []
    return {(entry["file"], entry["before"], entry["after"]): entry["reason"] for entry in entries}


def judge(results: Mapping[Mutant, bool], listed: Mapping[tuple[str, str, str], str]) -> list[str]:
    """Return what is wrong with the list of survivors, one line each."""
    survivors = {mutant.key: mutant for mutant, survived in results.items() if survived}
    tried = {mutant.key for mutant in results}
    new = [
        f"{mutant.file}:{mutant.line}: no fast test notices this change; write one, or list it in survivors.toml:\n"
        f"  - {mutant.before}\n  + {mutant.after}"
        for key, mutant in survivors.items()
        if key not in listed
    ]
    stale = [
        f"{file}: listed in survivors.toml, but killed: {after!r}"
        for file, before, after in listed
        if (file, before, after) in tried and (file, before, after) not in survivors
    ]
    return new + stale


def outdated(listed: Collection[tuple[str, str, str]]) -> list[str]:
    """Return the listed survivors whose code is no longer there, one line each."""
    texts = {file: (PROJECT / file).read_text() if (PROJECT / file).exists() else "" for file, _, _ in listed}
    return [
        f"{file}: listed in survivors.toml, but no longer in the file: {before!r}"
        for file, before, _ in listed
        if any(line not in texts[file] for line in before.split("\n"))
    ]


def summary(results: Mapping[Mutant, bool], listed: Mapping[tuple[str, str, str], str]) -> str:
    """Return one line for each directory, and one for all."""
    lines = []
    for folder in (*FOLDERS, ""):
        own = {mutant: survived for mutant, survived in results.items() if mutant.file.startswith(folder)}
        equivalent = sum(
            survived and listed.get(mutant.key, "").startswith("equivalent") for mutant, survived in own.items()
        )
        killed = sum(not survived for survived in own.values())
        real = len(own) - equivalent
        share = f"{100 * killed / real:.1f} %" if real else "-"
        name = folder or "all"
        lines.append(f"{name:10} {len(own)} mutants, {equivalent} equivalent, {killed} of {real} killed: {share}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 where the survivors are those that are listed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="stop after so many (default: %(default)s)")
    parser.add_argument("--size", type=int, default=SIZE, help="mutants to try (default: %(default)s)")
    parser.add_argument("--seed", default=SEED, help="take another sample (default: %(default)s)")
    parser.add_argument("paths", nargs="*", help="only mutants of files whose path begins so")
    options = parser.parse_args(arguments)
    until = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [copy_tree(Path(folder, "0"))]
        tests = measure(trees[0])
        # With the compiled modules: a mutant's tests spend most of their time starting.
        trees += [shutil.copytree(trees[0], Path(folder, str(number)), symlinks=True) for number in range(1, WORKERS)]
        own = (
            mutant
            for mutant in sample(trees[0], FOLDERS, WITHOUT, options.seed)
            if mutant.file.startswith(tuple(options.paths or [""]))
        )
        results = run(islice(own, options.size), trees, tests, until)
    listed = listed_survivors()
    problems = judge(results, listed) + outdated(listed)
    print("\n".join([*problems, summary(results, listed)]))
    return 1 if problems else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main(sys.argv[1:]))
    finally:
        end_all()
