# Leaves files whose names are control characters, bytes that are no UTF-8, HTML and options.
# Expected containment: each comes back as a name that can be sent again, or is told to be none.
# attack: {"sendable_names": 10, "unnameable": 1}
import os

from attack import contained

for name in (
    b"new\nline.txt",
    b"\xff\xfe.txt",
    b"-rf",
    b"<script>alert(1)</script>".replace(b"/", b"_"),
    b"\x1b[31mred",
    "\u202egnp.exe".encode(),
    b"a" * 255,
    b" ",
    b"...",
    b"con\r\n: x",
    b"..txt",
):
    with open(name, "wb") as file:
        file.write(b"odd")
contained()
