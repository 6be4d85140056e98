# case: {"stdin": "3\n1 2 3\n4 5 6\n7 8 9\n"}
import sys

n = int(input())
rows = [list(map(int, input().split())) for _ in range(n)]
print(sum(map(sum, rows)))
print(list(sys.stdin))
