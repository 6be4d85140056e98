import concurrent.futures as cf


def work(n):
    if n == 3:
        raise ValueError("three")
    return n * 10


if __name__ == "__main__":
    for pool in (cf.ThreadPoolExecutor(3), cf.ProcessPoolExecutor(2)):
        with pool:
            futures = [pool.submit(work, n) for n in range(5)]
            for future in futures:
                try:
                    print(future.result())
                except ValueError as error:
                    print("error", error)
