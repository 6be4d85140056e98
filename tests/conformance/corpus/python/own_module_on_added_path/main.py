import os
import sys

sys.path.insert(0, "src")
import queue

print(queue.mine, queue.__file__)
with open("random.py", "w") as file:
    file.write("mine = 'written just now'\n")
import random

print(random.mine)
os.mkdir("elsewhere")
os.chdir("elsewhere")
sys.path.insert(0, "")
with open("heapq.py", "w") as file:
    file.write("mine = 'found after a change of folder'\n")
import heapq

print(heapq.mine)
import json

print(json.dumps([1]), sorted(sys.modules))
