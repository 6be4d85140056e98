import gc


def told(phase, info):
    print(phase, info["generation"])


gc.collect()
gc.callbacks.append(told)
print("the end")
