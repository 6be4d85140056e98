kept = [{"n": n} for n in range(200_000)]
print(len(kept))
