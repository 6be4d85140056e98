"""Node.js finds in a cell what it would find on a machine as large as that.

Its heap fits the limit, its machine is the cell, its clocks begin with the program,
and variables that it reads at its start count: warm, cold, in workers and in children.
"""

import json
import time
from typing import Any

import pytest
import requests

MIB = 1024 * 1024
HEAP = "require('v8').getHeapStatistics().heap_size_limit / 2 ** 20"
# 8 MB are alive at a time, and 640 MB are left
GARBAGE = "for (let i = 0; i < 80; i++) new Array(1e6).fill(i);"


def run(url: str, code: str, **more: Any) -> dict[str, Any]:
    body = {"language": "javascript", "code": code, **more}
    answer = requests.post(f"{url}/execute", json=body, timeout=60).json()
    assert isinstance(answer, dict)
    return answer


def told(url: str, expression: str, **more: Any) -> Any:
    """What an expression is in the cell, by way of JSON."""
    answer = run(url, f"console.log(JSON.stringify({expression}))", **more)
    assert answer["verdict"] == "accepted", answer
    return json.loads(answer["output"])


def in_worker(source: str) -> str:
    return f"new (require('worker_threads').Worker)({json.dumps(source)}, {{ eval: true }})"


def in_child(source: str) -> str:
    options = "{ stdio: 'inherit' }"
    arguments = f"[process.execPath, ['-e', {json.dumps(source)}], {options}]"
    return (
        f"const done = require('child_process').spawnSync(...{arguments});\n"
        "process.exit(done.status ?? 1)"
    )


@pytest.mark.parametrize("limit_mib", [512, 160])
def test_garbage_is_collected_before_the_limit_is_met(service_url: str, limit_mib: int) -> None:
    answer = run(service_url, GARBAGE, limits={"memory_bytes": limit_mib * MIB})
    assert (answer["verdict"], answer["warm"]) == ("accepted", limit_mib == 512), answer
    assert 8 * MIB < answer["usage"]["memory_bytes"] <= limit_mib * MIB


@pytest.mark.parametrize("wrapped", [in_worker, in_child])
def test_garbage_of_workers_and_children_is_collected(service_url: str, wrapped: Any) -> None:
    answer = run(service_url, wrapped(GARBAGE))
    assert answer["verdict"] == "accepted", answer


@pytest.mark.parametrize("limit_mib", [512, 1536])
def test_a_worker_has_as_much_heap_as_the_program(service_url: str, limit_mib: int) -> None:
    code = f"console.log({HEAP});\n"
    code += in_worker(code)
    answer = run(service_url, code, limits={"memory_bytes": limit_mib * MIB})
    own, workers = map(float, answer["output"].split())
    assert own == workers > limit_mib, answer


@pytest.mark.parametrize("limit_mib", [512, 300])
def test_the_heap_does_not_have_node_compile_its_own_modules(
    service_url: str, limit_mib: int
) -> None:
    """V8 takes code that was compiled under the same flags alone: a child is given none."""
    tag = "require('v8').cachedDataVersionTag()"
    child = f"require('child_process').execFileSync(process.execPath, ['-p', {json.dumps(tag)}])"
    limits = {"memory_bytes": limit_mib * MIB}
    own, childs = told(service_url, f"[{tag}, Number({child})]", limits=limits)
    assert own == childs


def test_buffers_have_the_rest_of_the_limit(service_url: str) -> None:
    code = "const kept = []; for (let i = 0; i < 300; i++) kept.push(Buffer.alloc(2 ** 20, 1));"
    assert run(service_url, code)["verdict"] == "accepted"


@pytest.mark.parametrize("limit_mib", [512, 128])
def test_data_above_the_limit_is_above_the_limit(service_url: str, limit_mib: int) -> None:
    code = "const kept = []; for (;;) kept.push(new Array(1e5).fill(kept.length));"
    answer = run(service_url, code, limits={"memory_bytes": limit_mib * MIB})
    assert answer["verdict"] == "memory_limit_exceeded", answer


def test_the_machine_is_the_cell(service_url: str) -> None:
    code = """
        const os = require('os');
        const kept = Buffer.alloc(50 * 2 ** 20, 1);
        console.log(JSON.stringify({
          total: os.totalmem(), free: os.freemem(), limit: process.constrainedMemory(),
          available: process.availableMemory(), load: os.loadavg(), cpus: os.cpus(),
          parallel: os.availableParallelism(), kept: kept.length,
        }));
    """
    for more in ({}, {"limits": {"memory_bytes": 300 * MIB}}):
        for wrapped in (code, in_worker(code)):
            answer = run(service_url, wrapped, **more)
            assert answer["verdict"] == "accepted", answer
            facts = json.loads(answer["output"])
            limit = 300 * MIB if more else 512 * MIB
            assert facts["total"] == facts["limit"] == limit
            assert limit - 150 * MIB < facts["free"] < limit - 50 * MIB
            assert abs(facts["available"] - facts["free"]) < 20 * MIB
            assert facts["load"] == [0, 0, 0]
            assert len(facts["cpus"]) == facts["parallel"] > 0
            assert all(cpu["times"]["user"] > 0 for cpu in facts["cpus"])


