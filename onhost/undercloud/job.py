#!/usr/bin/python3 -I
"""The job runner: commands of minutes or hours that outlive whoever asked for them (C4, C5, I1, O5, G1, G2).

  rack-job run NAME COMMAND...   begin it, or join it where it runs; end as it ends
  rack-job status [NAME...]      what ran and what runs, and where the logs are
  rack-job stop NAME...          end what runs
  rack-job forget [NAME...]      remove what is kept, of every job without a name; refused while it runs

What the command writes to standard error is its log, shown here while it grows; what it writes to standard output is
its result, kept and printed once it has succeeded. A run is known by its command and its standard input. The same
again joins it while it runs, repeats its result once it has succeeded, and runs anew where it failed or was cut off.
Something else under the same name is refused while it runs.

A run belongs to no SSH session: it is a unit of systemd, or a session of its own where systemd does not run. Its
supervisor holds a lock of the kernel for as long as it lives, so what runs is known without a pid, across reboots too.
Standard input reaches it by a pipe with a name and is never on the disk.

Shipped as it is: the standard library only, and Python 3.6, which is CentOS Stream 8's own.
"""

import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional, Tuple

HOME = Path(os.environ.get("RACK_JOBS", "/var/lib/rack-jobs"))
"""Where runs are kept: NAME/1, NAME/2, ... The variable is for tests."""
KEPT = 5
"""Runs of a job, the newest, whose logs stay."""
SYSTEMD = Path("/run/systemd/system")
"""There where systemd is what runs (sd_booted)."""
START_SECONDS = 60
STOP_SECONDS = 30
"""Between asking processes to end and ending them."""
LOOK_SECONDS = 0.2
"""Between two looks at a log that grows: the standard library waits for no file."""

TOLD_LINES, TOLD_EACH_SECONDS = 100, 10.0
"""The first lines are told all, later the newest of so many seconds: pulumi-command keeps them in the stack's state."""
WIDTH = 400
"""Letters of a line that is told; Ansible writes some of many thousands."""
SHOWN, SHOWN_END = 24, 6
"""Lines of a failure, and how many of them are the log's last."""
LOOKED_AT = 4 << 20
"""Bytes of a log, the last, in which the failing step is looked for."""

HEADING = re.compile(r"\| +TASK \||^(TASK|RUNNING HANDLER) \[")
"""A step's begin: TripleO's own format for Ansible (`DATE | UUID | TASK | name`), and Ansible's."""
FAILED = re.compile(r"\| +FATAL \||^(fatal|failed): \[|\b(CREATE|UPDATE|DELETE)_FAILED\b|^ERROR! ")
ANSWER = re.compile(r"^(.*?)(?: => |\berror=)(\{.*\})\s*$")
"""What Ansible's module said, behind the host."""
UNPRINTABLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Fault(Exception):  # noqa: N818 - it stands at the end of what an operator reads
    """Why nothing was done; the text says what to do."""


class Left(Exception):  # noqa: N818
    """Whoever followed a run does so no longer; holds the exit status."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Run:
    """One run of a job: `state` (how it began, how it ended), `log`, `result`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.result = folder, folder / "log", folder / "result"
        self._state, self.input = folder / "state", folder / "input"

    @property
    def known(self) -> Dict[str, Any]:
        try:
            known: Dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return known

    def note(self, **more: Any) -> None:
        fresh = self._state.with_name("state.new")
        fresh.write_text(json.dumps({**self.known, **more}, indent=1))
        fresh.replace(self._state)

    def processes(self) -> List[int]:
        """The pids of the session in which supervisor and command run; none after a reboot."""
        known = self.known
        if known.get("boot") != boot():
            return []
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                session, begun = process(int(entry.name))
                if session == known["session"]:
                    found[int(entry.name)] = begun
        # A session's number is free again once all of it have ended.
        reused = found.get(known["session"], known["begun"]) != known["begun"]
        return [] if reused else sorted(found)


