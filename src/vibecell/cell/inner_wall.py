"""The inner wall as a whole: what every cell and every program goes through.

Owns the order of the steps, which is a law, and their recordings, made once
by the zygote; refuses to know what happens between them. ``confine.py`` and
``mounts.py`` say how each step is done.
"""

import confine
import memory_files
import messages
import mounts
from kernel import Given, Recording, Text, recording

INNER_ID = 1000
HOSTNAME = "sandbox"
_CAP_KILL, _CAP_SETGID, _CAP_SETUID, _CAP_SYS_PTRACE = 5, 6, 7, 19
_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE, _CAP_SETFCAP = 21, 24, 31
_LASTING = frozenset({_CAP_KILL, _CAP_SETGID, _CAP_SETUID, _CAP_SYS_RESOURCE})
_MOST_OPTIONS_BYTES = 200


class InnerWall:
    """Everything that confines a cell of this zygote, ready to be done again.

    Args:
        setup: what is constant for all cells.
    """

    def __init__(self, setup: messages.Setup) -> None:
        self._tmpfs_bytes = setup.tmpfs_bytes
        self._options = Text(_MOST_OPTIONS_BYTES)
        self._uid = Given()
        self._ids = confine.OneId(INNER_ID)
        with recording() as self._surroundings:
            confine.unshare(
                confine.CLONE_NEWNS
                | confine.CLONE_NEWUTS
                | confine.CLONE_NEWIPC
                | confine.CLONE_NEWNET
            )
            confine.sethostname(HOSTNAME)
            confine.bring_loopback_up()
            mounts.make_private_filesystems(
                self._options, setup.tmpfs_bytes, memory_files.limit_file(setup.memory_bytes)
            )
        self._lasting = {own_uid: _lasting(setup, own_uid) for own_uid in (True, False)}
        self._agent = {
            own_uid: _agent(keep | {_CAP_SYS_ADMIN}) for own_uid, keep in self._lasting.items()
        }
        self._agent_at_work = {own_uid: _limit(keep) for own_uid, keep in self._lasting.items()}
        with recording() as self._identity:
            confine.change_identity(self._uid)
        self._program = self._confinement_of_programs(setup)

    def _confinement_of_programs(self, setup: messages.Setup) -> Recording:
        """The user namespace before the capabilities go; no_new_privs before
        seccomp, which demands it; seccomp last, since it forbids the steps before it.

        Source: credentials(7), user_namespaces(7), seccomp(2)
        """
        with recording() as steps:
            confine.set_dumpable(True)
            confine.enter_user_namespace(self._ids)
            confine.unshare(confine.CLONE_NEWCGROUP)
            confine.drop_capabilities(frozenset())
            confine.set_no_new_privs()
            confine.set_dumpable(True)  # a change of credentials has cleared it
            confine.apply_rlimits(setup.rlimits)
            confine.set_umask(0o022)
            confine.change_directory(mounts.WORKSPACE)
            if setup.landlock is not None:
                confine.restrict_landlock(setup.landlock, frozenset({mounts.DISPLAY_FIFO}))
            confine.load_seccomp(setup.seccomp)
        return steps

    def enclose_cell(self, uid: int) -> int:
        """Give the calling agent namespaces and file systems of its cell's own.

        Args:
            uid: the program's, in the outer wall's terms.

        Returns:
            Descriptor of the display FIFO, read end.

        Raises:
            OSError: names the step that failed.
        """
        self._options.fill(mounts.workspace_options(self._tmpfs_bytes, uid).encode())
        self._surroundings.replay()
        display = mounts.open_display()
        self._agent[uid != 0].replay()
        return display

    def restrict_agent(self, uid: int) -> None:
        """Leave the calling agent what it needs while programs run.

        Raises:
            OSError: names the step that failed.
        """
        self._agent_at_work[uid != 0].replay()

    def confine_program(self, uid: int) -> None:
        """Take everything from the calling process but what a program may have.

        Raises:
            OSError: names the step that failed.
        """
        if uid != 0:
            self._uid.value = uid
            self._identity.replay()
        self._ids.to(uid)
        self._program.replay()


def _lasting(setup: messages.Setup, own_uid: bool) -> frozenset[int]:
    """Capabilities an agent keeps after the start of a program.

    Sampling reads the memory maps of others; a runner that maps the outer
    wall's uid 0 into its user namespace must have had CAP_SETFCAP.

    Source: user_namespaces(7), "Defining user and group ID mappings", Linux 5.12
    """
    more = ({_CAP_SYS_PTRACE} if setup.watch else set()) | (set() if own_uid else {_CAP_SETFCAP})
    return _LASTING | more


def _agent(keep: frozenset[int]) -> Recording:
    with recording() as steps:
        confine.set_no_new_privs()
        confine.drop_capabilities(keep)
        confine.set_dumpable(False)
    return steps


def _limit(keep: frozenset[int]) -> Recording:
    with recording() as steps:
        confine.limit_capabilities(keep)
    return steps
