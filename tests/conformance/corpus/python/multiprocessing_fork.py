import multiprocessing as mp
import os


def child(n, connection):
    connection.send((n, n * n, os.getpid() != parent))
    connection.close()


parent = os.getpid()
if __name__ == "__main__":
    context = mp.get_context("fork")
    print(mp.get_start_method())
    for n in range(3):
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(n, theirs))
        process.start()
        print(ours.recv())
        process.join()
        print(process.exitcode, mp.current_process().name)