def process(pid: int) -> Tuple[int, int]:
    """The process's session, and its begin in ticks since boot; (-1, -1) where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1, -1
    return (-1, -1) if fields[0] == "Z" else (int(fields[3]), int(fields[19]))


class Job:
    """All runs of one name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name

    @property
    def runs(self) -> List[Run]:
        """The oldest first."""
        numbers = sorted(int(state.parent.name) for state in self.folder.glob("[0-9]*/state"))
        return [Run(self.folder / str(number)) for number in numbers]

    @property
    def latest(self) -> Optional[Run]:
        runs = self.runs
        return runs[-1] if runs else None

    @contextmanager
    def locked(self, name: str = "lock") -> Iterator[None]:
        """Alone with this job: `lock` to decide what happens, `running` for as long as a run's supervisor lives."""
        while True:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                lock = (self.folder / name).open("a")
            except FileNotFoundError:  # forgotten this moment
                continue
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if same(lock, self.folder / name):
                    yield
                    return

    @property
    def running(self) -> bool:
        try:
            with (self.folder / "running").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True

    def over(self, run: Run) -> bool:
        """Whether no more comes of a run: it has ended, or its supervisor was killed."""
        return "status" in run.known or not self.running or self.runs[-1].folder != run.folder

    # -- beginning

    def join(self, command: List[str], given: bytes) -> Run:
        """The run of this command: the one that runs or has succeeded, or a new one.

        Raises:
            Fault: another one runs.
        """
        key = key_of(command, given)
        with self.locked():
            latest = self.latest
            known = latest.known if latest else {}
            # A supervisor that has noted the end may not be gone yet; the next one waits for it.
            if latest and "status" not in known and self.running:
                if known["key"] != key:
                    since = f"since {when(known['at'])}, with other inputs"
                    raise Fault(
                        f"{self.name}: another run of it is under way {since}; log: {latest.log}\n{self._choice}"
                    )
                if latest.input.exists():  # whoever began it was killed before it had its input
                    self._hand_over(latest, given)
                say(f"{self.name}: joined; under way since {when(known['at'])}; log: {latest.log}")
            elif latest and known.get("key") == key and known.get("status") == 0:
                say(f"{self.name}: done {when(known['ended'])}, nothing of it has changed since; log: {latest.log}")
            else:
                if latest:
                    self._outlive(latest)
                latest = self._begin(key, command, given)
                say(f"{self.name}: goes on whatever becomes of pulumi or this connection; log: {latest.log}")
            return latest

    @property
    def _choice(self) -> str:
        return f"Wait for its end, then pulumi up; or end it: {Path(__file__)} stop {self.name}"

    def _outlive(self, run: Run) -> None:
        """A run whose supervisor was killed may have left processes: nothing begins beside them."""
        if "status" in run.known:
            return
        if run.processes():
            say(f"{self.name}: the supervisor of its last run was killed, waiting for what it left: {run.processes()}")
            while run.processes():
                time.sleep(LOOK_SECONDS)
        say(f"{self.name}: its last run was cut off, by a reboot or a kill; log: {run.log}")

    def _begin(self, key: str, command: List[str], given: bytes) -> Run:
        runs = self.runs
        number = int(runs[-1].folder.name) + 1 if runs else 1
        for old in runs[: max(0, len(runs) + 1 - KEPT)]:
            shutil.rmtree(str(old.folder))
        run = Run(self.folder / str(number))
        run.folder.mkdir(mode=0o700, exist_ok=True)
        run.note(key=key, command=command, at=time.time())
        os.mkfifo(str(run.input), 0o600)
        self._start(run)
        self._hand_over(run, given)
        return run

    def _hand_over(self, run: Run, given: bytes) -> None:
        """The pipe opens here when it does in the supervisor, which then holds its lock. Its name goes at once: who is
        alone with the job and finds it knows that nobody has written."""
        with limited(f"{self.name}: did not start within {START_SECONDS} s; log: {run.log}"):
            pipe = run.input.open("wb")
        with pipe:
            run.input.unlink()
            pipe.write(given)

    def _start(self, run: Run) -> None:
        """Outside of this SSH session: sshd, logind and a lost terminal end what is in it."""
        supervise = [sys.executable, "-I", str(Path(__file__).resolve()), "supervise", str(run.folder)]
        if not (SYSTEMD.is_dir() and os.geteuid() == 0):
            detach(supervise)
            return
        unit = f"--unit=rack-job-{self.name}-{run.folder.name}"
        # A unit begins with systemd's environment.
        ours = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "USER")
        settings = [f"--setenv={name}={os.environ[name]}" for name in ours if name in os.environ]
        if subprocess.call(["systemd-run", "--quiet", "--collect", unit, *settings, *supervise], stdout=sys.stderr):
            raise Fault(f"{self.name}: systemd-run could not start it, for the reason above")

    # -- following

    def follow(self, run: Run) -> int:
        """Tells what it logs until it is over; its exit status."""
        if run.known.get("status") != 0:
            self._tell(run)
        known = run.known
        if known.get("status") == 0:
            with run.result.open("rb") as result:
                shutil.copyfileobj(result, sys.stdout.buffer)
            return 0
        return self._failed(run, known)

    def _tell(self, run: Run) -> None:
        told = Told()
        with run.log.open("rb") as log:
            while True:
                over = self.over(run)  # asked before the look, so that the last line is seen
                told.more(log.read())
                if over:
                    break
                wait()
        told.end()

    def _failed(self, run: Run, known: Dict[str, Any]) -> int:
        how = f"failed with status {known['status']}" if "status" in known else "was cut off: its supervisor was killed"
        seconds = known.get("ended", time.time()) - known["at"]
        took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        say(f"{self.name} {how} after {took}:")
        for line in failing_step(last_lines(run)):
            say(f"  {line}")
        say(f"The whole log, on {os.uname().nodename}: {run.log}")
        say(f"To resume: mend the cause, then pulumi up; {self.name} runs again and goes on from what is done")
        return int(known.get("status", 1))

    # -- at an operator's word

    def status(self) -> str:
        run = self.latest
        if not run:
            return f"{self.name}: no run"
        known = run.known
        if "status" in known:
            end = f"failed with status {known['status']}" if known["status"] else "done"
            how = f"{end} {when(known['ended'])}"
        else:
            how = "running" if self.running else "cut off"
        return f"{self.name}: run {run.folder.name}, {how}, begun {when(known['at'])}; log: {run.log}"

    def stop(self) -> None:
        run = self.latest
        if run and "status" not in run.known:
            self._end(run, signal.SIGTERM)
            self._end(run, signal.SIGKILL)
        say(self.status())

    def _end(self, run: Run, number: int) -> None:
        """Signals what runs but its supervisor, which ends after it and notes the status."""
        for pid in set(run.processes()) - ({run.known["session"]} if self.running else set()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + STOP_SECONDS
        while run.processes() and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)

    def forget(self) -> None:
        with self.locked():
            latest = self.latest
            if latest and "status" not in latest.known and (self.running or latest.processes()):
                raise Fault(f"{self.name} runs\n{self._choice}")
            shutil.rmtree(str(self.folder))
        with suppress(OSError):  # others are kept there
            self.folder.parent.rmdir()


