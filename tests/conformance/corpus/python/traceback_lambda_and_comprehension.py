import functools

pipeline = [lambda x: x + 1, lambda x: x * 2, lambda x: x / 0]
print(functools.reduce(lambda value, step: step(value), pipeline[:2], 3))
result = {k: functools.reduce(lambda v, s: s(v), pipeline, k) for k in range(3)}
