class Leave(SystemExit):
    def __init__(self, code):
        super().__init__(code)
        print("leaving with", code)


def deep(n):
    if n:
        deep(n - 1)
    raise Leave(17)


deep(5)
