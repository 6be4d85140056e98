"""The programs of a zygote on the real kernel, without a wall: as a user who has no privilege."""

import subprocess
from collections.abc import Callable

import pytest

Attempt = Callable[[str], "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.kernel

# a zygote of this user, on the other end of ``control``; ``set_up`` makes it ready
ZYGOTE = """
import json
from vibecell.model.language import WarmProfile
from vibecell.model.limits import Limits
from vibecell.sandbox.framed.messages import setup_message
from vibecell.sandbox.mechanisms import landlock

def give_up_root():
    if os.geteuid() == 0:
        os.setgroups([]); os.setresgid(4242, 4242, 4242); os.setresuid(4242, 4242, 4242)
        confine.set_dumpable(True)  # as who has just been executed is

control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.settimeout(20)
zygote_pid = os.fork()
if zygote_pid == 0:
    control.close()
    import memory_files, recording, zygote
    memory_files.lead_to_limit = lambda: None  # there is no wall here, whose /sys it could cover
    give_up_root()
    sys.path.append(os.environ['TMPDIR'])
    os.environ['VIBECELL_CONTROL_FD'] = str(there.detach())
    zygote.live(recording.Recording(sys.modules))
    os._exit(7)
there.close()

def set_up(*modules):
    profile = WarmProfile(name='tried', modules=modules)
    limits = Limits(workspace_bytes=1 << 20)
    message = setup_message(profile, limits, landlock.supported_abi(), watch=False)
    control.send(json.dumps(message).encode())
    return json.loads(control.recv(65536))

def in_child(action):
    pid = os.fork()
    if pid == 0:
        try:
            give_up_root()
            action()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def ended():
    control.close()
    return os.waitstatus_to_exitcode(os.waitpid(zygote_pid, 0)[1])
"""


def passes(attempt: Attempt, code: str) -> None:
    done = attempt(ZYGOTE + code)
    assert done.returncode == 0, done.stderr


def test_nobody_of_its_user_reads_the_memory_of_a_zygote(attempt: Attempt) -> None:
    """What it has in it, every program of it has: a layout, a hash seed."""
    passes(
        attempt,
        """
def read_all():
    for name in ('maps', 'environ', 'auxv'):
        open(f'/proc/{zygote_pid}/{name}', 'rb').read(64)
    os.listdir(f'/proc/{zygote_pid}/fd')

def refused():
    for name in ('maps', 'environ', 'auxv', 'mem'):
        try:
            open(f'/proc/{zygote_pid}/{name}', 'rb').read(64)
        except PermissionError:
            continue
        sys.exit(f'{name} could be read')
    try:
        os.readlink(f'/proc/{zygote_pid}/exe')
        sys.exit('it could be looked at')
    except PermissionError:
        pass

deadline = time.monotonic() + 10
while in_child(read_all) and time.monotonic() < deadline:  # it gives up root yet
    time.sleep(0.05)
assert in_child(read_all) == 0, 'the test looks for what nobody sees'
assert set_up() == {'ready': True}
assert in_child(refused) == 0
assert ended() == 0
""",
    )


def test_a_profile_whose_module_starts_a_thread_is_refused(attempt: Attempt) -> None:
    """No fork would have that thread, and a lock that it held would be held for ever."""
    passes(
        attempt,
        """
folder = os.environ['TMPDIR']
with open(folder + '/threaded.py', 'w') as file:
    file.write('import threading, time\\n'
               'threading.Thread(target=time.sleep, args=(30,), daemon=True).start()')
os.chmod(folder + '/threaded.py', 0o644)
said = set_up('threaded')
assert 'started a thread' in said['detail'], said
assert ended() == 1
""",
    )


def test_a_zygote_says_which_module_it_could_not_import(attempt: Attempt) -> None:
    passes(
        attempt,
        """
said = set_up('json', 'no_such_module')
assert said['failure'] == 'warm up' and 'no_such_module' in said['detail'], said
assert ended() == 1
""",
    )
