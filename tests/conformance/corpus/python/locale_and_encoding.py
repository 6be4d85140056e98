import codecs
import io
import locale
import os
import time

print(locale.getlocale(), locale.getpreferredencoding(), locale.getencoding())
print(locale.setlocale(locale.LC_ALL), locale.localeconv()["decimal_point"])
print(open("x.txt", "w").encoding, io.text_encoding(None), codecs.lookup("utf8").name)
print(os.environ.get("LANG"), os.environ.get("LC_ALL"), time.tzname, time.strftime("%B", time.gmtime(0)))
print(locale.setlocale(locale.LC_ALL, ""))