def same(file: "IO[str]", path: Path) -> bool:
    """Whether an open file is still what the path names."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def key_of(command: List[str], given: bytes) -> str:
    return hashlib.sha256(json.dumps(command).encode() + b"\0" + given).hexdigest()


def detach(command: List[str]) -> None:
    """Begins it in a session of its own, below init: whoever ends this SSH session's processes does not find it."""
    child = os.fork()
    if not child:
        null = subprocess.DEVNULL
        try:
            subprocess.Popen(command, stdin=null, stdout=null, stderr=null, cwd="/", start_new_session=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@contextmanager
def limited(text: str) -> Iterator[None]:
    """START_SECONDS for what is done inside.

    Raises:
        Fault: with this text, when they are over.
    """

    def ring(*_: Any) -> None:
        raise Fault(text)

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(START_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def wait() -> None:
    """A moment, at most until nobody reads what is told any more.

    Raises:
        BrokenPipeError: nobody does.
    """
    readers = select.poll()
    for stream in (1, 2):
        readers.register(stream, 0)
    if readers.poll(LOOK_SECONDS * 1000):
        raise BrokenPipeError


class Told:
    """What of a growing log is told: see TOLD_LINES."""

    def __init__(self) -> None:
        self._lines, self._at = 0, time.monotonic()
        self._rest, self._kept = b"", ""

    def more(self, text: bytes) -> None:
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in map(printable, lines):
            self._kept = line or self._kept
            if self._kept and (self._lines < TOLD_LINES or time.monotonic() > self._at + TOLD_EACH_SECONDS):
                self._tell()

    def end(self) -> None:
        self.more(b"\n")
        self._tell()

    def _tell(self) -> None:
        if self._kept:
            say(self._kept)
            self._kept, self._at = "", time.monotonic()
            self._lines += 1


def printable(line: bytes) -> str:
    return shortened(UNPRINTABLE.sub("", line.decode(errors="replace")).rstrip())


def shortened(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 2] + " …"


# -- what an error says


def last_lines(run: Run) -> List[str]:
    """The log's, or what stands in its place where the command said nothing there."""
    for file in (run.log, run.result):
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - LOOKED_AT))
            text = UNPRINTABLE.sub("", stream.read().decode(errors="replace"))
        if text.strip():
            return [line.rstrip() for line in text.split("\n") if line.strip()]
    return ["it said nothing"]


