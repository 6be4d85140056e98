class Held:
    def __del__(self):
        print("held and ended")


def fail():
    held = Held()
    raise RuntimeError("with locals")


fail()
