"""Tests in a docstring.

>>> double(2)
4
>>> double("a")
'bb'
"""


def double(x):
    """Twice.

    >>> double([1])
    [1, 1]
    """
    return x * 2


if __name__ == "__main__":
    import doctest

    print(doctest.testmod())