def failing_step(lines: List[str]) -> List[str]:
    """Of a log's lines those that tell why it failed: the last step that did, by its heading, and the log's end."""
    failed = [i for i, line in enumerate(lines) if FAILED.search(line) and not ignored(lines, i)]
    if not failed:
        return [shortened(line) for line in lines[-SHOWN:]]
    headings = [i for i in range(failed[-1]) if HEADING.search(lines[i])]
    step = [lines[headings[-1]]] if headings else []
    after = headings[-1] if headings else 0
    for at in failed:
        if at >= after:
            after = detail_end(lines, at)
            step += [*explained(lines[at]), *lines[at + 1 : after]]
    most = SHOWN - SHOWN_END - 1
    step = [*step[:most], f"… {len(step) - most} lines more"] if len(step) > most else step
    end = lines[max(after, len(lines) - SHOWN_END) :]
    return [shortened(line) for line in (*step, *end)]


def ignored(lines: List[str], at: int) -> bool:
    return lines[detail_end(lines, at) :][:1] == ["...ignoring"]


def detail_end(lines: List[str], at: int) -> int:
    """Where the lines that belong to a failure end: those that are indented, and the brace that closes them."""
    end = at + 1
    while end < len(lines) and lines[end][:1] in (" ", "\t", "}"):
        end += 1
    return end


def explained(line: str) -> List[str]:
    """A failure with the module's message and the end of what its program said, instead of a long line of JSON."""
    found = ANSWER.match(line)
    try:
        answer = json.loads(found.group(2)) if found else {}
    except ValueError:
        answer = {}
    if not found or not answer.get("msg"):
        return [line]
    said = str(answer.get("stderr") or answer.get("module_stderr") or answer.get("stdout") or "")
    return [
        f"{found.group(1).rstrip(' |')}: {' '.join(str(answer['msg']).split())}",
        *(f"    {text}" for text in said.splitlines()[-4:] if text.strip()),
    ]


# -- the supervisor


def supervise(folder: Path) -> int:
    """The process that a run is: starts the command, waits for it, notes how it ended."""
    run, job = Run(folder), Job(folder.parent)
    log = run.log.open("ab")
    os.dup2(log.fileno(), 2)
    signal.alarm(START_SECONDS)  # ends it where whoever began it was killed meanwhile
    if os.getsid(0) != os.getpid():
        os.setsid()
    with job.locked("running"), log, run.result.open("wb") as result, tempfile.TemporaryFile() as given:
        if not job.latest or job.latest.folder != folder:
            return 1
        command = run.known["command"]
        run.note(boot=boot(), session=os.getpid(), begun=process(os.getpid())[1])
        with run.input.open("rb") as pipe:
            shutil.copyfileobj(pipe, given)
        signal.alarm(0)
        given.seek(0)
        if key_of(command, given.read()) != run.known["key"]:
            return 1  # whoever began it was killed over its input
        given.seek(0)
        run.note(status=ended(command, given, result), ended=time.time())
    return 0


def ended(command: List[str], given: "IO[bytes]", result: "IO[bytes]") -> int:
    """Runs the command to its end. A request to end is for it, not for us who note the status."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        status = subprocess.call(command, stdin=given, stdout=result, cwd="/")
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 127
    return status if status >= 0 else 128 - status


# -- the command line


def leave(number: int, _: Any) -> None:
    raise Left(128 + number)


def run(name: str, command: List[str]) -> int:
    job = Job(HOME / name)
    found = job.join(command, sys.stdin.buffer.read())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)
    try:
        return job.follow(found)
    except Left as left:
        say(f"{name}: left; it goes on, and the next pulumi up joins it. To end it: {Path(__file__)} stop {name}")
        return int(left.args[0])
    except BrokenPipeError:  # nobody reads any more
        return 128 + signal.SIGPIPE


def jobs(names: List[str]) -> List[Job]:
    kept = sorted(f.name for f in HOME.iterdir()) if HOME.exists() else []
    return [Job(HOME / name) for name in names or kept]


def main(words: List[str]) -> int:
    verb, names = "".join(words[:1]), words[1:]
    if verb == "supervise":
        return supervise(Path(names[0]))
    if [n for n in names[: 1 if verb == "run" else None] if not re.match(r"[A-Za-z0-9][\w.-]*\Z", n)]:
        raise Fault("A job's name is letters, digits, '.', '-' and '_'")
    if verb == "run" and len(names) > 1:
        return run(names[0], names[1:])
    if verb == "status":
        print("\n".join(job.status() for job in jobs(names)))
    elif verb == "forget" or (verb == "stop" and names):
        for job in jobs(names):
            getattr(job, verb)()
    else:
        raise Fault(str(__doc__).partition("\n\n")[2].partition("\n\n")[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        say(str(fault))
        sys.exit(1)
