import sys

print("Ελληνικά русский 日本語 🙂 \u202e rtl")
print("combining e\u0301 zero\u200bwidth", file=sys.stderr)
print(ascii("🙂"), len("🙂"), "ß".upper(), "İ".lower().encode())
print("\x00\x1b[31mred\x1b[0m\r\n\x85\u2028\u2029 line separators")
π = 3
print(f"{π=}")
