"""Modules that were loaded ahead cannot be told from such as a program loads itself.

Each program runs twice, in two new interpreters: as it is, and in one that has loaded a
good part of the standard library first and put it on the shelf, as a zygote does. What
they print must be equal.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vibecell import cell

PROGRAMS_OF_CELLS = Path(cell.__file__).parent
ZYGOTE = f"""
import os, sys
at_start = [name for name in sys.modules if name != __name__]
here = os.path.dirname(__file__)
sys.path.insert(0, {str(PROGRAMS_OF_CELLS)!r})
import recording
notes = recording.Recording(at_start)
notes.begin()
import renewal, shelf
import argparse, asyncio, calendar, concurrent.futures.thread, csv, ctypes, dataclasses, email
import decimal, json, logging.handlers, queue, random, statistics, tempfile, typing, unittest
import urllib.parse, xml.etree.ElementTree
warnings = sys.modules["warnings"]
warnings.filterwarnings("ignore", "of nobody's")
sys.path[:] = [path for path in sys.path if path not in (here, {str(PROGRAMS_OF_CELLS)!r})]
notes.end()
warm = shelf.Shelf(notes, (__name__, "recording", "renewal", "shelf"))
warm.put_away(renewal.renewals(warm.loaded), ["json", "asyncio"])
raise ImportError(name=__name__)
"""
# Debian's interpreter has a module of this name; the runtime image has none
NO_SITECUSTOMIZE = """
import os, sys
sys.path.remove(os.path.dirname(__file__))
raise ImportError(name=__name__)
"""
PROGRAMS = {
    "what_is_there_at_the_start": """
import sys
print(list(sys.modules), [f for f in sys.modules["_warnings"].filters])
""",
    "what_comes_with_each": """
import os, sys
for name in ("json", "typing", "logging", "asyncio", "random", "urllib", "urllib.parse", "decimal",
             "concurrent.futures", "concurrent.futures.thread", "queue", "unittest", "csv", "email",
             "logging.handlers", "xml.etree.ElementTree", "importlib.util", "statistics"):
    sys.stdout.flush()
    if os.fork() == 0:
        __import__(name)
        print(name, list(sys.modules), flush=True)
        os._exit(0)
    os.wait()
""",
    "parts_that_nobody_has_imported": """
import urllib, logging, concurrent.futures, xml, importlib
for package in (urllib, logging, xml, importlib):
    part = {urllib: "parse", logging: "handlers", xml: "etree", importlib: "util"}[package]
    try:
        print(getattr(package, part))
    except AttributeError as error:
        print(error)
import logging.handlers
print(logging.handlers.QueueHandler.__module__)
from urllib import parse
import urllib
print(parse is urllib.parse)
""",
    "whose_the_functions_that_import_are": """
import importlib._bootstrap as machinery
for name in ("_find_and_load", "_find_and_load_unlocked", "_load_unlocked", "_new_module"):
    function = getattr(machinery, name)
    print(name, function.__module__, function.__qualname__, function.__code__.co_filename)
import _imp
print(_imp.create_dynamic.__qualname__, type(_imp.create_dynamic).__name__)
""",
    "own_modules_on_an_added_path": """
import os, sys
os.mkdir("src")
for name in ("queue", "colorsys"):
    with open(f"src/{name}.py", "w") as file:
        print("mine = 'mine'\\nclass Empty: pass\\nclass SimpleQueue: pass", file=file)
sys.path.insert(0, "src")
import concurrent.futures.thread as thread
import colorsys, json, queue
print(queue.mine, colorsys.mine, thread.queue is queue, json.dumps([1]), "queue" in sys.modules)
print(list(sys.modules))
""",
    "written_while_it_runs_and_found_after_a_change_of_folder": """
import os, sys
import json
with open("calendar.py", "w") as file:
    file.write("mine = 1")
import calendar
os.mkdir("other")
os.chdir("other")
sys.path.insert(0, "")
with open("statistics.py", "w") as file:
    file.write("mine = 2")
import statistics, csv
print(calendar.mine, statistics.mine, csv.__name__)
""",
    "own_module_behind_the_standard_library": """
import os, sys
os.mkdir("src")
open("src/queue.py", "w").close()
sys.path.append("src")
import queue
print(queue.Queue.__name__, queue.__file__.endswith("/src/queue.py"))
""",
    "finders_are_asked_first": """
import sys
class Finder:
    asked = []
    def find_spec(self, name, path=None, target=None):
        self.asked.append(name)
        if name == "queue":
            raise ImportError("no queues here", name=name)
