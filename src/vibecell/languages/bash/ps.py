#!/usr/bin/env -S python3 -IS
"""ps(1) of a cell: its processes, in the forms that people ask for.

Owns the options named in ``USAGE``, in both of their ways of writing; refuses others by name. The
usual program reads what a cell does not have (/proc/stat, /proc/uptime, /proc/meminfo).

Source: ps(1), POSIX.1-2017 ps; proc(5): /proc/pid/stat, /proc/pid/status
"""

import errno
import os
import pwd
import re
import sys
import time
from collections.abc import Callable

LIMIT_FILE = "/run/memory.max"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
USAGE = "-e -A -a -f -p PIDS -C NAME -u USER --ppid PID -o FORMAT --sort KEY --no-headers, a u x"
DEFAULT = "pid,tty,time,ucmd"
FULL = "user,pid,ppid,c,stime,tty,time,cmd"
BSD_USER = "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,bsdtime,command"
BSD = "pid,tty,stat,bsdtime,command"


def text_of(name: bytes) -> str:
    """What a process calls itself: bytes of any kind, cut anywhere."""
    return name.decode("utf-8", "backslashreplace")


def on_one_line(text: str) -> str:
    """As the usual program shows it: what is not printed is a question mark."""
    return "".join(character if character.isprintable() else "?" for character in text)


class Process:
    """One process, as /proc has it. Raises ``OSError`` where it has ended."""

    def __init__(self, pid: int, limit_kib: int, now_s: float) -> None:
        self.pid = pid
        self.limit_kib = limit_kib
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, rest = text_of(file.read()).rpartition(")")
        self.comm = head.partition("(")[2]
        fields = rest.split()
        self.state = fields[0]
        self.ppid, self.pgid, self.sid, self.tty, self.foreground = map(int, fields[1:6])
        self.cpu_s = (int(fields[11]) + int(fields[12])) / TICKS
        self.priority, self.nice, self.threads = (int(fields[i]) for i in (15, 16, 17))
        self.age_s = max(0.0, now_s - int(fields[19]) / TICKS)
        self.vsz_kib, self.rss_kib = int(fields[20]) // 1024, int(fields[21]) * PAGE_KIB
        with open(f"/proc/{pid}/status", "rb") as file:
            found = re.search(rb"^Uid:\s+\d+\s+(\d+)", file.read(), re.MULTILINE)
        self.uid = int(found[1]) if found else 0
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().rstrip(b"\0").split(b"\0")
        except OSError:
            words = [b""]
        self.args = text_of(b" ".join(words)) or f"[{self.comm}]"

    @property
    def user(self) -> str:
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def tty_name(self) -> str:
        major, minor = self.tty >> 8 & 0xFFF, self.tty & 0xFF
        return f"pts/{minor}" if major == 136 else "?"

    @property
    def stat(self) -> str:
        marks = ("<" if self.nice < 0 else "N" if self.nice > 0 else "",
                 "s" if self.sid == self.pid else "",
                 "l" if self.threads > 1 else "",
                 "+" if self.foreground == self.pgid else "")  # fmt: skip
        return self.state + "".join(marks)

    @property
    def cpu_percent(self) -> float:
        return 100 * self.cpu_s / self.age_s if self.age_s > 0 else 0.0

    @property
    def memory_percent(self) -> float:
        return min(99.9, 100 * self.rss_kib / self.limit_kib)

    @property
    def began_s(self) -> float:
        return time.time() - self.age_s


