import os
import sqlite3

base = sqlite3.connect("left.db")
base.execute("create table t (x)")
base.commit()
base.execute("insert into t values (1)")
print(sorted(os.listdir(".")))
