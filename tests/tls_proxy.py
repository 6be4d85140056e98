"""A proxy that ends TLS and serves under a path, as one before a deployment does.

Owns one listening port, and a thread for each connection; refuses to be fast. Like nginx as it
comes, it names its upstream as the ``Host``, and says of the client what nobody should believe.
"""

import contextlib
import re
import select
import socket
import ssl
import subprocess
import threading
from pathlib import Path

_HEAD_BYTES = 64 * 1024
_IDLE_S = 60


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for ``localhost`` that nobody trusts."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return key, cert


class TlsProxy:
    """Listens on a free port of this machine; ``upstream`` may be set later.

    Attributes:
        port: where it listens.
        certificate: which a client has to be told of.
        upstream: host and port of the service.
        strips: whether it takes the prefix off a path.
    """

    def __init__(self, prefix: str, folder: Path) -> None:
        self.prefix = prefix
        self.upstream = ("127.0.0.1", 0)
        self.strips = False
        key, self.certificate = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients find the service."""
        return f"https://localhost:{self.port}{self.prefix}"

    def close(self) -> None:
        """Listens no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), plain:
            plain.settimeout(60)
            with self._context.wrap_socket(plain, server_side=True) as client:
                head, rest = _head(client)
                with socket.create_connection(self.upstream, 60) as service:
                    service.sendall(self._rewritten(head) + rest)
                    _relay(client, service)

    def _rewritten(self, head: bytes) -> bytes:
        first, *fields = head.split(b"\r\n")
        method, path, version = first.split(b" ")
        prefix = self.prefix.encode()
        assert path.startswith(prefix), path
        if self.strips:
            path = path[len(prefix) :]
        kept = [x for x in fields if not re.match(rb"host:|x-forwarded", x, re.I)]
        if not any(re.match(rb"upgrade:", x, re.I) for x in kept):
            kept = [x for x in kept if not re.match(rb"connection:", x, re.I)]
            kept.append(b"Connection: close")  # so that there is one request to rewrite
        kept.append(b"Host: %b:%d" % (self.upstream[0].encode(), self.upstream[1]))
        kept += [b"X-Forwarded-Host: elsewhere.example", b"X-Forwarded-Proto: http"]
        return b"\r\n".join([b" ".join((method, path, version)), *kept]) + b"\r\n\r\n"


def _head(client: ssl.SSLSocket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(4096)
        if not piece or len(data) > _HEAD_BYTES:
            raise ConnectionError("no request")
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _relay(client: ssl.SSLSocket, service: socket.socket) -> None:
    """Both ways in one thread: two must not use one TLS connection at the same time.

    Source: https://docs.python.org/3/library/ssl.html#notes-on-non-blocking-sockets
    """
    ways: dict[socket.socket, socket.socket] = {client: service, service: client}
    while True:
        pending = client in ways and client.pending() > 0
        ready = [client] if pending else select.select(list(ways), [], [], _IDLE_S)[0]
        if not ready:
            return
        for source in ready:
            source.settimeout(0.0)
            try:
                piece = source.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue  # no data: a record of the connection's own
            finally:
                source.settimeout(_IDLE_S)
            if piece:
                ways[source].sendall(piece)
            elif source is service:
                return
            else:
                service.shutdown(socket.SHUT_WR)
                del ways[client]
