print("x" * 600_000, end="")
