"""Programs that pass a limit, one road each, and what must come of it.

Owns the programs and the sentences; refuses to run anything. Every program
says ``begun`` first: partial output is kept, whatever the end.
"""

from dataclasses import dataclass, field

MIB = 1024 * 1024
TIME = "time_limit_exceeded"
MEMORY = "memory_limit_exceeded"
PROCESSES = "process_limit_exceeded"
WORKSPACE = "workspace_limit_exceeded"
OUTPUT = "output_limit_exceeded"

_BEGIN = {
    "python": "print('begun', flush=True)\n",
    "javascript": "require('fs').writeSync(1, 'begun\\n');\n",
    "bash": "echo begun\n",
}


@dataclass(frozen=True)
class Breach:
    """One program that passes one limit.

    Attributes:
        message: the whole sentence, or its beginning.
    """

    name: str
    code: str
    verdict: str
    message: str
    limits: dict[str, int] = field(default_factory=dict)
    language: str = "python"

    @property
    def source(self) -> str:
        return _BEGIN[self.language] + self.code


_WALL = {"wall_time_ms": 1000}
_WALL_SAID = "time limit exceeded: stopped after 1.0 s"
_CPU = {"cpu_time_ms": 500, "wall_time_ms": 20_000}
_CPU_SAID = "time limit exceeded: stopped after 0.5 s of CPU time"
_MEMORY = {"memory_bytes": 96 * MIB}
_MEMORY_SAID = "memory limit exceeded: more than 96 MiB"
_PROCESSES = {"processes": 12, "wall_time_ms": 5000}
_PROCESSES_SAID = "process limit exceeded: more than 12 processes"
_WORKSPACE = {"workspace_bytes": 4 * MIB}
_WORKSPACE_SAID = "workspace limit exceeded: more than 4 MiB"
_OUTPUT = {"output_bytes": 50_000}
_OUTPUT_SAID = "output limit exceeded: more than 48.83 KiB"

BREACHES = (
    Breach("wall_sleep", "import time; time.sleep(30)", TIME, _WALL_SAID, _WALL),
    Breach(
        "wall_ignores_signals",
        "import signal, time\n"
        "for n in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(n, signal.SIG_IGN)\n"
        "while True: time.sleep(1)",
        TIME,
        _WALL_SAID,
        _WALL,
    ),
    Breach(
        "wall_closed_output",
        "import os, time\nfor fd in (0, 1, 2): os.close(fd)\ntime.sleep(30)",
        TIME,
        _WALL_SAID,
        _WALL,
    ),
    Breach(
        "wall_waits_for_a_child",
        "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(30)\nos.wait()",
        TIME,
        _WALL_SAID,
        _WALL,
    ),
    Breach("wall_stopped", "import os; os.kill(os.getpid(), 19)", TIME, _WALL_SAID, _WALL),
    Breach("wall_bash", "sleep 30", TIME, _WALL_SAID, _WALL, "bash"),
    Breach("wall_node", "setTimeout(() => {}, 30000)", TIME, _WALL_SAID, _WALL, "javascript"),
    Breach("cpu_one_process", "while True: pass", TIME, _CPU_SAID, _CPU),
    Breach(
        "cpu_threads",
        "import hashlib, threading\n"
        "def work():\n    data = bytes(1 << 20)\n    while True: hashlib.sha256(data)\n"
        "for _ in range(4): threading.Thread(target=work).start()",
        TIME,
        _CPU_SAID,
        _CPU,
    ),
    Breach(
        "cpu_relay_of_children",
        "import os, time\n"
        "while True:\n"
        "    if os.fork() == 0:\n"
        "        end = time.process_time() + 0.03\n"
        "        while time.process_time() < end: pass\n"
        "        os._exit(0)\n"
        "    os.wait()",
        TIME,
        _CPU_SAID,
        _CPU,
    ),
    Breach("cpu_node", "for (;;);", TIME, _CPU_SAID, _CPU, "javascript"),
    Breach(
        "memory_one_process",
        "kept = []\nwhile True: kept.append(b'x' * (1 << 20))",
        MEMORY,
        _MEMORY_SAID,
        _MEMORY,
    ),
    Breach(
        "memory_children",
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        kept = b'x' * (40 << 20); time.sleep(5); os._exit(0)\n"
        "for _ in range(4): os.wait()\n"
        "raise SystemExit(1)",
        MEMORY,
        _MEMORY_SAID,
        _MEMORY,
    ),
    Breach(
        "memory_files",
        "import time\n"
        "for n in range(8):\n"
        "    for place in ('/tmp', '/workspace'):\n"
        "        open(f'{place}/{n}', 'wb').write(b'x' * (7 << 20))\n"
        "time.sleep(1)\nraise SystemExit(1)",
        MEMORY,
        _MEMORY_SAID,
        _MEMORY,
    ),
    Breach(
        "memory_node",
        "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1));",
        MEMORY,
        "memory limit exceeded: more than 192 MiB",
        {"memory_bytes": 192 * MIB},
        "javascript",
    ),
    Breach(
        "processes_forks",
        "import os, time\n"
        "for _ in range(40):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(3); os._exit(0)",
        PROCESSES,
        _PROCESSES_SAID,
        _PROCESSES,
    ),
    Breach(
        "processes_threads",
        # Stays at its limit for a moment: without cgroups that must be seen to be known.
        "import threading, time\n"
        "try:\n"
        "    for _ in range(40):\n"
        "        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()\n"
        "except RuntimeError:\n    time.sleep(0.2)\n    raise",
        PROCESSES,
        _PROCESSES_SAID,
        _PROCESSES,
    ),
    Breach(
        "workspace_bytes",
        "with open('big', 'wb') as f:\n    while True: f.write(b'x' * 65536)",
        WORKSPACE,
        _WORKSPACE_SAID,
        _WORKSPACE,
    ),
    Breach(
        "workspace_bytes_in_tmp",
        "with open('/tmp/big', 'wb') as f:\n    while True: f.write(b'x' * 65536)",
        WORKSPACE,
        _WORKSPACE_SAID,
        _WORKSPACE,
    ),
    Breach(
        "workspace_inodes",
        "n = 0\nwhile True:\n    open(str(n), 'w').close(); n += 1",
        WORKSPACE,
        _WORKSPACE_SAID,
        _WORKSPACE,
    ),
    Breach("output_stdout", "while True: print('x' * 1000)", OUTPUT, _OUTPUT_SAID, _OUTPUT),
    Breach(
        "output_stderr",
        "import sys\nwhile True: print('x' * 1000, file=sys.stderr)",
        OUTPUT,
        _OUTPUT_SAID,
        _OUTPUT,
    ),
    Breach(
        "output_endless_line",
        "import sys\nwhile True: sys.stdout.write('x' * 5000)",
        OUTPUT,
        _OUTPUT_SAID,
        _OUTPUT,
    ),
    Breach("output_bash", "yes", OUTPUT, _OUTPUT_SAID, _OUTPUT, "bash"),
)
