"""The page that an HTML execution is, shown in a frame without any rights.

Owns serving its files under a policy that lets it reach nobody, and the small
script that forwards its console. The URL is the capability: the id has 144
random bits and lives for minutes; a frame can send no key.
"""

import mimetypes
import re

from flask import Blueprint, Response, request

from vibecell.gateway import security_headers
from vibecell.gateway.api.executions import checked_id
from vibecell.gateway.parts import Gateway
from vibecell.model.errors import UnknownExecution
from vibecell.model.events import Display, Finished

#: Whatever may stand before the first element without leaving standards mode.
_PROLOGUE = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*(?:<!doctype[^>]*>)?", re.S | re.I
)
_TEXT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_MAX_SEARCHED_BYTES = 64 * 1024

CONSOLE_SCRIPT = b"""<script>(function(){
var limit=200,text=function(v){try{
if(typeof v==="string")return v;
if(v instanceof Error)return v.stack||String(v);
if(typeof v==="object"&&v!==null){var j=JSON.stringify(v);if(j!==undefined)return j}
return String(v)}catch(e){return "[unprintable]"}},
send=function(level,args){var out=[];for(var i=0;i<args.length&&i<limit;i++)
out.push(text(args[i]).slice(0,10000));
parent.postMessage({source:"vibecell-page",level:level,args:out},"*")};
["log","info","warn","error","debug"].forEach(function(level){var own=console[level];
console[level]=function(){send(level,arguments);own.apply(console,arguments)}});
addEventListener("error",function(e){if(e.message!==undefined)
send("error",[e.message+(e.lineno?" (line "+e.lineno+")":"")]);
else send("error",["could not load "+(e.target&&(e.target.src||e.target.href)||"a file")])},true);
addEventListener("unhandledrejection",function(e){
send("error",["unhandled rejection: "+text(e.reason)])});
document.currentScript.remove()})()</script>"""


def blueprint(gateway: Gateway) -> Blueprint:
    """The endpoints, for one gateway."""
    routes = Blueprint("pages", __name__, url_prefix="/v1/executions")

    @routes.get("/<execution_id>/page/")
    def entry(execution_id: str) -> Response:
        page = gateway.page_files.find(checked_id(execution_id))
        if page is None:
            return _file(execution_id, "index.html", _displayed(gateway, execution_id))
        if "/" in page.entry:  # so that its relative links work
            response = Response(status=302)
            response.autocorrect_location_header = False
            response.headers["Location"] = f"/v1/executions/{execution_id}/page/{page.entry}"
            return _open_to_frames(response, execution_id)
        return _file(execution_id, page.entry, page.files[page.entry], is_entry=True)

    @routes.get("/<execution_id>/page/<path:path>")
    def file(execution_id: str, path: str) -> Response:
        page = gateway.page_files.find(checked_id(execution_id))
        if page is None or path not in page.files:
            raise UnknownExecution("no such execution or file")
        return _file(execution_id, path, page.files[path], is_entry=path == page.entry)

    return routes


def _displayed(gateway: Gateway, execution_id: str) -> bytes:
    """The page as the engine shows it, where this gateway did not begin it."""
    owner = gateway.owner()
    with gateway.executor.attach(execution_id, owner) as conversation:
        if conversation.standing.state != "finished":  # a page is, at once
            raise UnknownExecution("this execution is no page")
        for numbered in conversation.events():
            event = numbered.event
            if isinstance(event, Display) and "text/html" in event.data:
                return event.data["text/html"].encode()
            if isinstance(event, Finished):
                break
    raise UnknownExecution("this execution is no page")


def _file(execution_id: str, path: str, content: bytes, is_entry: bool = True) -> Response:
    kind = _media_type(path)
    if is_entry:
        kind = _TEXT_TYPES[".html"]
    if kind.startswith("text/html"):
        content = with_console(content)
    return _open_to_frames(Response(content, content_type=kind), execution_id)


def with_console(page: bytes) -> bytes:
    """A page with the forwarding script first, behind its document type."""
    match = _PROLOGUE.match(page[:_MAX_SEARCHED_BYTES])
    at = match.end() if match else 0
    return page[:at] + CONSOLE_SCRIPT + page[at:]


def _media_type(path: str) -> str:
    suffix = "." + path.rpartition(".")[2].lower()
    if suffix in _TEXT_TYPES:
        return _TEXT_TYPES[suffix]
    guessed, _ = mimetypes.guess_type(path)
    if guessed and guessed.split("/")[0] in ("image", "font", "audio", "video"):
        return guessed
    return "application/octet-stream"


def _open_to_frames(response: Response, execution_id: str) -> Response:
    files = f"{request.host_url}v1/executions/{execution_id}/page/"
    response.headers["Content-Security-Policy"] = security_headers.PAGE_POLICY.format(files=files)
    response.headers["Connection-Allowlist"] = security_headers.PAGE_CONNECTIONS
    # the frame's origin is opaque: its own files are foreign to it
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
