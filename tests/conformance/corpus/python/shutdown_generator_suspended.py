def steps():
    try:
        yield 1
    finally:
        print("left its try")


kept = steps()
print(next(kept))
