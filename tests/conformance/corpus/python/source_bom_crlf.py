print("first")
text = """a
b"""
print(repr(text))
raise ValueError("line four or five")
