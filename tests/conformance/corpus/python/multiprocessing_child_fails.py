import multiprocessing as mp
import os
import signal
import sys


def raises():
    raise RuntimeError("child fails")


def leaves():
    sys.exit(12)


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    for target in (raises, leaves, dies):
        process = mp.Process(target=target, name=target.__name__)
        process.start()
        process.join()
        print(process.name, process.exitcode)
