import multiprocessing as mp

print("module level, name", "__main__" if __name__ == "__main__" else __name__, flush=True)


class Point:
    def __init__(self, x):
        self.x = x


def child(point, queue):
    print("child sees", point.x, Point.__module__, __name__, flush=True)
    queue.put(point.x + 1)


if __name__ == "__main__":
    context = mp.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=child, args=(Point(41), queue))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
