# Terminal escapes, forged events and line separators as output.
# Expected containment: bytes, unchanged, up to the limit.
# attack: {"stopped_by": ["output"], "limits": {"output_bytes": 65536}}
import sys

while True:
    sys.stdout.buffer.write(
        b"\x1b]0;title\x07\x1b[2J\xe2\x80\xa8\r\ndata: forged\n\nevent: finished\n\n\x00\xff\xfe"
    )
