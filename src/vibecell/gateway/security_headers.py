"""The response headers that keep a browser from doing harm.

Owns their exact values; which response gets which set is decided where the
response is made.
"""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"

#: The playground loads only what the gateway serves; its scripts are files.
#: Inline styles are allowed: the editor and the terminal size their elements
#: with style sheets they create at run time.
PLAYGROUND_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' {websocket}; "
    "frame-src 'self'; worker-src 'self' blob:; manifest-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

#: Swagger UI evaluates nothing, and styles its elements by the object model only, which no policy
#: forbids; the pictures in its style sheet are part of it.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

#: A program's own page: an opaque origin (``sandbox`` without ``allow-same-origin``) that can load
#: nothing but its own files and what it makes itself (``blob:``, ``data:``). Within that it may do
#: what a page may, evaluate text as well: the origin is the wall. A form reaches its handler only.
#: ``{files}`` is the absolute address of the page's folder: an opaque origin
#: matches no ``'self'``. ``{framers}`` are those who may show it.
#: Source: Content Security Policy Level 3, 6.7.2.7.
PAGE_POLICY = (
    "sandbox allow-scripts allow-forms allow-modals allow-downloads; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval' data: blob: {files}; worker-src data: blob: {files}; "
    "style-src 'unsafe-inline' data: blob: {files}; img-src data: blob: {files}; "
    "font-src data: blob: {files}; media-src data: blob: {files}; connect-src data: blob: {files}; "
    "form-action 'none'; base-uri 'none'; frame-ancestors {framers}"
)

#: What that policy has no word for, where the browser knows this header (Chromium 152): WebRTC,
#: going elsewhere by ``location``, a link or ``<meta http-equiv="refresh">``, connections made
#: ahead, and redirects. CSP still says which of the origin's addresses are the page's.
#: Source: https://wicg.github.io/connection-allowlists/
PAGE_CONNECTIONS = "(response-origin)"

_NO_FEATURES = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "camera",
        "clipboard-read",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)

COMMON: tuple[tuple[str, str], ...] = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", _NO_FEATURES),
)
API: tuple[tuple[str, str], ...] = (
    *COMMON,
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", API_POLICY),
)
