import warnings

warnings.warn("a user warning")
warnings.warn("deprecated", DeprecationWarning)


def old():
    warnings.warn("the caller's line", FutureWarning, stacklevel=2)


for _ in range(3):
    old()
print(warnings.filters[0][0], len(warnings.filters))
x = 1
if x is 1:
    print("a syntax warning was given")
open("leaked.txt", "w")
warnings.simplefilter("error")
old()