def clock(seconds: float, days: bool = True) -> str:
    """Processor time: ``00:00:00``, or ``0:00`` as BSD has it."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}" if days else f"{minutes}:{rest:02}"


def elapsed(seconds: float) -> str:
    """``[[DD-]hh:]mm:ss``."""
    hours, rest = divmod(int(seconds), 3600)
    text = f"{rest // 60:02}:{rest % 60:02}"
    return (
        f"{hours // 24}-{hours % 24:02}:{text}"
        if hours > 23
        else f"{hours:02}:{text}"
        if hours
        else text
    )


Column = tuple[str, Callable[[Process], object], int]  # below 0: to the left
COLUMNS: dict[str, Column] = {
    "pid": ("PID", lambda p: p.pid, 7),
    "ppid": ("PPID", lambda p: p.ppid, 7),
    "pgid": ("PGID", lambda p: p.pgid, 7),
    "sid": ("SID", lambda p: p.sid, 7),
    "uid": ("UID", lambda p: p.uid, 5),
    "user": ("USER", lambda p: p.user, -8),
    "tty": ("TTY", lambda p: p.tty_name, -8),
    "stat": ("STAT", lambda p: p.stat, -4),
    "s": ("S", lambda p: p.state, 1),
    "comm": ("COMMAND", lambda p: p.comm, -15),
    "args": ("COMMAND", lambda p: p.args, -27),
    "%cpu": ("%CPU", lambda p: f"{p.cpu_percent:.1f}", 4),
    "c": ("C", lambda p: min(99, int(p.cpu_percent)), 2),
    "%mem": ("%MEM", lambda p: f"{p.memory_percent:.1f}", 4),
    "vsz": ("VSZ", lambda p: p.vsz_kib, 6),
    "rss": ("RSS", lambda p: p.rss_kib, 5),
    "time": ("TIME", lambda p: clock(p.cpu_s), 8),
    "bsdtime": ("TIME", lambda p: clock(p.cpu_s, days=False), 6),
    "etime": ("ELAPSED", lambda p: elapsed(p.age_s), 11),
    "etimes": ("ELAPSED", lambda p: int(p.age_s), 7),
    "start": ("START", lambda p: time.strftime("%H:%M", time.localtime(p.began_s)), 5),
    "stime": ("STIME", lambda p: time.strftime("%H:%M", time.localtime(p.began_s)), 5),
    "lstart": ("STARTED", lambda p: time.ctime(p.began_s), 24),
    "nice": ("NI", lambda p: p.nice, 3),
    "pri": ("PRI", lambda p: 39 - p.priority, 3),
    "nlwp": ("NLWP", lambda p: p.threads, 4),
}
ALIASES = {
    "pgrp": "pgid", "sess": "sid", "euser": "user", "uname": "user", "euid": "uid", "tt": "tty",
    "tname": "tty", "state": "s", "ucmd": "comm", "cmd": "args", "command": "args",
    "pcpu": "%cpu", "pmem": "%mem", "rssize": "rss", "vsize": "vsz", "cputime": "time",
    "ni": "nice", "thcount": "nlwp",
}  # fmt: skip
HEADERS = {"cmd": "CMD", "ucmd": "CMD"}


def column(word: str) -> tuple[str, Column]:
    """One word of a format: a name, and its heading if it has one of its own."""
    name, equals, heading = word.partition("=")
    if (known := COLUMNS.get(ALIASES.get(name, name))) is None:
        raise ValueError(f"no such column: {name}")
    return (heading if equals else HEADERS.get(name, known[0])), known


class Wanted:
    """What a command line asks for. Raises ``ValueError`` with what is not known here."""

    def __init__(self, arguments: list[str]) -> None:
        self.columns: list[tuple[str, Column]] = []
        self.keeps: list[Callable[[Process], bool]] = []
        self.everybody, self.headings, self.sort = False, True, "pid"
        self.layout = DEFAULT
        rest = list(arguments)
        while rest:
            word = rest.pop(0)
            if word.startswith("--"):
                self._long(word, rest)
            elif word.startswith("-"):
                self._letters(word[1:], rest)
            elif word.isdigit():
                self._select("p", word)
            else:
                self._bsd(word, rest)
        self.columns = self.columns or [column(x) for x in self.layout.split(",")]

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        if name in ("--no-headers", "--no-heading", "--noheaders"):
            self.headings = False
        elif name in ("--sort", "--ppid", "--pid", "--format", "--user", "--cols", "--width"):
            value = value if equals else self._value("", rest)
            self._select(
                {"--sort": "k", "--pid": "p", "--format": "o", "--user": "u"}.get(name, name), value
            )
        else:
            raise ValueError(f"not known here: {word}")

    def _letters(self, letters: str, rest: list[str]) -> None:
        for at, letter in enumerate(letters):
            if letter in "eAa":
                self.everybody = True
            elif letter == "f":
                self.layout = FULL
            elif letter in "opCuU":
                return self._select(letter, self._value(letters[at + 1 :], rest))
            elif letter not in "wy":
                raise ValueError(f"not known here: -{letter}")
        return None

    def _bsd(self, letters: str, rest: list[str]) -> None:
        self.layout = BSD if self.layout == DEFAULT else self.layout
        for at, letter in enumerate(letters):
            if letter in "ax":
                self.everybody = True
            elif letter == "u":
                self.layout = BSD_USER
            elif letter == "h":
                self.headings = False
            elif letter in "op":
                return self._select(letter, self._value(letters[at + 1 :], rest))
            elif letter not in "wef":
                raise ValueError(f"not known here: {letter}")
        return None

    def _value(self, attached: str, rest: list[str]) -> str:
        if attached or rest:
            return attached or rest.pop(0)
        raise ValueError("a value is missing at the end")

    def _select(self, kind: str, value: str) -> None:
        words = re.split(r"[,\s]+", value.strip())
        if kind == "o":
            self.columns += [column(word) for word in words]
        elif kind == "k":
            self.sort = words[0]
            column(words[0].lstrip("+-"))
        elif kind in ("p", "--ppid"):
            if wrong := [word for word in words if not (word.isascii() and word.isdigit())]:
                raise ValueError(f"no number of a process: {wrong[0]!r}")
            ids = {int(word) for word in words}
            self.keeps.append(lambda p: (p.pid if kind == "p" else p.ppid) in ids)
        elif kind == "C":
            self.keeps.append(lambda p: p.comm in words)
        elif kind in "uU":
            self.keeps.append(lambda p: p.user in words or str(p.uid) in words)

    def of(self, processes: list[Process], own: Process) -> list[Process]:
        """Those to show, in order."""
        if self.keeps:
            shown = [p for p in processes if any(keeps(p) for keeps in self.keeps)]
        elif self.everybody:
            shown = processes
        else:
            shown = [p for p in processes if (p.uid, p.tty) == (own.uid, own.tty)]
        _, (_, value, _) = column(self.sort.lstrip("+-"))

        def key(process: Process) -> tuple[float, str]:
            text = str(value(process))
            try:
                return float(text), ""
            except ValueError:
                return 0.0, text

        return sorted(shown, key=key, reverse=self.sort.startswith("-"))


def failed(why: str) -> int:
    """Say it where it can be said; the status of that."""
    if sys.stderr is not None:
        print(f"ps: {why}", file=sys.stderr)
    return 1


def main(arguments: list[str]) -> int:
    """Print the table; 1 where there is nothing to show or something is not known."""
    try:
        wanted = Wanted(arguments)
    except ValueError as error:
        return failed(f"{error}\nps: of a cell takes {USAGE}")
    with open(LIMIT_FILE) as file:
        limit_kib = int(file.read()) // 1024 or 1
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    processes = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            processes.append(Process(pid, limit_kib, now_s))
        except OSError:
            continue  # it has ended
    shown = wanted.of(processes, next(p for p in processes if p.pid == os.getpid()))
    rows = [[on_one_line(str(value(p))) for _, (_, value, _) in wanted.columns] for p in shown]
    headings = [heading for heading, _ in wanted.columns]
    for row in ([headings] if wanted.headings and any(headings) else []) + rows:
        cells = [
            text.ljust(-width) if width < 0 else text.rjust(width)
            for text, (_, (_, _, width)) in zip(row, wanted.columns, strict=True)
        ]
        print(" ".join(cells).rstrip())
    return 0 if shown else 1


def table_written(arguments: list[str]) -> int:
    """As ``main``, and everything is with who reads it, or it is said that it is not."""
    if sys.stdout is None:
        return failed(f"write error: {os.strerror(errno.EBADF)}")
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    status = main(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(141)  # as who is ended by SIGPIPE
    except OSError as error:
        os._exit(failed(f"write error: {error.strerror}"))  # the interpreter would try again
    return status


sys.exit(table_written(sys.argv[1:]))
