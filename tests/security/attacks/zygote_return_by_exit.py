# Tries to fall back into the zygote's loop at every kind of end.
# Expected containment: below the program there is only the interpreter's own main.
# attack: {"exit_code": 0}
import atexit
import sys
import threading

from attack import contained, escaped

frame = sys._getframe()
if frame.f_back is not None:
    escaped(f"a frame beneath the program: {frame.f_back.f_code}")
for thread, top in sys._current_frames().items():
    while top:
        if "vibecell" in top.f_code.co_filename:
            escaped("a frame of ours is alive")
        top = top.f_back


class Late:
    def __del__(self):
        raise SystemExit(5)


@atexit.register
def late():
    contained()
    raise SystemExit(3)


keep = Late()
