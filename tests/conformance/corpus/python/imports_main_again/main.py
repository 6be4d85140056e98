import sys

print("running as", __name__)
if __name__ == "__main__":
    import main

    print(main.__name__, main is sys.modules["__main__"], main.__spec__.origin)
    import os

    print(sorted(os.listdir()), sorted(os.listdir("__pycache__")))