def test_every_program_finds_its_limit_where_a_container_has_it(service_url: str) -> None:
    code = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    code += f'\nnode -p "{HEAP} > 700"'
    for limit in (512 * MIB, 1536 * MIB):
        answer = run(service_url, code, language="bash", limits={"memory_bytes": limit})
        heap = str(limit == 1536 * MIB).lower()  # Node.js takes a half, and some for what is new
        assert answer["output"] == f"{limit}\n{limit}\n{heap}\n", answer


def test_clocks_begin_with_the_program(service_url: str) -> None:
    told(service_url, "1")
    time.sleep(1.5)  # the next cell has waited since
    code = """
        const began = Date.now();
        performance.mark('a');
        const waited = performance.measure('b').duration;
        const marked = performance.measure('c', 'a').duration;
        const event = new Event('x').timeStamp;
        console.log(JSON.stringify([
          performance.now(), process.uptime() * 1000, waited, event,
          performance.getEntriesByName('a')[0].startTime, began - performance.timeOrigin,
          performance.nodeTiming.duration, performance.measure('d', { start: 0 }).duration,
          began - performance.toJSON().timeOrigin, performance.measure('e', {}).duration,
        ].concat([marked + 500])));
    """
    answer = run(service_url, code)
    assert answer["warm"], answer
    times_ms = json.loads(answer["output"])
    assert all(0 < each < 1400 for each in times_ms), times_ms
    assert max(times_ms[:-1]) - min(times_ms[:-1]) < 500, "they are of one clock"


def test_absolute_clocks_agree_with_the_relative_ones(service_url: str) -> None:
    expression = "Date.now() - performance.timeOrigin - performance.now()"
    assert abs(told(service_url, expression)) < 50


@pytest.mark.parametrize(
    ("env", "expression", "value"),
    [
        ({"NODE_OPTIONS": "--max-old-space-size=100"}, f"{HEAP} < 160", True),
        ({"NODE_OPTIONS": "--stack-trace-limit=3 --no-warnings"},
         "[Error.stackTraceLimit, process.env.NODE_OPTIONS, process.execArgv]",
         [3, "--stack-trace-limit=3 --no-warnings", []]),
        ({"NODE_OPTIONS": ""}, "[process.env.NODE_OPTIONS, Object.keys(process.env).length]",
         ["", 8]),
        ({"NODE_OPTIONS": "--require=./first.js"}, "[globalThis.first, process._preload_modules]",
         [1, ["./first.js"]]),
        ({"NODE_PATH": "/workspace/lib"}, "require('own')", "own"),
        ({"NODE_NO_WARNINGS": "1"}, "[process.env.NODE_OPTIONS ?? null, process.argv.length]",
         [None, 2]),
        ({"TZ": "Asia/Tokyo"},
         "[new Date(0).getHours(), Intl.DateTimeFormat().resolvedOptions().timeZone]",
         [9, "Asia/Tokyo"]),
        ({"LANG": "de_DE.UTF-8"}, "Intl.DateTimeFormat().resolvedOptions().locale", "de-DE"),
        ({"LC_ALL": "fr_FR.UTF-8"}, "(1234.5).toLocaleString()", "1\u202f234,5"),
        ({"HOME": "/tmp"}, "[require('os').homedir(), require('module').globalPaths[0]]",
         ["/tmp", "/tmp/.node_modules"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_variables_that_node_reads_at_its_start_count(
    service_url: str, env: dict[str, str], expression: str, value: object
) -> None:
    files = [
        {"path": "main.js", "content": f"console.log(JSON.stringify({expression}))"},
        {"path": "lib/own.js", "content": "module.exports = 'own'"},
        {"path": "first.js", "content": "globalThis.first = 1"},
    ]
    body = {"language": "javascript", "files": files, "env": env}
    answer = requests.post(f"{service_url}/execute", json=body, timeout=60).json()
    assert answer["verdict"] == "accepted", answer
    assert json.loads(answer["output"]) == value


def test_import_and_await_need_no_package(service_url: str) -> None:
    code = "import { cpus } from 'node:os';\nconsole.log(await Promise.resolve(cpus().length > 0));"
    answer = run(service_url, code)
    assert (answer["output"], answer["warm"]) == ("true\n", True), answer
