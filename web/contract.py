"""The wire contract in TypeScript, written from the OpenAPI document.

Run it where Vibecell is installed; it prints ``web/src/contract.ts``, and a test holds that
file to what it prints. What the page may meet and send has thus one definition, the
model's: nothing in ``contract.ts`` is written by hand.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from vibecell.gateway.api.openapi import describe

Schema = Mapping[str, Any]
_HEAD = """\
/**
 * The wire contract: what comes down, what goes up. Written from the model by
 * `make page`; not to be changed by hand.
 */
"""
_SUFFIX = "View"  # of what is shown; a page has no other form of it
_LEFT_OUT = {"Problem"}  # read leniently, whoever sends it: protocol.ts
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean"}
_LINE = 110


def contract(document: Schema) -> str:
    """The whole file."""
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    parts = [
        _declared(_name(name), schema)
        for name, schema in sorted(schemas.items())
        if name not in _LEFT_OUT
    ]
    parts.append(_event_types(schemas))
    return "\n".join([_HEAD, *parts])


def _declared(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"{_comment(schema, '')}export type {name} = {_type(schema)};\n"
    required = set(schema.get("required", ()))
    lines = [
        f"{_comment(member, '  ')}  {key}{'' if key in required else '?'}: {_type(member)};\n"
        for key, member in schema["properties"].items()
    ]
    return f"{_comment(schema, '')}export interface {name} {{\n{''.join(lines)}}}\n"


def _event_types(schemas: Mapping[str, Schema]) -> str:
    names = [_referred(x) for x in schemas["Event"]["anyOf"]]
    tags = [json.dumps(schemas[name]["properties"]["type"]["const"]) for name in names]
    said = "/** Each kind of event there is; a page that meets another is older than its server. */"
    return f"{said}\nexport const EVENT_TYPES = [{', '.join(tags)}] as const;\n"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _name(_referred(schema))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " | ".join(_type(kind) for kind in schema[union])
    kind = schema.get("type")
    if kind == "array":
        inner = _type(schema["items"])
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if kind == "object":
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    if kind == "null":
        return "null"
    return _PLAIN[str(kind)]


def _comment(schema: Schema, indent: str) -> str:
    text = schema.get("description", "")
    if not text or "$ref" in schema:
        return ""
    return "".join(f"{line}\n" for line in _wrapped(text, indent))


def _wrapped(text: str, indent: str) -> Iterator[str]:
    if len(text) + len(indent) + 7 <= _LINE:
        yield f"{indent}/** {text} */"
        return
    yield f"{indent}/**"
    line = f"{indent} *"
    for word in text.split():
        if len(line) + 1 + len(word) > _LINE:
            yield line
            line = f"{indent} *"
        line += f" {word}"
    yield line
    yield f"{indent} */"


def _referred(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _name(schema_name: str) -> str:
    return schema_name.removesuffix(_SUFFIX)


if __name__ == "__main__":
    sys.stdout.write(contract(describe()))
