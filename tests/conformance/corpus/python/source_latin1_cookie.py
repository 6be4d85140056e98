# -*- coding: latin-1 -*-
print("Grüße aus Köln")
print([hex(ord(c)) for c in "äöü"])
