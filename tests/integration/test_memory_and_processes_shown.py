"""What a program is shown of its memory and its processes is its cell's, warm or cold."""

import re
from typing import Any

import pytest
import requests

MIB = 1024 * 1024


def run(url: str, code: str, language: str = "bash", **more: Any) -> dict[str, Any]:
    body = {"language": language, "code": code, **more}
    answer = requests.post(f"{url}/execute", json=body, timeout=60).json()
    assert isinstance(answer, dict)
    return answer


def test_ps_shows_the_processes_of_the_cell(service_url: str) -> None:
    code = """
        sleep 9.75 &
        ps aux; echo; ps -ef; echo; ps; echo
        ps -o pid=,ppid=,comm= -C sleep; ps -p $$ -o args=; ps -eo pid --sort=-pid --no-headers
    """
    answer = run(service_url, code)
    assert (answer["verdict"], answer["error"]) == ("accepted", ""), answer
    aux, full, plain, rest = answer["output"].split("\n\n")
    assert aux.startswith(
        "USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND"
    )
    assert full.startswith("USER         PID    PPID  C STIME TTY          TIME CMD")
    for table in (aux, full):
        assert re.search(r"^user +\d+ .* sleep 9.75$", table, re.MULTILINE)
    assert [line.split()[-1] for line in plain.splitlines()][:3] == ["CMD", "bash", "sleep"]
    sleep, own, *pids = rest.split("\n")
    assert re.fullmatch(r" +\d+ +2 sleep", sleep)
    assert own == "bash main.sh"
    assert [int(x) for x in pids if x] == sorted((int(x) for x in pids if x), reverse=True)


def test_ps_says_what_it_does_not_know(service_url: str) -> None:
    answer = run(service_url, "ps -Z; echo $?; ps -o nothing; echo $?; ps -p 9999 -o pid=; echo $?")
    assert answer["output"] == "1\n1\n1\n"
    assert "ps: not known here: -Z" in answer["error"]
    assert "ps: no such column: nothing" in answer["error"]


@pytest.mark.parametrize("wrong", ["abc", "1,x", "''", "-1", "1_0", "²"])
def test_ps_says_what_is_no_process(service_url: str, wrong: str) -> None:
    answer = run(service_url, f"ps -p {wrong}; echo $?; ps --ppid {wrong}; echo $?")
    assert answer["output"] == "1\n1\n"
    assert answer["error"].count("ps: no number of a process: ") == 2, answer
    assert "Traceback" not in answer["error"]


def test_a_process_is_one_line_of_ps_whatever_it_calls_itself(service_url: str) -> None:
    """The kernel cuts a name after 15 bytes, wherever that is in a character."""
    code = r"""
        cp "$(command -v sleep)" fourteen_bytesä
        cp "$(command -v sleep)" $'a\nb\t\x1b[1m)'
        ./$'a\nb\t\x1b[1m)' 9.5 & ./fourteen_bytesä 9.75 &
        until [ "$(ps -eo comm= | grep -c -e '^a' -e '^fourteen')" -ge 2 ]; do sleep 0.02; done
        ps -eo comm=,args= | grep 9[.]
    """
    answer = run(service_url, code)
    first, second = answer["output"].splitlines()
    assert first.split() == ["a?b??[1m)", "./a?b??[1m)", "9.5"], answer
    assert second.split() == ["fourteen_bytes\\xc3", "./fourteen_bytesä", "9.75"]
    assert answer["error"] == ""


def test_ps_that_cannot_write_says_so(service_url: str) -> None:
    code = """
        ps > /dev/full; echo $?; (exec 1>&-; ps; echo $? >&2); (exec 2>&-; ps -Z; echo $?)
        (exec 1>&- 2>&-; ps); echo $?; ps -e | head -1 | wc -l
    """
    answer = run(service_url, code)
    assert answer["output"] == "1\n1\n1\n1\n", answer
    assert answer["error"] == (
        "ps: write error: No space left on device\nps: write error: Bad file descriptor\n1\n"
    )


def test_own_modules_do_not_get_into_a_command(service_url: str) -> None:
    code = "echo 'print(1/0)' | tee os.py re.py pwd.py > sys.py\nps > /dev/null && free > /dev/null"
    assert run(service_url, code, env={"PYTHONPATH": "/workspace"})["verdict"] == "accepted"


@pytest.mark.parametrize("limit_mib", [512, 200])
def test_free_shows_the_limit_and_what_is_used_of_it(service_url: str, limit_mib: int) -> None:
    holder = "b = bytearray(64 << 20); open('held', 'w'); import time; time.sleep(9)"
    code = f"""
        free -m; head -c 20M /dev/zero > file
        python3 -c "{holder}" &
        until [ -e held ]; do sleep 0.02; done
        free -m; free -b | head -2 | tail -1; free -h | tail -2 | head -1
    """
    answer = run(service_url, code, limits={"memory_bytes": limit_mib * MIB})
    _, before, _, _, after, _, exact, human = answer["output"].splitlines()
    total, used, left, shared = (int(x) for x in after.split()[1:5])
    assert total == limit_mib
    assert used > int(before.split()[2]) + 60
    assert shared == 20
    assert total - used - left - shared in (0, 1, 2), "rounded down"
    assert exact.split()[1] == str(limit_mib * MIB)
    assert human.split()[1] == f"{limit_mib}Mi"


@pytest.mark.parametrize("env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["warm", "cold"])
def test_a_limit_is_the_same_for_warm_and_cold(service_url: str, env: dict[str, str]) -> None:
    def fill(size_mib: int) -> dict[str, Any]:
        code = f"kept = b'x' * ({size_mib} << 20)"
        limits = {"memory_bytes": 96 * MIB}
        return run(service_url, code, "python", env=env, limits=limits)

    within, beyond = fill(80), fill(100)
    assert (within["verdict"], within["warm"]) == ("accepted", not env), within
    assert 80 * MIB < within["usage"]["memory_bytes"] < 90 * MIB
    assert beyond["verdict"] == "memory_limit_exceeded", beyond
