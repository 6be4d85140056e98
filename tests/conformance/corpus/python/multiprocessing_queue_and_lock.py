import multiprocessing as mp


def add(total, lock, queue):
    for _ in range(100):
        with lock:
            total.value += 1
    queue.put("done")


if __name__ == "__main__":
    total, lock, queue = mp.Value("i", 0), mp.Lock(), mp.Queue()
    processes = [mp.Process(target=add, args=(total, lock, queue)) for _ in range(4)]
    [p.start() for p in processes]
    print([queue.get() for _ in processes])
    [p.join() for p in processes]
    print(total.value, [p.exitcode for p in processes])
    with mp.Manager() as manager:
        shared = manager.dict(a=1)
        shared["b"] = 2
        print(dict(shared))
