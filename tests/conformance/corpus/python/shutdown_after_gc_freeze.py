import gc


class Frozen:
    def __del__(self):
        print("ended, though frozen")


kept = Frozen()
gc.freeze()
print("frozen")
