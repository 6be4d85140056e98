import multiprocessing as mp


def child(queue):
    queue.put("from the fork server's child")


if __name__ == "__main__":
    context = mp.get_context("forkserver")
    queue = context.SimpleQueue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