sys.meta_path.insert(0, Finder())
import json, typing
from xml.etree import ElementTree
try:
    import concurrent.futures.thread
except ImportError as error:
    print(error)
print(list(dict.fromkeys(Finder.asked)))  # who is refused may be asked again
print(list(sys.modules))
""",
    "finder_that_brings_something_else": """
import sys, types
from importlib.machinery import ModuleSpec
class Brings:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name == "json" else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        module.dumps = lambda value: "mine"
sys.meta_path.insert(0, Brings())
import json, logging
print(json.dumps([]), logging.__name__)
""",
    "refused_and_replaced_in_sys_modules": """
import sys, types
sys.modules["decimal"] = None
try:
    import decimal
except ImportError as error:
    print(type(error).__name__, error)
sys.modules["queue"] = fake = types.ModuleType("queue")
fake.Empty = fake.SimpleQueue = object
import concurrent.futures.thread as thread
try:
    import statistics
except ImportError as error:
    print(error)
print(thread.queue is fake, "statistics" in sys.modules, "fractions" in sys.modules)
""",
    "function_of_import_replaced": """
import builtins
names = []
def noted(name, *rest, original=builtins.__import__):
    names.append((name, rest[2:]))
    return original(name, *rest)
builtins.__import__ = noted
import queue, csv
builtins.__import__ = noted.__kwdefaults__["original"]
print(names)
""",
    "deleted_and_imported_again": """
import sys, importlib
import json
before = json
del sys.modules["json"]
import json
print(json is before, json.dumps is before.dumps, importlib.reload(json) is json)
import random, tempfile
print(tempfile._Random is random.Random)
""",
    "own_part_of_a_package": """
import os, urllib
os.mkdir("own")
with open("own/parse.py", "w") as file:
    file.write("mine = 1")
urllib.__path__.insert(0, "own")
import urllib.parse
print(urllib.parse.mine)
""",
    "traceback_of_a_failing_import": """
with open("broken.py", "w") as file:
    file.write("import json\\nimport nothing_like_it\\n")
with open("worse.py", "w") as file:
    file.write("import json\\n1 / 0\\n")
import traceback
for name in ("broken", "worse"):
    try:
        __import__(name)
    except Exception:
        print(traceback.format_exc())
""",
    "in_threads_at_once": """
import _thread, sys, time
failed, done = [], []
def work(name):
    try:
        assert getattr(__import__(name, fromlist=["x"]), "__spec__").name == name
    except BaseException as error:
        failed.append(repr(error))
    done.append(name)
names = ["asyncio", "logging", "concurrent.futures.thread", "unittest", "json", "queue", "typing"]
for name in names * 3:
    _thread.start_new_thread(work, (name,))
while len(done) < 3 * len(names):
    time.sleep(0.001)
print(failed, sorted(sys.modules))
""",
    "searched_without_an_import": """
import sys, importlib.util, pkgutil
print(importlib.util.find_spec("queue").origin, "queue" in sys.modules)
print(importlib.util.find_spec("concurrent.futures.thread").name, "concurrent" in sys.modules)
""",
    "clock_of_logging": """
import time
time.sleep(0.01)
now = time.time()
import logging
print(logging._startTime >= now)
""",
}


def run(program: str, folder: Path, *path: str) -> str:
    folder.mkdir()
    (folder / "main.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "main.py"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": ":".join(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    return ran.stdout.replace(str(folder), "FOLDER")


@pytest.mark.parametrize("name", PROGRAMS)
def test_loaded_ahead_is_as_if_loaded_now(name: str, tmp_path: Path) -> None:
    for at_start, text in (("zygote", ZYGOTE), ("bare", NO_SITECUSTOMIZE)):
        (tmp_path / at_start).mkdir()
        (tmp_path / at_start / "sitecustomize.py").write_text(text)
    zygote = tmp_path / "zygote"
    plain = run(PROGRAMS[name], tmp_path / "plain", str(tmp_path / "bare"))
    assert plain
    assert run(PROGRAMS[name], tmp_path / "warm", str(zygote)) == plain


def test_what_was_loaded_ahead_is_not_loaded_again(tmp_path: Path) -> None:
    zygote = tmp_path / "zygote"
    zygote.mkdir()
    (zygote / "sitecustomize.py").write_text(ZYGOTE)
    program = """
import sys
ran = []
sys.addaudithook(lambda event, args: ran.append(args[0].co_filename) if event == "exec" else None)
import json, asyncio, xml.etree.ElementTree
print([x for x in ran if "frozen" not in x])
"""
    assert run(program, tmp_path / "warm", str(zygote)) == "[]\n"
