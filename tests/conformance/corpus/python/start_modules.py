import sys

print(list(sys.modules))
import warnings

print(warnings.filters)
import urllib

try:
    urllib.parse
except AttributeError as error:
    print(error)
import json
import typing
import datetime
import concurrent.futures
import logging

print(list(sys.modules))
print(list(logging.root.manager.loggerDict), logging.root.handlers)
