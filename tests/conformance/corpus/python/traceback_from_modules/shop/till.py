class Till:
    def __enter__(self):
        print("open")
        return self

    def __exit__(self, kind, value, traceback):
        print("close", kind.__name__)
        return False

    def charge(self, name, price):
        total = (
            1
            + price
            * 2
        )
        return name, total
