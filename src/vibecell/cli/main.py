"""The command line.

Owns the words and options of the ``vibecell`` command; refuses to do anything
itself: each word is one module.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

# before gevent changes anything: it takes what it needs as it was
from vibecell.cli.complaints import complain
from vibecell.config import DEFAULT_BASE_IMAGE, PREFIX, Settings, load
from vibecell.model.errors import VibecellError
from vibecell.model.language import DEFAULT_IMAGE, DEFAULT_LANGUAGE

EXIT_USAGE = 2
_PATIENCE_S = 5.0  # with who reads our last words
_LANGUAGE_HELP = f"default: by the file's name, else {DEFAULT_LANGUAGE}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Modules of a word are imported when it is said: ``run`` starts in
    milliseconds and never loads the gateway.
    """
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(frozenset(given)).parse_args(given)
    _hear_signals()
    try:
        status = _dispatch(options)
        if sys.stdout is not None:  # as it is where it was closed when we were started
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has left; say nothing more, as cat would.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except VibecellError as error:
        complain(str(error), _PATIENCE_S)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    return status


def _hear_signals() -> None:
    """Whatever a supervisor has blocked: we must hear of a stop, and of a child's end.

    Source: execve(2); wait(2), "if SIGCHLD is set to SIG_IGN"
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _dispatch(options: argparse.Namespace) -> int:
    if options.word == "internal":
        if options.role == "gateway":
            # before anything imports ssl or makes a lock
            from gevent import monkey

            monkey.patch_all()
        from vibecell.cli import children

        return children.live(
            options.role,
            options.parent,
            options.settings_fd,
            options.listener_fd,
            options.metrics_fd,
            options.restarts,
        )
    settings = load(_environ(options))
    # last, because what the system keeps up to date comes first
    beside_us = Path(sys.executable).parent
    settings = replace(settings, program_path=f"{settings.program_path}:{beside_us}")
    if options.word == "serve":
        from vibecell.cli import serve

        return serve.serve(settings)
    if options.word == "run":
        from vibecell.cli import run

        arguments = tuple(options.args)
        return run.run(settings, options.file, options.language, arguments, options.displays)
    if options.word == "trace":
        from vibecell.cli import trace

        asked = trace.Asked(
            options.url, options.language, options.file, options.count, options.json
        )
        return trace.trace(settings, asked)
    if options.word == "images":
        from vibecell.cli import images

        if options.images_word == "build":
            wanted = images.Wanted(options.name, options.base, options.network)
            return images.build(settings, wanted)
        return images.listing(settings, as_json=options.json)
    if options.word == "keys":
        from vibecell.cli import key_words

        return key_words.keys(settings, options)
    if options.word == "audit":
        from vibecell.cli import audit_words

        return audit_words.audit(settings, options)
    from vibecell.cli import report

    if options.word == "languages":
        return report.languages(settings, as_json=options.json)
    if options.word == "prepare":
        return report.prepare(settings)
    return report.doctor(settings, as_json=options.json)


def _environ(options: argparse.Namespace) -> dict[str, str]:
    """The environment, with options written over it."""
    environ = dict(os.environ)
    for name in Settings.__dataclass_fields__:
        value = getattr(options, name, None)
        if value is not None:
            environ[PREFIX + name.upper()] = str(value)
    if getattr(options, "config", None) is not None:
        environ[PREFIX + "CONFIG"] = str(options.config)
    return environ


def _parser(given: frozenset[str]) -> argparse.ArgumentParser:
    """Of all words; what may follow ``keys`` and ``audit`` is known only where these are said."""
    from vibecell import __version__

    parser = argparse.ArgumentParser(
        prog="vibecell", description="Run code at once, in a sealed cell, and watch it live."
    )
    parser.add_argument("--version", action="version", version=f"vibecell {__version__}")
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help="settings; see docs")
    keeping = argparse.ArgumentParser(add_help=False, parents=[configured])
    keeping.add_argument("--state-dir", type=Path, metavar="DIR", help="what is kept; see docs")
    isolating = argparse.ArgumentParser(add_help=False, parents=[keeping])
    isolating.add_argument("--run-dir", type=Path, metavar="DIR", help="of its sockets; see docs")
    isolating.add_argument("--backend", help="bubblewrap (default) or docker")
    isolating.add_argument(
        "--wall", help="shared or fresh; default: docker fresh, bubblewrap shared"
    )
    isolating.add_argument("--runtime", help="OCI runtime of containers")
    words = parser.add_subparsers(dest="word", required=True, metavar="COMMAND")

    serve = words.add_parser("serve", parents=[isolating], help="start the service")
    serve.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    serve.add_argument("--port", type=int, help="port (default 8000; 0: any free one)")
    serve.add_argument(
        "--log-format", metavar="json|text", help="default: text on a terminal, else json"
    )

    run = words.add_parser("run", parents=[isolating], help="run a program; exit as it does")
    run.add_argument("--language", "-l", help=_LANGUAGE_HELP)
    run.add_argument(
        "--displays", type=Path, metavar="DIR", help="write what it displays to files there"
    )
    run.add_argument("file", help="its source; - reads it from standard input")
    run.add_argument("args", nargs=argparse.REMAINDER, help="arguments of the program")

    for word, text in (("languages", "what can be run"), ("doctor", "what protects this host")):
        words.add_parser(word, parents=[isolating], help=text).add_argument(
            "--json", action="store_true", help="for programs"
        )
    words.add_parser("prepare", parents=[isolating], help="build the runtime image")
    _add_images(
        words.add_parser("images", help="runtime images of containers"), configured, keeping
    )
    _add_keys_and_audit(words, keeping, given)
    _add_trace(
        words.add_parser("trace", parents=[isolating], help="show where a request's time goes")
    )

    internal = words.add_parser("internal")
    internal.add_argument("role", choices=("engine", "gateway", "courier"))
    internal.add_argument("--parent", type=int, required=True)
    internal.add_argument("--settings-fd", type=int, required=True)
    internal.add_argument("--listener-fd", type=int)
    internal.add_argument("--metrics-fd", type=int)
    internal.add_argument("--restarts", type=int, default=0)
    return parser


def _add_keys_and_audit(
    words: "argparse._SubParsersAction[argparse.ArgumentParser]",
    keeping: argparse.ArgumentParser,
    given: frozenset[str],
) -> None:
    keys = words.add_parser("keys", help="who may use the service")
    if "keys" in given:
        from vibecell.cli import key_options

        key_options.add_words(keys, keeping)
    audit = words.add_parser("audit", parents=[keeping], help="who did what")
    if "audit" in given:
        from vibecell.cli import audit_options

        audit_options.add_words(audit)


def _add_images(
    images: argparse.ArgumentParser,
    configured: argparse.ArgumentParser,
    keeping: argparse.ArgumentParser,
) -> None:
    words = images.add_subparsers(dest="images_word", required=True, metavar="COMMAND")
    build = words.add_parser("build", parents=[keeping], help="build one on a base image")
    build.add_argument(
        "--base", default=DEFAULT_BASE_IMAGE, help="has python3 >= 3.11 (default %(default)s)"
    )
    build.add_argument("--name", default=DEFAULT_IMAGE, help="vibecell/NAME (default %(default)s)")
    build.add_argument("--network", help="to install system programs by, as docker build has it")
    listing = words.add_parser("list", parents=[configured], help="those that are there")
    listing.add_argument("--json", action="store_true", help="for programs")


def _add_trace(trace: argparse.ArgumentParser) -> None:
    trace.description = (
        "Start a service, execute a small program in it again and again, one after the other, "
        "and print what each step of a request took."
    )
    trace.add_argument(
        "--url", help="trace a running service, started with VIBECELL_TRACE=true, on this host"
    )
    trace.add_argument("--language", "-l", help=_LANGUAGE_HELP)
    trace.add_argument("--file", help="the program; default: one that prints a line; -: stdin")
    trace.add_argument("--count", type=int, default=200, help="executions (default 200)")
    trace.add_argument("--json", action="store_true", help="for programs")


if __name__ == "__main__":
    sys.exit(main())
