import os
import site
import sys

print(site.USER_BASE, site.USER_SITE, site.ENABLE_USER_SITE, site.getsitepackages())
print(site.USER_BASE == os.path.expanduser("~/.local"), sys.path)
