import multiprocessing as mp


def square(n):
    return n * n


def fail(n):
    raise ValueError(f"bad {n}")


if __name__ == "__main__":
    with mp.Pool(3) as pool:
        print(pool.map(square, range(10)))
        print(sorted(pool.imap_unordered(square, range(5))))
        print(pool.starmap(divmod, [(7, 2), (9, 4)]))
        try:
            pool.apply(fail, (3,))
        except ValueError as error:
            print("caught", error, type(error.__cause__).__name__)
    with mp.get_context("spawn").Pool(2) as pool:
        print(pool.map(square, [7, 8]))
