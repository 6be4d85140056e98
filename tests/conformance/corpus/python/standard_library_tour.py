import base64
import collections
import datetime
import enum
import functools
import hashlib
import heapq
import itertools
import json
import re
import sqlite3
import struct
import textwrap
import zlib

print(json.dumps({"ü": [1, None, True]}, ensure_ascii=False, indent=1))
print(collections.Counter("mississippi").most_common(2), collections.deque([1, 2], 1))
print(datetime.date(2024, 2, 29) + datetime.timedelta(days=366))
print(re.findall(r"(\w)(\d+)", "a1 b22"), textwrap.fill("word " * 12, 20))
print(hashlib.md5(b"x").hexdigest(), base64.b64encode(zlib.compress(b"aaaa" * 9)))
print(heapq.nsmallest(2, [5, 1, 4]), list(itertools.batched([1], 1)) if hasattr(itertools, "batched") else "")
print(struct.pack("<IH", 1, 2), functools.reduce(int.__mul__, range(1, 9)))
Colour = enum.Enum("Colour", "RED GREEN")
print(list(Colour), Colour.RED)
with sqlite3.connect("db.sqlite") as database:
    database.execute("create table t (a integer, b text)")
    database.executemany("insert into t values (?, ?)", [(1, "x"), (2, "y")])
    print(database.execute("select sum(a), group_concat(b) from t").fetchall())
sqlite3.connect(":memory:").execute("selec 1")
