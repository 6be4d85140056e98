# case: {"stdin_base64": "b2sK/wo="}
print(input())
print(input())
