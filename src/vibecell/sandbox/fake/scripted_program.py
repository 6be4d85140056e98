"""The little language of the fake backend.

Owns its reading: Python's syntax, cut down to calls with literal arguments,
one after another. Refuses everything else, with a line number.

    print("a", 6 * 7)      a line on stdout; console.log is the same
    print(input())         one line of stdin, back
    write("no line end")   text or bytes on stdout; error(...) on stderr
    echo()                 stdin to stdout until its end
    sleep(0.5)             seconds; time.sleep is the same
    work(0.02)             seconds of processor time, made up: none is used
    flood(1_000_000)       so many bytes on stdout
    exit(3)                ends; sys.exit is the same
    signal(11)             ends by a signal
    leave("a.txt", "b")    leaves a file behind
    display('{"text/html": "<b>x</b>"}')
    display(5_000_000)     one of so many bytes, which is none
    use_memory() use_cpu() use_processes() use_workspace()
                           end as the limit would
    die()                  the cell dies
    deaf()                 from here on the cell takes no signal and no size
    while True: pass       waits for ever; import lines do nothing
"""

import ast
import operator
from dataclasses import dataclass

FOR_EVER_S = 86_400.0
_ALIASES = {"time.sleep": "sleep", "sys.exit": "exit", "sys.stdout.write": "write"}
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_ENDING = {"exit", "signal", "die", "use_memory", "use_cpu", "use_processes", "use_workspace"}
_SAYING = {"print", "console.log", "write", "error", "echo", "flood", "display"}
_GOING_ON = {*_SAYING, "sleep", "work", "leave", "deaf"}
_KNOWN = _ENDING | _GOING_ON


class ProgramError(Exception):
    """It is not in the little language."""


@dataclass(frozen=True, slots=True)
class Call:
    """One step: a name and literal arguments, of which ``input()`` may be one."""

    name: str
    arguments: tuple[object, ...] = ()


def read_program(source: bytes) -> tuple[Call, ...]:
    """The steps of a program.

    Raises:
        ProgramError: it is not in the little language; says where.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ProgramError("not a program of the fake backend") from error
    steps = (_step(node) for node in tree.body)
    return tuple(step for step in steps if step is not None)


def _step(node: ast.stmt) -> Call | None:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return None
    if isinstance(node, ast.While):
        return Call("sleep", (FOR_EVER_S,))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = ast.unparse(node.value.func)
        name = _ALIASES.get(name, name)
        if name in _KNOWN:
            # keywords, as in print("a", flush=True), change nothing here
            return Call(name, tuple(_argument(a) for a in node.value.args))
    raise ProgramError(f"line {node.lineno} is not known to the fake backend")


def _argument(node: ast.expr) -> object:
    if isinstance(node, ast.Call) and ast.unparse(node) == "input()":
        return Call("input")
    return _literal(node)


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float):
            return -value
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _literal(node.left), _literal(node.right)
        if isinstance(left, int) and isinstance(right, int) and max(left, right) < 2**64:
            return _ARITHMETIC[type(node.op)](left, right)
    raise ProgramError(f"line {node.lineno} has an argument that is no literal")
