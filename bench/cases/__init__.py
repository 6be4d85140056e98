"""The cases, one small file each; every one is found by itself.

A file defines ``CASE``. Its name is what ``make bench CASE=…`` takes.
"""
