"""The reference: the service most people write, on the server class that Vibecell has.

Owns one Flask view that runs a program and answers with what it printed. It
is a program of its own: ``python -m bench.reference_service``; it says one
line, ``ready`` or ``lacking: …``, and serves until it is ended.

Each request runs in a thread of gevent's native pool, so ``subprocess.run``
waits as it does in any threaded server. Nothing is monkey-patched.
"""

import argparse
import socket
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import gevent
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from bench import ways
from vibecell.gateway.http.answer_chain import AnswerChain
from vibecell.gateway.http.server import GatewayServer
from vibecell.gateway.http.serving import ServerLimits
from vibecell.model.access import DEFAULT_ACCESS

THREADS = 160


def make_app(way: ways.Way) -> Flask:
    """The application."""
    app = Flask(__name__)

    @app.post("/execute")
    def execute() -> ResponseReturnValue:
        asked = request.get_json()
        ran = way.run(asked["code"], asked.get("language", "python"))
        return jsonify(success=ran.success, output=ran.output, error=ran.error)

    return app


def threaded(application: WSGIApplication) -> WSGIApplication:
    """The same, in a thread for each request."""
    pool = gevent.get_hub().threadpool
    pool.maxsize = THREADS

    def serve(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        # the body is read here: the connection belongs to the loop's thread
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read())
        begun: list[tuple[Any, ...]] = []

        def begin(*arguments: Any) -> Any:
            begun.append(arguments)

        def work() -> list[bytes]:
            return list(application(environ, begin))

        body: list[bytes] = pool.apply(work)
        start(*begun[-1])
        return body

    return serve


def main() -> int:
    """Serve on an inherited listening socket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=sorted(ways.WAYS), required=True)
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--node", type=Path)
    parser.add_argument("--listener-fd", type=int, required=True)
    options = parser.parse_args()
    try:
        way = ways.make(options.way, options.python, options.node)
    except ways.Lacking as lacking:
        print(f"lacking: {lacking}", flush=True)
        return 1
    print("ready", flush=True)
    listener = socket.socket(fileno=options.listener_fd)
    listener.setblocking(False)
    application = threaded(make_app(way).wsgi_app)
    chain = AnswerChain(())
    GatewayServer(listener, application, ServerLimits(), DEFAULT_ACCESS, chain).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
